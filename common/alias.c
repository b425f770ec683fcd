#include "common/alias.h"

#include <string.h>

#include "common/digest.h"
#include "common/text.h"

enum {
	HEAD_LEN = 8,   /* bytes of the artifact's sha256 */
	CLAIM_LEN = 15, /* kind 1, id 6, device 5, expiry 3; big-endian */
	MAC_LEN = 15,   /* of 32 */
	SIGNED_LEN = HEAD_LEN + CLAIM_LEN,
	TOKEN_LEN = CLAIM_LEN + MAC_LEN, /* what base64url carries */
	DASH_AT = 2 * HEAD_LEN,
	TOKEN_AT = DASH_AT + 1,
	TOKEN_TEXT_LEN = TOKEN_LEN / 3 * 4,
	SUFFIX_AT = TOKEN_AT + TOKEN_TEXT_LEN,
};

static const char suffix[] = ".bin";

_Static_assert(TOKEN_LEN % 3 == 0, "whole base64 groups: one spelling only");
_Static_assert(SUFFIX_AT + sizeof suffix - 1 == ALIAS_LEN, "the length the header states");

static void put_be(uint8_t *out, uint64_t value, int bytes)
{
	for (int i = bytes - 1; i >= 0; i--) {
		out[i] = (uint8_t)value;
		value >>= 8;
	}
}

static uint64_t get_be(const uint8_t *in, int bytes)
{
	uint64_t value = 0;
	for (int i = 0; i < bytes; i++) {
		value = value << 8 | in[i];
	}
	return value;
}

static bool kind_known(unsigned kind)
{
	return kind == ALIAS_TASK || kind == ALIAS_ROLLOUT;
}

bool alias_make(const struct digest_key *key, const struct alias *a, char out[ALIAS_SIZE])
{
	out[0] = '\0';
	if (!kind_known(a->kind) || a->id >> 48 != 0 || a->device >> 40 != 0 || a->expires_h >> 24 != 0) {
		return false;
	}
	uint8_t raw[HEAD_LEN + TOKEN_LEN];
	uint8_t mac[DIGEST_SHA256_LEN];
	memcpy(raw, a->sha_head, HEAD_LEN);
	put_be(raw + HEAD_LEN, a->kind, 1);
	put_be(raw + HEAD_LEN + 1, a->id, 6);
	put_be(raw + HEAD_LEN + 7, a->device, 5);
	put_be(raw + HEAD_LEN + 12, a->expires_h, 3);
	digest_mac(key, raw, SIGNED_LEN, mac);
	memcpy(raw + SIGNED_LEN, mac, MAC_LEN);

	text_hex(out, raw, HEAD_LEN);
	out[DASH_AT] = '-';
	text_base64url(out + TOKEN_AT, raw + HEAD_LEN, TOKEN_LEN);
	memcpy(out + SUFFIX_AT, suffix, sizeof suffix);
	return true;
}

/* Only lower case: a second spelling of the same alias would slip past a revocation by name. */
static bool unhex_lower(const char *s, uint8_t *out, int bytes)
{
	for (int i = 0; i < 2 * bytes; i++) {
		unsigned char c = (unsigned char)s[i];
		int digit = c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
		if (digit < 0) {
			return false;
		}
		out[i / 2] = (uint8_t)(i % 2 == 0 ? digit << 4 : out[i / 2] | digit);
	}
	return true;
}

bool alias_verify(const struct digest_key *key, const char *text, struct alias *out)
{
	uint8_t raw[HEAD_LEN + TOKEN_LEN];
	uint8_t mac[DIGEST_SHA256_LEN];
	if (strnlen(text, ALIAS_SIZE) != ALIAS_LEN || text[DASH_AT] != '-' || memcmp(text + SUFFIX_AT, suffix, sizeof suffix) != 0 ||
	    !unhex_lower(text, raw, HEAD_LEN) ||
	    text_unbase64url(text + TOKEN_AT, TOKEN_TEXT_LEN, raw + HEAD_LEN, TOKEN_LEN) != TOKEN_LEN) {
		return false;
	}
	digest_mac(key, raw, SIGNED_LEN, mac);
	if (!digest_equal(mac, raw + SIGNED_LEN, MAC_LEN) || !kind_known(raw[HEAD_LEN])) {
		return false;
	}
	out->kind = (enum alias_kind)raw[HEAD_LEN];
	memcpy(out->sha_head, raw, HEAD_LEN);
	out->id = get_be(raw + HEAD_LEN + 1, 6);
	out->device = get_be(raw + HEAD_LEN + 7, 5);
	out->expires_h = (uint32_t)get_be(raw + HEAD_LEN + 12, 3);
	return true;
}
