/* Digests and HMAC by OpenSSL. */
#ifndef COMMON_DIGEST_H
#define COMMON_DIGEST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { DIGEST_MD5_LEN = 16, DIGEST_SHA1_LEN = 20, DIGEST_SHA256_LEN = 32 };

/* md5 and sha256 of one stream, computed together as the bytes flow. Opaque; one thread at a time. NULL only when memory is out. */
struct digest;
struct digest *digest_new(void);
void digest_update(struct digest *d, const void *data, size_t len);
void digest_final(struct digest *d, uint8_t md5[DIGEST_MD5_LEN], uint8_t sha256[DIGEST_SHA256_LEN]);
/* Of what has gone in so far; the stream goes on. False: out of memory. */
bool digest_sha256_so_far(const struct digest *d, uint8_t sha256[DIGEST_SHA256_LEN]);
bool digest_so_far(const struct digest *d, uint8_t md5[DIGEST_MD5_LEN], uint8_t sha256[DIGEST_SHA256_LEN]);
void digest_free(struct digest **d);
#define scoped_digest scoped(digest_free)

void digest_sha256(uint8_t out[DIGEST_SHA256_LEN], const void *data, size_t len);

/* HMAC-SHA256 with a key set up once. digest_mac is safe from any thread (each keeps a
 * context of its own) and costs about 0.4 us on short messages. Aborts the process if OpenSSL fails: a wrong MAC must never leave. */
struct digest_key;
struct digest_key *digest_key_new(const void *key, size_t len);
void digest_key_free(struct digest_key **key); /* wipes it */
void digest_mac(const struct digest_key *key, const void *data, size_t len, uint8_t out[DIGEST_SHA256_LEN]);

/* HMAC-SHA1, for protocols that demand it. */
void digest_mac_sha1(const uint8_t key[32], const void *data, size_t len, uint8_t out[DIGEST_SHA1_LEN]);

/* A 32-byte subkey for one purpose (a word in the code, at most 58 letters) from the master key: HMAC-SHA256(master, "otad/" purpose). */
void digest_derive(const uint8_t master[32], const char *purpose, uint8_t out[32]);

/* Constant-time. */
bool digest_equal(const void *a, const void *b, size_t len);

/* Cryptographic random bytes; aborts the process if the system has none. */
void digest_random(void *out, size_t len);

/* Passwords: scrypt (N 2^14, r 8, p 1, 16-byte salt), stored as "scrypt$14$8$1$<salt hex>$<hash hex>". About 50 ms and 16 MiB a call:
 * workers only. */
bool digest_password_hash(const char *password, char out[160]);
bool digest_password_verify(const char *password, const char *stored);

#endif
