/* The alias: the file name one offer carries (DESIGN.md idea 4). An authenticated token that any replica verifies without a row:
 *
 *   {16 hex: first 8 bytes of the artifact's SHA-256}-{40 base64url: kind 1, id 6, device 5, expiry 3, mac 15 bytes}.bin     61 characters
 *
 * The MAC is HMAC-SHA256 over everything before it (hash part included), truncated to 15 bytes. 30 bytes are a whole number of base64
 * groups, so there is exactly one spelling. Pure and thread-safe.
 */
#ifndef COMMON_ALIAS_H
#define COMMON_ALIAS_H

#include <stdbool.h>
#include <stdint.h>

struct digest_key;

enum { ALIAS_LEN = 61, ALIAS_SIZE = ALIAS_LEN + 1 };

enum alias_kind {
	ALIAS_TASK = 1,    /* id is a task */
	ALIAS_ROLLOUT = 2, /* id is a rollout: an offer to a device without a task of its own */
};

struct alias {
	enum alias_kind kind;
	uint8_t sha_head[8]; /* of the artifact */
	uint64_t id;         /* below 2^48 */
	uint64_t device;     /* device id, below 2^40 */
	uint32_t expires_h;  /* hours since 1970 UTC, below 2^24; 0 = never */
};

/* Fills out; false only if a field is out of its range. */
bool alias_make(const struct digest_key *key, const struct alias *a, char out[ALIAS_SIZE]);

/* True iff text is one of ours, unaltered. Does not look at the expiry: the caller has the clock. */
bool alias_verify(const struct digest_key *key, const char *text, struct alias *out);

#endif
