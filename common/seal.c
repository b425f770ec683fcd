#include "common/seal.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/digest.h"
#include "common/err.h"

enum { VERSION = 1, NONCE_LEN = 12, TAG_LEN = 16, HEAD_LEN = 1 + NONCE_LEN };

_Static_assert(HEAD_LEN + TAG_LEN == SEAL_OVERHEAD, "what the header states");

struct seal_key {
	uint8_t bytes[32];
};

static pthread_once_t fetch_once = PTHREAD_ONCE_INIT;
static EVP_CIPHER *cipher; /* fetched once */

static void fetch(void)
{
	cipher = EVP_CIPHER_fetch(NULL, "AES-256-GCM", NULL);
	if (!cipher) { /* never a secret in clear instead */
		fputs("otad: OpenSSL lacks AES-256-GCM\n", stderr);
		abort();
	}
}

struct seal_key *seal_key_new(const uint8_t key[32])
{
	pthread_once(&fetch_once, fetch);
	struct seal_key *k = malloc(sizeof *k);
	if (k) {
		memcpy(k->bytes, key, sizeof k->bytes);
	}
	return k;
}

void seal_key_free(struct seal_key **key)
{
	if (*key) {
		OPENSSL_cleanse((*key)->bytes, sizeof(*key)->bytes);
		free(*key);
		*key = NULL;
	}
}

/* The version byte is authenticated along with the context: neither can be exchanged. */
static bool begin(EVP_CIPHER_CTX *ctx, const struct seal_key *key, const char *context, const uint8_t *head, bool closing)
{
	int n = 0;
	return EVP_CipherInit_ex2(ctx, cipher, key->bytes, head + 1, closing, NULL) == 1 && EVP_CipherUpdate(ctx, NULL, &n, head, 1) == 1 &&
	       (!*context || EVP_CipherUpdate(ctx, NULL, &n, (const uint8_t *)context, (int)strlen(context)) == 1);
}

static bool turn(EVP_CIPHER_CTX *ctx, const uint8_t *in, size_t len, uint8_t *out)
{
	int n = 0;
	return len == 0 || (EVP_CipherUpdate(ctx, out, &n, in, (int)len) == 1 && (size_t)n == len);
}

bool seal_close(const struct seal_key *key, const char *context, const void *clear, size_t len, uint8_t *out, struct err *err)
{
	if (len > SEAL_MAX) {
		return err_set(err, ERR_TOO_LARGE, "%zu bytes are too many to be sealed", len);
	}
	uint8_t nothing[1];
	int n = 0;
	EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();
	out[0] = VERSION;
	digest_random(out + 1, NONCE_LEN);
	bool ok = ctx && begin(ctx, key, context, out, true) && turn(ctx, clear, len, out + HEAD_LEN) &&
		  EVP_CipherFinal_ex(ctx, nothing, &n) == 1 &&
		  EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_GET_TAG, TAG_LEN, out + HEAD_LEN + len) == 1;
	EVP_CIPHER_CTX_free(ctx); /* wipes the expanded key */
	return ok || err_set(err, ERR_INTERNAL, "a secret could not be sealed: out of memory");
}

/* Clear text is never handed out before the tag was right. */
static bool unseal(EVP_CIPHER_CTX *ctx, const struct seal_key *key, const char *context, const uint8_t *sealed, size_t len, uint8_t *out)
{
	uint8_t nothing[1];
	uint8_t tag[TAG_LEN];
	int n = 0;
	memcpy(tag, sealed + HEAD_LEN + len, TAG_LEN);
	return begin(ctx, key, context, sealed, false) && turn(ctx, sealed + HEAD_LEN, len, out) &&
	       EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_SET_TAG, TAG_LEN, tag) == 1 && EVP_CipherFinal_ex(ctx, nothing, &n) == 1;
}

bool seal_open(const struct seal_key *key, const char *context, const void *sealed, size_t len, uint8_t *out, size_t *out_len,
	       struct err *err)
{
	const uint8_t *bytes = sealed;
	if (len < SEAL_OVERHEAD || len - SEAL_OVERHEAD > SEAL_MAX) {
		return err_set(err, ERR_INTERNAL, "%zu bytes are no sealed value", len);
	}
	if (bytes[0] != VERSION) {
		return err_set(err, ERR_INTERNAL, "a sealed value of version %d; this program knows %d", bytes[0], VERSION);
	}
	size_t clear_len = len - SEAL_OVERHEAD;
	EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();
	if (!ctx) {
		return err_set(err, ERR_INTERNAL, "out of memory");
	}
	bool ok = unseal(ctx, key, context, bytes, clear_len, out);
	EVP_CIPHER_CTX_free(ctx);
	if (!ok) {
		explicit_bzero(out, clear_len);
		return err_set(err, ERR_INTERNAL,
			       "a sealed value does not open: it was altered, belongs elsewhere, or another master key sealed it");
	}
	if (out_len) {
		*out_len = clear_len;
	}
	return true;
}
