#include "http/uri.h"

#include <stdint.h>
#include <string.h>
#include <strings.h>

#include "common/text.h"

static int hex(char c)
{
	if (c >= '0' && c <= '9') {
		return c - '0';
	}
	c = (char)(c | 0x20);
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* The byte that "%xy" stands for, or -1. */
static int escape(const char *s)
{
	int high = hex(s[1]);
	int low = high < 0 ? -1 : hex(s[2]);
	return low < 0 ? -1 : high << 4 | low;
}

static int check_decoded(const char *uri, size_t len)
{
	char plain[HTTP_URI_MAX];
	size_t n = 0;
	for (size_t i = 0; i < len; i++) {
		int byte = (unsigned char)uri[i];
		if (byte == '%') {
			byte = escape(uri + i);
			i += 2;
		}
		if (byte <= 0) {
			return 400;
		}
		plain[n++] = (char)byte;
	}
	return text_is_utf8(plain, n) ? 0 : 400;
}

int http_uri_check(const char *uri)
{
	bool plain = true;
	size_t len = 0;
	for (; uri[len] != '\0'; len++) {
		plain &= uri[len] > 0x20 && uri[len] < 0x7f && uri[len] != '%';
	}
	if (len > HTTP_URI_MAX) {
		return 414;
	}
	return plain ? 0 : check_decoded(uri, len);
}

static char *skip_authority(char *uri)
{
	if (*uri == '/' || (strncasecmp(uri, "http://", 7) != 0 && strncasecmp(uri, "https://", 8) != 0)) {
		return uri;
	}
	char *authority = strstr(uri, "//") + 2;
	return authority + strcspn(authority, "/");
}

char *http_uri_path(char *uri)
{
	char *path = skip_authority(uri);
	char *out = strchr(path, '%');
	if (!out) {
		return path;
	}
	for (const char *in = out; *in;) {
		int byte = *in == '%' ? escape(in) : -1;
		if (byte < 0 || byte == '/' || byte == '%') {
			*out++ = *in++;
		} else {
			*out++ = (char)byte;
			in += 3;
		}
	}
	*out = '\0';
	return path;
}

void http_uri_segment(const char *text, size_t len, char *out)
{
	for (size_t i = 0; i < len; i++) {
		int byte = text[i] == '%' && len - i > 2 ? escape(text + i) : -1;
		if (byte < 0) {
			*out++ = text[i];
		} else {
			*out++ = (char)byte;
			i += 2;
		}
	}
	*out = '\0';
}

size_t http_uri_decode(char *text)
{
	size_t len = strlen(text);
	if (memchr(text, '%', len)) {
		http_uri_segment(text, len, text);
		len = strlen(text);
	}
	return len;
}
