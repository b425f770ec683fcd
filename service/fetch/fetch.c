#include "fetch/fetch.h"

#include <curl/curl.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/buf.h"
#include "common/err.h"
#include "common/scoped.h"
#include "common/text.h"
#include "fetch/address.h"

enum { HEAD_MAX = 64 * 1024, OK = 200, SECOND = 1000 };

static atomic_bool halted;

/* One transfer. */
struct transfer {
	const struct fetch_request *request;
	CURL *curl;
	fetch_sink *sink;
	void *ctx;
	bool only_ok;
	size_t head; /* bytes of it so far */
	struct fetch_answer *answer;
	struct err why;     /* what one of our callbacks said no to */
	struct err refused; /* the last address that was not connected to; another one of the host's may have been */
	char words[CURL_ERROR_SIZE];
};

bool fetch_start(struct err *err)
{
	return curl_global_init(CURL_GLOBAL_DEFAULT) == CURLE_OK || err_set(err, ERR_INTERNAL, "libcurl does not start");
}

void fetch_halt(void)
{
	halted = true;
}

void fetch_end(void)
{
	curl_global_cleanup();
}

/* --- while it runs --- */

static bool goes_on(struct transfer *t)
{
	if (halted) {
		return err_set(&t->why, ERR_UNAVAILABLE, "the service is stopping");
	}
	if (t->request->cancelled && *t->request->cancelled) {
		return err_set(&t->why, ERR_UNAVAILABLE, "cancelled");
	}
	return true;
}

static int on_progress(void *ctx, curl_off_t total, curl_off_t now, curl_off_t up_total, curl_off_t up_now)
{
	(void)total;
	(void)now;
	(void)up_total;
	(void)up_now;
	return goes_on(ctx) ? 0 : 1;
}

/* After the name was resolved, with the very address that is connected to: a name that means something else by now gains nothing. */
static curl_socket_t on_socket(void *ctx, curlsocktype purpose, struct curl_sockaddr *address)
{
	struct transfer *t = ctx;
	(void)purpose;
	if (t->request->public_only && !address_check(&address->addr, &t->refused)) {
		return CURL_SOCKET_BAD;
	}
	return socket(address->family, address->socktype | SOCK_CLOEXEC, address->protocol);
}

/* The value of a head's line, if it is this field's. */
static bool take_field(const char *line, size_t len, const char *name, char *out, size_t size)
{
	size_t n = strlen(name);
	if (len <= n || line[n] != ':' || strncasecmp(line, name, n) != 0) {
		return false;
	}
	const char *value = line + n + 1;
	len -= n + 1;
	for (; len > 0 && (*value == ' ' || *value == '\t'); len--) {
		value++;
	}
	while (len > 0 && strchr("\r\n \t", value[len - 1])) {
		len--;
	}
	bool fits = len < size && text_is_printable(value, len);
	snprintf(out, size, "%.*s", fits ? (int)len : 0, value);
	return true;
}

static size_t on_head(char *data, size_t size, size_t n, void *ctx)
{
	struct transfer *t = ctx;
	size_t len = size * n;
	t->head += len;
	if (t->head > HEAD_MAX) {
		err_set(&t->why, ERR_INVALID, "the server's answer has a head of more than %d bytes", HEAD_MAX);
		return 0;
	}
	if (len > 5 && memcmp(data, "HTTP/", 5) == 0) { /* of the last head, after one or several 1xx */
		*t->answer->content_type = *t->answer->content_encoding = '\0';
	}
	if (!take_field(data, len, "Content-Type", t->answer->content_type, sizeof t->answer->content_type) &&
	    take_field(data, len, "Content-Encoding", t->answer->content_encoding, sizeof t->answer->content_encoding) &&
	    strcasecmp(t->answer->content_encoding, "identity") == 0) {
		*t->answer->content_encoding = '\0';
	}
	return len;
}

static int status_of(const struct transfer *t)
{
	long status = 0;
	curl_easy_getinfo(t->curl, CURLINFO_RESPONSE_CODE, &status);
	return (int)status;
}

/* Is an answer of this status one that is wanted? */
static bool check_status(const struct transfer *t, int status, struct err *err)
{
	if (status >= 300 && status < 400) {
		return err_set(err, ERR_INVALID, "the server redirects to another place (%d), and redirects are never followed", status);
	}
	if (!t->only_ok || status == OK) {
		return true;
	}
	bool passing = status == 429 || status >= 500;
	return err_set(err, passing ? ERR_UNAVAILABLE : ERR_INVALID, "the server answered %d instead of 200", status);
}

static bool take(struct transfer *t, const char *data, size_t len)
{
	if (t->answer->bytes == 0 && !check_status(t, status_of(t), &t->why)) {
		return false;
	}
	if (len > t->request->max_bytes - t->answer->bytes) {
		return err_set(&t->why, ERR_TOO_LARGE, "the answer has more than %llu bytes", (unsigned long long)t->request->max_bytes);
	}
	t->answer->bytes += len;
	return goes_on(t) && t->sink(t->ctx, data, len, &t->why);
}

static size_t on_body(char *data, size_t size, size_t n, void *ctx)
{
	return take(ctx, data, size * n) ? size * n : 0;
}

/* --- how it went wrong --- */

static int64_t info_us(const struct transfer *t, CURLINFO what)
{
	curl_off_t us = 0;
	curl_easy_getinfo(t->curl, what, &us);
	return (int64_t)us;
}

static bool refuse_slow(const struct transfer *t, struct err *err)
{
	const struct fetch_request *r = t->request;
	if (info_us(t, CURLINFO_TOTAL_TIME_T) / 1000 >= r->total_ms) {
		return err_set(err, ERR_UNAVAILABLE, "not done within %lld s, after %llu bytes", (long long)(r->total_ms / SECOND),
			       (unsigned long long)t->answer->bytes);
	}
	if (info_us(t, CURLINFO_PRETRANSFER_TIME_T) == 0) {
		return err_set(err, ERR_UNAVAILABLE, "no connection to the server within %lld s", (long long)(r->connect_ms / SECOND));
	}
	return err_set(err, ERR_UNAVAILABLE, "the server sent fewer than %lld bytes a second for %lld s, after %llu bytes",
		       (long long)r->slow_bytes, (long long)(r->slow_ms / SECOND), (unsigned long long)t->answer->bytes);
}

static bool refuse_short(const struct transfer *t, struct err *err)
{
	curl_off_t told = -1;
	curl_easy_getinfo(t->curl, CURLINFO_CONTENT_LENGTH_DOWNLOAD_T, &told);
	if (told < 0) {
		return err_set(err, ERR_UNAVAILABLE, "the server closed the connection after %llu bytes, in the middle",
			       (unsigned long long)t->answer->bytes);
	}
	return err_set(err, ERR_UNAVAILABLE, "the server closed the connection after %llu of %lld bytes",
		       (unsigned long long)t->answer->bytes, (long long)told);
}

static bool refuse_as_told(const struct transfer *t, CURLcode code, struct err *err)
{
	static const struct {
		CURLcode code;
		enum err_kind kind;
		const char *sentence; /* NULL: libcurl's words */
	} rows[] = {
		{CURLE_COULDNT_RESOLVE_HOST, ERR_UNAVAILABLE, "the host's name has no address"},
		{CURLE_COULDNT_CONNECT, ERR_UNAVAILABLE, "nothing answers at the host's address and port"},
		{CURLE_GOT_NOTHING, ERR_UNAVAILABLE, "the server closed the connection without an answer"},
		{CURLE_WEIRD_SERVER_REPLY, ERR_INVALID, "the server does not speak HTTP"},
		{CURLE_UNSUPPORTED_PROTOCOL, ERR_INVALID, "the server does not speak HTTP/1.1, or the URL is no http or https one"},
		{CURLE_URL_MALFORMAT, ERR_INVALID, "the URL cannot be read"},
		{CURLE_LOGIN_DENIED, ERR_INVALID, "the URL has a user in it"},
		{CURLE_OUT_OF_MEMORY, ERR_INTERNAL, "out of memory"},
		{CURLE_PEER_FAILED_VERIFICATION, ERR_INVALID, NULL},
		{CURLE_SSL_CACERT_BADFILE, ERR_INTERNAL, NULL},
	};
	const char *words = *t->words ? t->words : curl_easy_strerror(code);
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		if (rows[i].code == code) {
			return err_set(err, rows[i].kind, "%.200s", rows[i].sentence ? rows[i].sentence : words);
		}
	}
	return err_set(err, ERR_UNAVAILABLE, "%.200s", words);
}

static bool refuse(const struct transfer *t, CURLcode code, struct err *err)
{
	if (t->why.kind != ERR_NONE) {
		return err_set(err, t->why.kind, "%s", t->why.text);
	}
	if (code == CURLE_COULDNT_CONNECT && t->refused.kind != ERR_NONE) {
		return err_set(err, t->refused.kind, "%s", t->refused.text);
	}
	if (code == CURLE_OPERATION_TIMEDOUT) {
		return refuse_slow(t, err);
	}
	if (code == CURLE_PARTIAL_FILE) {
		return refuse_short(t, err);
	}
	if (code == CURLE_FILESIZE_EXCEEDED) { /* before any byte: its head says so */
		struct err status = {0};
		return check_status(t, status_of(t), &status) ? err_set(err, ERR_TOO_LARGE, "the answer has more than %llu bytes",
									(unsigned long long)t->request->max_bytes)
							      : err_set(err, status.kind, "%s", status.text);
	}
	return refuse_as_told(t, code, err);
}

/* --- the transfer --- */

static void free_curl(CURL **curl)
{
	curl_easy_cleanup(*curl);
}

static void free_url(CURLU **url)
{
	curl_url_cleanup(*url);
}

static void free_lines(struct curl_slist **lines)
{
	curl_slist_free_all(*lines);
}

#define SET(option, value) (curl_easy_setopt(curl, CURLOPT_##option, (value)) == CURLE_OK)

/* Where to, and nothing from the environment. */
static bool set_place(CURL *curl, CURLU *url, const struct fetch_request *r)
{
	bool own = r->ca_file && *r->ca_file;
	return SET(CURLU, url) && SET(PROTOCOLS_STR, "http,https") && SET(FOLLOWLOCATION, 0L) && SET(PROXY, "") && SET(NOPROXY, "*") &&
	       SET(NETRC, (long)CURL_NETRC_IGNORED) && SET(HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1) && SET(SSL_VERIFYPEER, 1L) &&
	       SET(SSL_VERIFYHOST, 2L) && SET(SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2) && (!own || SET(CAINFO, r->ca_file)) &&
	       (!own || SET(CAPATH, NULL)) && SET(HTTP_CONTENT_DECODING, 0L) && SET(FORBID_REUSE, 1L) && SET(FRESH_CONNECT, 1L);
}

/* Without QUICK_EXIT a transfer that ends while a name is being resolved waits for the resolver. */
static bool set_limits(CURL *curl, const struct fetch_request *r)
{
	bool slow = r->slow_bytes > 0;
	return SET(NOSIGNAL, 1L) && SET(QUICK_EXIT, 1L) && SET(CONNECTTIMEOUT_MS, (long)r->connect_ms) &&
	       SET(TIMEOUT_MS, (long)r->total_ms) && SET(MAXFILESIZE_LARGE, (curl_off_t)r->max_bytes) &&
	       (!slow || (SET(LOW_SPEED_LIMIT, (long)r->slow_bytes) && SET(LOW_SPEED_TIME, (long)(r->slow_ms / SECOND))));
}

static bool set_calls(CURL *curl, struct transfer *t)
{
	return SET(NOPROGRESS, 0L) && SET(XFERINFOFUNCTION, on_progress) && SET(XFERINFODATA, t) && SET(OPENSOCKETFUNCTION, on_socket) &&
	       SET(OPENSOCKETDATA, t) && SET(HEADERFUNCTION, on_head) && SET(HEADERDATA, t) && SET(WRITEFUNCTION, on_body) &&
	       SET(WRITEDATA, t) && SET(ERRORBUFFER, t->words);
}

static bool add_line(struct curl_slist **lines, const char *line)
{
	struct curl_slist *longer = curl_slist_append(*lines, line);
	*lines = longer ? longer : *lines;
	return longer != NULL;
}

static bool set_head(CURL *curl, const struct fetch_request *r, const struct fetch_body *body, struct curl_slist **lines)
{
	char type[FETCH_TYPE_SIZE + 32];
	for (const char *const *h = r->headers; h && *h; h++) {
		if (!add_line(lines, *h)) {
			return false;
		}
	}
	if (!add_line(lines, "Accept-Encoding: identity") || !SET(USERAGENT, "otad")) {
		return false;
	}
	if (body) {
		snprintf(type, sizeof type, "Content-Type: %s", body->content_type);
		if (!add_line(lines, type) || !add_line(lines, "Expect:") || !SET(POSTFIELDSIZE_LARGE, (curl_off_t)body->len) ||
		    !SET(POSTFIELDS, body->len ? body->data : "")) {
			return false;
		}
	}
	return SET(HTTPHEADER, *lines);
}

#undef SET

static bool read_url(CURLU *url, const char *text, struct err *err)
{
	CURLUcode code = curl_url_set(url, CURLUPART_URL, text, CURLU_DISALLOW_USER);
	if (code == CURLUE_OK) {
		return true;
	}
	return err_set(err, code == CURLUE_OUT_OF_MEMORY ? ERR_INTERNAL : ERR_INVALID, "%s",
		       code == CURLUE_USER_NOT_ALLOWED ? "the URL has a user in it" : curl_url_strerror(code));
}

static bool run(struct transfer *t, const struct fetch_body *body, struct err *err)
{
	scoped(free_url) CURLU *url = curl_url();
	scoped(free_curl) CURL *curl = curl_easy_init();
	scoped(free_lines) struct curl_slist *lines = NULL;
	*t->answer = (struct fetch_answer){.status = 0};
	if (!curl || !url) {
		return err_set(err, ERR_INTERNAL, "out of memory");
	}
	if (!read_url(url, t->request->url, err)) {
		return false;
	}
	t->curl = curl;
	if (!set_place(curl, url, t->request) || !set_limits(curl, t->request) || !set_calls(curl, t) ||
	    !set_head(curl, t->request, body, &lines)) {
		return err_set(err, ERR_INTERNAL, "libcurl does not take an option");
	}
	if (!goes_on(t)) {
		return refuse(t, CURLE_ABORTED_BY_CALLBACK, err);
	}
	CURLcode code = curl_easy_perform(curl);
	t->answer->status = status_of(t);
	return code == CURLE_OK ? check_status(t, t->answer->status, err) : refuse(t, code, err);
}

bool fetch_get(const struct fetch_request *request, fetch_sink *sink, void *ctx, struct fetch_answer *out, struct err *err)
{
	struct transfer t = {.request = request, .sink = sink, .ctx = ctx, .only_ok = true, .answer = out};
	return run(&t, NULL, err);
}

static bool keep(void *ctx, const void *data, size_t len, struct err *err)
{
	struct buf *out = ctx;
	buf_put(out, data, len);
	return buf_ok(out) || err_set(err, ERR_TOO_LARGE, "the answer has more than %zu bytes", out->max);
}

bool fetch_post(const struct fetch_request *request, const struct fetch_body *body, struct buf *answer, struct fetch_answer *out,
		struct err *err)
{
	struct transfer t = {.request = request, .sink = keep, .ctx = answer, .answer = out};
	return run(&t, body, err);
}
