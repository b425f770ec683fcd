#include "fetch/hosts.h"

#include <arpa/inet.h>
#include <curl/curl.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "common/err.h"
#include "common/scoped.h"
#include "common/text.h"

enum { HOST_MAX = 253, ENTRY_MAX = HOST_MAX + 16 };

/* Where a URL leads, or what an entry names. */
struct place {
	char host[HOST_MAX + 1]; /* lower case, without a dot at its end */
	char port[8];            /* of an entry: as it stands there, "" = the scheme's own */
	bool own;                /* it is the scheme's own, said or not */
	bool wild;               /* names that end in .host */
	bool address;            /* a numeric one */
};

static void free_url(CURLU **url)
{
	curl_url_cleanup(*url);
}

static void free_part(char **part)
{
	curl_free(*part);
}

static bool is_address(const char *host)
{
	struct in_addr in;
	return *host == '[' || inet_pton(AF_INET, host, &in) == 1;
}

/* Plain ASCII: what libcurl would turn into another name before it connects is none. */
static bool read_host(CURLU *url, struct place *out)
{
	static const char known[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-_";
	scoped(free_part) char *host = NULL;
	scoped(free_part) char *zone = NULL;
	if (curl_url_get(url, CURLUPART_HOST, &host, 0) != CURLUE_OK || curl_url_get(url, CURLUPART_ZONEID, &zone, 0) == CURLUE_OK) {
		return false;
	}
	size_t len = strlen(host);
	len -= len > 1 && host[len - 1] == '.';
	if (len == 0 || len > HOST_MAX || host[len - 1] == '.' || (*host != '[' && strspn(host, known) < len)) {
		return false;
	}
	for (size_t i = 0; i < len; i++) {
		bool upper = host[i] >= 'A' && host[i] <= 'Z';
		out->host[i] = upper ? (char)(host[i] + ('a' - 'A')) : host[i];
	}
	out->host[len] = '\0';
	out->address = is_address(out->host);
	return true;
}

/* Of an entry what it says, of a URL what is connected to. */
static bool read_port(CURLU *url, bool entry, struct place *out)
{
	scoped(free_part) char *said = NULL;
	scoped(free_part) char *port = NULL;
	if (curl_url_get(url, CURLUPART_PORT, &said, entry ? 0 : CURLU_DEFAULT_PORT) != CURLUE_OK) {
		return entry; /* none */
	}
	out->own = curl_url_get(url, CURLUPART_PORT, &port, CURLU_NO_DEFAULT_PORT) != CURLUE_OK;
	return text_copy(out->port, sizeof out->port, said);
}

static bool read_url(const char *text, bool entry, struct place *out)
{
	scoped(free_url) CURLU *url = curl_url();
	scoped(free_part) char *scheme = NULL;
	*out = (struct place){.wild = false};
	return url && curl_url_set(url, CURLUPART_URL, text, CURLU_DISALLOW_USER) == CURLUE_OK &&
	       curl_url_get(url, CURLUPART_SCHEME, &scheme, 0) == CURLUE_OK &&
	       (strcmp(scheme, "http") == 0 || strcmp(scheme, "https") == 0) && read_host(url, out) && read_port(url, entry, out);
}

/* --- entries --- */

static bool refuse_entry(const char *entry, struct err *err)
{
	return err_set(err, ERR_INVALID, "\"%.128s\" is no host: write name, name:port, *.name, or an IPv6 address in brackets", entry);
}

/* An entry is what would stand in a URL. */
static bool read_entry(const char *entry, struct place *out, struct err *err)
{
	static const char known[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-_:[]";
	char url[ENTRY_MAX + 16];
	bool wild = strncmp(entry, "*.", 2) == 0;
	const char *name = wild ? entry + 2 : entry;
	size_t len = strlen(name);
	if (len == 0 || *name == '.' || *name == ':' || name[len - 1] == ':' || strspn(name, known) != len) {
		return refuse_entry(entry, err);
	}
	snprintf(url, sizeof url, "http://%s/", name);
	if (!read_url(url, true, out) || (wild && out->address)) {
		return refuse_entry(entry, err);
	}
	out->wild = wild;
	return true;
}

/* The next entry of the list without the blanks around it; false at its end. */
static bool next_entry(const char **list, char out[ENTRY_MAX])
{
	const char *at = *list + strspn(*list, " \t,");
	size_t len = strcspn(at, ",");
	*list = at + len;
	while (len > 0 && (at[len - 1] == ' ' || at[len - 1] == '\t')) {
		len--;
	}
	snprintf(out, ENTRY_MAX, "%.*s", (int)(len < ENTRY_MAX ? len : ENTRY_MAX - 1), at);
	return len > 0;
}

bool hosts_check(const char *list, struct err *err)
{
	char entry[ENTRY_MAX];
	struct place place;
	while (next_entry(&list, entry)) {
		if (!read_entry(entry, &place, err)) {
			return false;
		}
	}
	return true;
}

static bool is_meant(const struct place *entry, const struct place *asked)
{
	if (*entry->port ? strcmp(entry->port, asked->port) != 0 : !asked->own) {
		return false;
	}
	size_t len = strlen(asked->host);
	size_t tail = strlen(entry->host);
	if (!entry->wild) {
		return strcmp(entry->host, asked->host) == 0;
	}
	return !asked->address && len > tail + 1 && asked->host[len - tail - 1] == '.' &&
	       strcmp(asked->host + len - tail, entry->host) == 0;
}

bool hosts_allow(const char *list, const char *key, const char *url, struct err *err)
{
	char entry[ENTRY_MAX];
	struct place asked;
	struct place place;
	const char *at = list;
	if (!read_url(url, false, &asked)) {
		return err_set(err, ERR_INVALID, "no http or https URL of a host, without a user in it");
	}
	while (next_entry(&at, entry)) {
		if (!read_entry(entry, &place, err)) {
			return false;
		}
		if (is_meant(&place, &asked)) {
			return true;
		}
	}
	const char *colon = asked.own ? "" : ":";
	const char *port = asked.own ? "" : asked.port;
	return err_set(err, ERR_DENIED, "the service fetches nothing from %.100s%s%s: its configuration's %s must name it (%s)", asked.host,
		       colon, port, key, *list ? "it names others" : "it is empty: nobody");
}
