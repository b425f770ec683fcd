/* Secrets at rest: AES-256-GCM under a subkey of the master key. What the database keeps of a licence key, a gateway's signature key or an
 * answer that shows a password is a sealed value:
 *
 *   version 1 (1 byte), nonce (12 random bytes), ciphertext (as long as the clear text), tag (16 bytes)
 *
 * Every value is bound to its place by a context, a text such as "licence/A1B2": a value copied into another row does not open. Nonces are
 * random, so one master key is good for 2^32 values. The length of the clear text shows.
 */
#ifndef COMMON_SEAL_H
#define COMMON_SEAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct err;
struct seal_key;

enum {
	SEAL_OVERHEAD = 1 + 12 + 16,
	SEAL_MAX = 64 << 20, /* bytes of clear text */
};

/* key: digest_derive(master, "seal"). NULL only when memory is out. Aborts the process if OpenSSL lacks the cipher. The key may be used by
 * several threads at once. */
struct seal_key *seal_key_new(const uint8_t key[32]);
void seal_key_free(struct seal_key **key); /* wipes it */

/* Writes len + SEAL_OVERHEAD bytes to out, which must not overlap `clear`. False (nothing of the clear text in out): more than SEAL_MAX
 * bytes, or out of memory. */
bool seal_close(const struct seal_key *key, const char *context, const void *clear, size_t len, uint8_t *out, struct err *err);

/* Opens len sealed bytes into out[len - SEAL_OVERHEAD]; *out_len (may be NULL) is that length. False, with out wiped and a sentence that
 * may be logged: not ours, cut off, altered in any bit, sealed for another context or under another master key. Which of the last three
 * cannot be told. The caller wipes what came out (explicit_bzero) when it has served. */
bool seal_open(const struct seal_key *key, const char *context, const void *sealed, size_t len, uint8_t *out, size_t *out_len,
	       struct err *err);

#endif
