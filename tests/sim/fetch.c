#include <inttypes.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "common/clock.h"
#include "common/text.h"
#include "sim.h"

enum { URL_SIZE = 1280, SLOW_RECEIVE_BUFFER = 8192, RETRY_MS = 1000, PERCENT_STEP = 10, CATCH_UP_US = 100000 };

static void make_url(const struct device *d, char *url, size_t size)
{
	const struct options *opt = &d->sim->opt;
	const char *given = d->offer.url;
	if (strncmp(given, "http://", 7) == 0 || strncmp(given, "https://", 8) == 0) {
		snprintf(url, size, "%s", given);
	} else if (given[0] == '/') {
		snprintf(url, size, "%.*s%s", opt->url_len, opt->url, given);
	} else {
		snprintf(url, size, "%.*s/api/v2/micro/%s", opt->url_len, opt->url, d->offer.file);
	}
}

/* A slow reader is felt by the server only if the kernel does not swallow the file for it. */
static int shrink_buffer(void *ctx, curl_socket_t fd, curlsocktype purpose)
{
	(void)ctx;
	(void)purpose;
	int size = SLOW_RECEIVE_BUFFER;
	setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof size);
	return CURL_SOCKOPT_OK;
}

static void learn_total(struct fetch *f, long status)
{
	struct curl_header *header;
	curl_off_t length = -1;
	if (status == 206 && curl_easy_header(f->call.easy, "Content-Range", 0, CURLH_HEADER, -1, &header) == CURLHE_OK) {
		const char *slash = strchr(header->value, '/');
		if (!slash || !text_to_u64(slash + 1, &f->total)) {
			f->total = 0;
		}
	} else if (status == 200 && !curl_easy_getinfo(f->call.easy, CURLINFO_CONTENT_LENGTH_DOWNLOAD_T, &length) && length > 0) {
		f->total = (uint64_t)length;
	}
}

/* Does an answer of that status carry the bytes that were asked for? A whole file will do for the first part. */
static bool usable(const struct fetch *f, long status)
{
	return status == 206 ? f->in_parts : status == 200 && f->asked_from == 0;
}

static void tell_progress(struct device *d)
{
	struct fetch *f = &d->fetch;
	if (!d->sim->opt.progress || !f->total) {
		return;
	}
	int percent = f->received >= f->total ? 100 : (int)(f->received * 100 / f->total);
	int step = percent - percent % PERCENT_STEP;
	if (step > f->told) {
		f->told = step;
		report_progress(d, step, "downloading");
	}
}

/* A slow reader takes a chunk when its time has come. May it now? If not, it sleeps until then. */
static bool take(struct device *d, size_t n)
{
	struct fetch *f = &d->fetch;
	int64_t rate = d->sim->opt.drip;
	int64_t now = clock_mono_ms() * 1000;
	if (rate && now < f->next_us) {
		loop_arm(d->sim->loop, &f->wake, (f->next_us - now + 999) / 1000);
		return false;
	}
	if (rate) { /* timers are late by a little: let it catch up, within limits */
		int64_t from = f->next_us > now - CATCH_UP_US ? f->next_us : now - CATCH_UP_US;
		f->next_us = from + (int64_t)n * 1000000 / rate;
	}
	return true;
}

static void wake(void *ctx)
{
	struct device *d = ctx;
	curl_easy_pause(d->fetch.call.easy, CURLPAUSE_CONT);
}

static size_t on_body(char *data, size_t one, size_t len, void *ctx)
{
	struct device *d = ctx;
	struct fetch *f = &d->fetch;
	size_t n = one * len;
	long status = 0;
	curl_easy_getinfo(f->call.easy, CURLINFO_RESPONSE_CODE, &status);
	if (!usable(f, status)) {
		return n; /* judged in on_done */
	}
	if (!take(d, n)) {
		return CURL_WRITEFUNC_PAUSE;
	}
	if (!f->total) {
		learn_total(f, status);
	}
	EVP_DigestUpdate(f->md5, data, n);
	if (f->sha256) {
		EVP_DigestUpdate(f->sha256, data, n);
	}
	f->received += n;
	d->sim->stats.bytes += n;
	tell_progress(d);
	return n;
}

static void start_digests(struct device *d)
{
	struct fetch *f = &d->fetch;
	f->md5 = f->md5 ? f->md5 : EVP_MD_CTX_new();
	EVP_DigestInit_ex(f->md5, EVP_md5(), NULL);
	if (d->offer.sha256[0]) {
		f->sha256 = f->sha256 ? f->sha256 : EVP_MD_CTX_new();
		EVP_DigestInit_ex(f->sha256, EVP_sha256(), NULL);
	}
}

static void request(void *ctx)
{
	struct device *d = ctx;
	struct fetch *f = &d->fetch;
	uint64_t part = (uint64_t)d->sim->opt.range;
	if (part) {
		char range[48];
		snprintf(range, sizeof range, "%" PRIu64 "-%" PRIu64, f->received, f->received + part - 1);
		curl_easy_setopt(f->call.easy, CURLOPT_RANGE, range);
	} else {
		f->received = 0;
		start_digests(d);
	}
	f->asked_from = f->received;
	http_start(d->sim->http, &f->call);
}

static void hex_of(EVP_MD_CTX *digest, char *out)
{
	unsigned char raw[EVP_MAX_MD_SIZE];
	unsigned int len = 0;
	EVP_DigestFinal_ex(digest, raw, &len);
	text_hex(out, raw, len);
}

static void verify(struct device *d)
{
	struct fetch *f = &d->fetch;
	const struct offer *offer = &d->offer;
	char md5[2 * EVP_MAX_MD_SIZE + 1];
	char sha256[2 * EVP_MAX_MD_SIZE + 1] = "";
	uint64_t bytes = f->received;
	stats_tell(d, EVENT_DOWNLOADED, offer, "%" PRIu64 " bytes in %lld ms", bytes, (long long)(clock_mono_ms() - f->started));
	hex_of(f->md5, md5);
	if (f->sha256) {
		hex_of(f->sha256, sha256);
	}
	fetch_stop(d);
	if (d->sim->opt.fail == STEP_VERIFY_FAILED) {
		device_fail(d, STEP_VERIFY_FAILED, "pretends that the md5 does not match");
	} else if (offer->size && offer->size != bytes) {
		device_fail(d, STEP_VERIFY_FAILED, "%" PRIu64 " bytes came, %" PRIu64 " were announced", bytes, offer->size);
	} else if (strcmp(md5, offer->md5) != 0) {
		device_fail(d, STEP_VERIFY_FAILED, "the md5 is %s, announced was %s", md5, offer->md5);
	} else if (strcmp(sha256, offer->sha256) != 0) {
		device_fail(d, STEP_VERIFY_FAILED, "the sha256 is %s, announced was %s", sha256, offer->sha256);
	} else {
		stats_tell(d, EVENT_VERIFIED, offer, "md5 %s is as announced", md5);
		device_happen(d, DEVICE_FETCHED);
	}
}

static void give_up_or_retry(struct device *d, CURLcode result, long status)
{
	struct fetch *f = &d->fetch;
	char why[CURL_ERROR_SIZE + 32];
	if (result != CURLE_OK) {
		snprintf(why, sizeof why, "%s", f->call.why[0] ? f->call.why : curl_easy_strerror(result));
	} else {
		snprintf(why, sizeof why, "HTTP status %ld", status);
	}
	bool passing = result != CURLE_OK ? result != CURLE_UNSUPPORTED_PROTOCOL && result != CURLE_URL_MALFORMAT
					  : status >= 500 || status == 408 || status == 429;
	if (!passing || f->attempts >= d->sim->opt.retries) {
		fetch_stop(d);
		device_fail(d, STEP_DOWNLOAD_FAILED, "%s", why);
		return;
	}
	f->attempts++;
	stats_tell(d, EVENT_RETRY, &d->offer, "%s", why);
	loop_arm(d->sim->loop, &f->retry, RETRY_MS);
}

static void on_done(struct http_call *call, CURLcode result, long status)
{
	struct device *d = call->ctx;
	struct fetch *f = &d->fetch;
	loop_disarm(d->sim->loop, &f->wake);
	if (result != CURLE_OK || !usable(f, status)) {
		give_up_or_retry(d, result, status);
	} else if (status == 206 && f->received < f->total && f->received > f->asked_from) {
		f->attempts = 0;
		request(d);
	} else {
		verify(d);
	}
}

static void set_up(struct device *d)
{
	const struct options *opt = &d->sim->opt;
	CURL *easy = d->fetch.call.easy;
	curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, on_body);
	curl_easy_setopt(easy, CURLOPT_WRITEDATA, d);
	if (opt->drip) {
		curl_easy_setopt(easy, CURLOPT_BUFFERSIZE, 1024L);
		curl_easy_setopt(easy, CURLOPT_SOCKOPTFUNCTION, shrink_buffer);
		curl_easy_setopt(easy, CURLOPT_FRESH_CONNECT, 1L);
	}
}

void fetch_start(struct device *d)
{
	struct fetch *f = &d->fetch;
	char url[URL_SIZE];
	make_url(d, url, sizeof url);
	*f = (struct fetch){.call = {.done = on_done, .ctx = d},
			    .retry = {.fn = request, .ctx = d},
			    .wake = {.fn = wake, .ctx = d},
			    .told = -1,
			    .started = clock_mono_ms()};
	f->next_us = f->started * 1000;
	f->total = d->offer.size;
	f->in_parts = d->sim->opt.range > 0;
	stats_tell(d, EVENT_DOWNLOAD, &d->offer, "%s", url);
	if (!http_open(d->sim->http, &f->call, url)) {
		fetch_stop(d);
		device_fail(d, STEP_DOWNLOAD_FAILED, "no URL: %s", url);
		return;
	}
	set_up(d);
	start_digests(d);
	tell_progress(d);
	request(d);
}

void fetch_stop(struct device *d)
{
	struct fetch *f = &d->fetch;
	loop_disarm(d->sim->loop, &f->retry);
	loop_disarm(d->sim->loop, &f->wake);
	http_close(d->sim->http, &f->call);
	EVP_MD_CTX_free(f->md5);
	EVP_MD_CTX_free(f->sha256);
	f->md5 = NULL;
	f->sha256 = NULL;
}
