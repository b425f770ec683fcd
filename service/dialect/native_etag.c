#include "dialect/native_etag.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "common/digest.h"
#include "common/text.h"
#include "http/condition.h"

void native_etag_make(char out[NATIVE_ETAG_SIZE], int64_t rev, const void *body, size_t len)
{
	uint8_t sha256[DIGEST_SHA256_LEN];
	char hex[17];
	digest_sha256(sha256, body, len);
	text_hex(hex, sha256, 8);
	snprintf(out, NATIVE_ETAG_SIZE, "\"%" PRId64 "-%s\"", rev, hex);
}

bool native_etag_is_fresh(const char *if_none_match, const char *etag)
{
	return http_condition_status(&(struct http_conditions){.if_none_match = if_none_match}, etag) == 304;
}

bool native_etag_may_change(const char *if_match, int64_t rev)
{
	char head[24];
	if (!if_match) {
		return true;
	}
	int head_len = snprintf(head, sizeof head, "\"%" PRId64, rev);
	const char *at = if_match + strspn(if_match, " \t,");
	if (*at == '*') {
		return true;
	}
	while (*at) {
		bool weak = strncmp(at, "W/", 2) == 0;
		const char *tag = weak ? at + 2 : at;
		const char *end = *tag == '"' ? strchr(tag + 1, '"') : NULL;
		if (!end) {
			return false;
		}
		if (!weak && strncmp(tag, head, (size_t)head_len) == 0 && (tag[head_len] == '-' || tag[head_len] == '"')) {
			return true;
		}
		at = end + 1 + strspn(end + 1, " \t,");
	}
	return false;
}
