#include "config/config_check.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>

#include "common/credential.h"
#include "common/err.h"
#include "common/log.h"
#include "common/text.h"
#include "config/config.h"

/* Bits of the address family, 0 if it is no address. */
static unsigned address_bits(const char *text)
{
	unsigned char raw[sizeof(struct in6_addr)];
	if (inet_pton(AF_INET, text, raw) == 1) {
		return 32;
	}
	return inet_pton(AF_INET6, text, raw) == 1 ? 128 : 0;
}

static bool check_http_address(const struct config *c, struct err *err)
{
	return address_bits(c->http_address) > 0 ||
	       err_set(err, ERR_INVALID, "http_address: \"%.64s\" is not a numeric IPv4 or IPv6 address (0.0.0.0 or :: listens on all)",
		       c->http_address);
}

static bool is_address_block(char *item)
{
	char *slash = strchr(item, '/');
	if (slash == NULL) {
		return address_bits(item) > 0;
	}
	*slash = '\0';
	unsigned bits = address_bits(item);
	uint64_t prefix;
	bool ok = bits > 0 && text_to_u64(slash + 1, &prefix) && prefix <= bits;
	*slash = '/';
	return ok;
}

static bool check_trusted_proxies(const struct config *c, struct err *err)
{
	const char *at = c->trusted_proxies;
	while (*at != '\0') {
		at += strspn(at, " ,");
		size_t len = strcspn(at, " ,");
		char item[64];
		if (len == 0) {
			break;
		}
		if (len >= sizeof item) {
			return err_set(err, ERR_INVALID, "trusted_proxies: \"%.64s\" is not an address or CIDR block", at);
		}
		memcpy(item, at, len);
		item[len] = '\0';
		if (!is_address_block(item)) {
			return err_set(err, ERR_INVALID, "trusted_proxies: \"%s\" is not an address or CIDR block (10.0.0.0/8, ::1)", item);
		}
		at += len;
	}
	return true;
}

/* Whatever follows the host is kept as a prefix, so it must not carry a query. */
static bool check_public_url(struct config *c, struct err *err)
{
	char *url = c->public_url;
	if (url[0] == '\0') {
		return true;
	}
	const char *host = strncmp(url, "http://", 7) == 0 ? url + 7 : strncmp(url, "https://", 8) == 0 ? url + 8 : NULL;
	if (host == NULL || *host == '\0' || *host == '/' || strpbrk(host, " ?#@\"\\<>") != NULL) {
		return err_set(err, ERR_INVALID, "public_url: must be http(s)://host[:port][/path], without query, user or blanks");
	}
	size_t len = strlen(url);
	while (url[len - 1] == '/') {
		url[--len] = '\0';
	}
	return true;
}

static bool check_tls(const struct config *c, struct err *err)
{
	bool cert = c->tls_cert_file[0] != '\0';
	bool key = c->tls_key_file[0] != '\0';
	if (cert != key) {
		return err_set(err, ERR_INVALID, "%s: must be set too, because %s is: HTTPS needs a certificate and its key",
			       cert ? "tls_key_file" : "tls_cert_file", cert ? "tls_cert_file" : "tls_key_file");
	}
	if (c->http_port < 0 && !cert) {
		return err_set(err, ERR_INVALID,
			       "http_port: is -1 (no plain HTTP) and tls_cert_file is not set (no HTTPS): nothing would listen");
	}
	if (cert && c->http_port > 0 && c->http_port == c->https_port) {
		return err_set(err, ERR_INVALID, "https_port: is the same as http_port; each needs one of its own");
	}
	return true;
}

static bool check_mqtt_tls(const struct config *c, struct err *err)
{
	bool on = strcmp(c->mqtt_tls, "on") == 0;
	if (!on && strcmp(c->mqtt_tls, "off") != 0) {
		return err_set(err, ERR_INVALID, "mqtt_tls: \"%.64s\" is neither on nor off", c->mqtt_tls);
	}
	if (on && strchr(c->mqtt_host, ':') != NULL) {
		return err_set(err, ERR_INVALID,
			       "mqtt_host: with mqtt_tls it must be a name or an IPv4 address, which the certificate names");
	}
	return on || c->mqtt_ca_file[0] == '\0' ||
	       err_set(err, ERR_INVALID, "mqtt_ca_file: is set, but mqtt_tls is off; set mqtt_tls = on to use it");
}

static bool check_log(const struct config *c, struct err *err)
{
	enum log_level level;
	enum log_format format;
	if (!log_level_parse(c->log_level, &level)) {
		return err_set(err, ERR_INVALID, "log_level: \"%.64s\" is none of debug, info, warn, error", c->log_level);
	}
	if (!log_format_parse(c->log_format, &format)) {
		return err_set(err, ERR_INVALID, "log_format: \"%.64s\" is neither logfmt nor json", c->log_format);
	}
	return true;
}

static bool check_not_empty(const char *name, const char *value, struct err *err)
{
	return value[0] != '\0' || err_set(err, ERR_INVALID, "%s: must not be empty", name);
}

static bool check_client_id(const char *id, struct err *err)
{
	return credential_is_service_id(id) ||
	       err_set(err, ERR_INVALID, "mqtt_client_id: must be \"otad\" or begin with \"otad:\", which no device's client id may");
}

/* It stands in URLs. */
static bool check_hook_secret(const struct config *c, struct err *err)
{
	enum { SECRET_MIN = 16, SECRET_MAX = 128 };
	static const char unreserved[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._~-";
	if (!secret_is_set(&c->broker_hook_secret)) {
		return true;
	}
	const char *text = c->broker_hook_secret.reveal;
	size_t len = strlen(text);
	return (len >= SECRET_MIN && len <= SECRET_MAX && strspn(text, unreserved) == len) ||
	       err_set(err, ERR_INVALID, "broker_hook_secret: must be %d to %d of A-Z a-z 0-9 . _ ~ - (openssl rand -hex 32)", SECRET_MIN,
		       SECRET_MAX);
}

static bool check_callback_url(const char *url, size_t len, struct err *err)
{
	enum { URL_MAX = 512 };
	size_t scheme = strncmp(url, "http://", 7) == 0 ? 7 : strncmp(url, "https://", 8) == 0 ? 8 : 0;
	size_t host = scheme ? strcspn(url + scheme, "/?#@, ") : 0;
	const char *tail = url + scheme + host;
	bool good = host > 0 && url[scheme] != ':' && *tail != '#' && *tail != '@' && len <= URL_MAX && !memchr(url, '#', len);
	for (size_t i = 0; good && i < len; i++) {
		good = url[i] > ' ' && url[i] < 0x7f && !strchr("\"\\<>", url[i]);
	}
	return good || err_set(err, ERR_INVALID,
			       "callback_urls: must be http(s)://host[:port][/path][?query] each, without user or #, at most %d bytes, "
			       "commas between",
			       URL_MAX);
}

static bool check_callbacks(const struct config *c, struct err *err)
{
	enum { SECRET_MIN = 16, SECRET_MAX = 128 };
	const char *at = c->callback_urls;
	for (size_t len; at += strspn(at, ", "), (len = strcspn(at, ", ")) > 0; at += len) {
		if (!check_callback_url(at, len, err)) {
			return false;
		}
	}
	if (!secret_is_set(&c->callback_secret)) {
		return true;
	}
	size_t len = strlen(c->callback_secret.reveal);
	return (len >= SECRET_MIN && len <= SECRET_MAX && text_is_printable(c->callback_secret.reveal, len)) ||
	       err_set(err, ERR_INVALID, "callback_secret: must be %d to %d printable characters (openssl rand -hex 32)", SECRET_MIN,
		       SECRET_MAX);
}

/* Asked of the file's reader: who starts the service, or checks for it. */
static bool check_fetch_ca(const struct config *c, struct err *err)
{
	return c->fetch_ca_file[0] == '\0' || access(c->fetch_ca_file, R_OK) == 0 ||
	       err_set(err, ERR_INVALID, "fetch_ca_file: %.256s: %s", c->fetch_ca_file, strerror(errno));
}

/* What a device can parse: it aborts at a scheme and at a port that is no number, and knows no IPv6 (protocols/xiaozhi.md 3, 4). */
static bool check_endpoint(const struct config *c, struct err *err)
{
	const char *host = c->mqtt_public_endpoint;
	size_t len = strspn(host, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789.-");
	uint64_t port = 1;
	bool ok = host[0] == '\0' || (len > 0 && (host[len] == '\0' || (host[len] == ':' && text_to_u64(host + len + 1, &port))));
	return (ok && port > 0 && port < 65536 && strlen(host) < 256) ||
	       err_set(err, ERR_INVALID, "mqtt_public_endpoint: must be a host name or IPv4 address, or host:port, without mqtt://");
}

static bool check_xiaozhi(const struct config *c, struct err *err)
{
	char path[256] = "/usr/share/zoneinfo/";
	const char *host = c->activation_host;
	const char *zone = c->timezone;
	if (!text_is_key(c->xiaozhi_group) || strchr(c->xiaozhi_group, '@') || strlen(c->xiaozhi_group) > 32) {
		return err_set(err, ERR_INVALID, "xiaozhi_group: must be 1 to 32 of A-Z a-z 0-9 . _ -");
	}
	if (strlen(host) > 200 || !text_is_utf8(host, strlen(host)) || !text_is_printable(host, strlen(host))) {
		return err_set(err, ERR_INVALID, "activation_host: must be printable, 200 bytes at most");
	}
	if (zone[0] == '\0' || zone[0] == '/' || strstr(zone, "..") || strlen(zone) > 64) {
		return err_set(err, ERR_INVALID, "timezone: must be the name of a zone, like Asia/Shanghai or UTC");
	}
	strncat(path, zone, sizeof path - strlen(path) - 1);
	return access(path, R_OK) == 0 || err_set(err, ERR_INVALID, "timezone: there is no zone \"%s\" here (is tzdata installed?)", zone);
}

bool config_check(struct config *c, struct err *err)
{
	if (c->resend_min > c->resend_max) {
		return err_set(err, ERR_INVALID, "resend_min: is longer than resend_max");
	}
	return check_http_address(c, err) && check_trusted_proxies(c, err) && check_public_url(c, err) && check_log(c, err) &&
	       check_tls(c, err) && check_mqtt_tls(c, err) && check_hook_secret(c, err) &&
	       check_not_empty("mqtt_host", c->mqtt_host, err) && check_not_empty("mqtt_client_id", c->mqtt_client_id, err) &&
	       check_client_id(c->mqtt_client_id, err) && check_callbacks(c, err) && check_fetch_ca(c, err) && check_endpoint(c, err) &&
	       check_xiaozhi(c, err) && check_not_empty("cache_dir", c->cache_dir, err);
}
