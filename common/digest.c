#include "common/digest.h"

#include <errno.h>
#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "common/text.h"

/* A missing digest or random source must never become a weak one. */
static _Noreturn void die(const char *what)
{
	fprintf(stderr, "otad: %s\n", what);
	abort();
}

/* ---- algorithms, fetched once ---- */

static pthread_once_t fetch_once = PTHREAD_ONCE_INIT;
static EVP_MD *sha256_algorithm;
static EVP_MD *md5_algorithm;
static EVP_MAC *hmac_algorithm;
static pthread_key_t macs_key; /* its destructor frees a thread's contexts */

static void free_macs(void *macs);

static void fetch(void)
{
	sha256_algorithm = EVP_MD_fetch(NULL, "SHA256", NULL);
	md5_algorithm = EVP_MD_fetch(NULL, "MD5", NULL);
	hmac_algorithm = EVP_MAC_fetch(NULL, "HMAC", NULL);
	if (sha256_algorithm == NULL || md5_algorithm == NULL || hmac_algorithm == NULL || pthread_key_create(&macs_key, free_macs) != 0) {
		die("OpenSSL lacks SHA-256, MD5 or HMAC");
	}
}

static void need_algorithms(void)
{
	pthread_once(&fetch_once, fetch);
}

/* ---- streams ---- */

struct digest {
	EVP_MD_CTX *md5;
	EVP_MD_CTX *sha256;
};

struct digest *digest_new(void)
{
	need_algorithms();
	struct digest *d = calloc(1, sizeof *d);
	if (d == NULL) {
		return NULL;
	}
	d->md5 = EVP_MD_CTX_new();
	d->sha256 = EVP_MD_CTX_new();
	if (d->md5 == NULL || d->sha256 == NULL || EVP_DigestInit_ex2(d->md5, md5_algorithm, NULL) != 1 ||
	    EVP_DigestInit_ex2(d->sha256, sha256_algorithm, NULL) != 1) {
		digest_free(&d);
	}
	return d;
}

void digest_update(struct digest *d, const void *data, size_t len)
{
	const uint8_t *at = data;
	while (len > 0) {
		size_t n = len < 8192 ? len : 8192; /* the second digest finds the bytes in the first-level cache */
		if (EVP_DigestUpdate(d->md5, at, n) != 1 || EVP_DigestUpdate(d->sha256, at, n) != 1) {
			die("a digest failed");
		}
		at += n;
		len -= n;
	}
}

void digest_final(struct digest *d, uint8_t md5[DIGEST_MD5_LEN], uint8_t sha256[DIGEST_SHA256_LEN])
{
	if (EVP_DigestFinal_ex(d->md5, md5, NULL) != 1 || EVP_DigestFinal_ex(d->sha256, sha256, NULL) != 1) {
		die("a digest failed");
	}
}

static bool final_of_copy(const EVP_MD_CTX *ctx, uint8_t *out)
{
	EVP_MD_CTX *copy = EVP_MD_CTX_new();
	bool ok = copy != NULL && EVP_MD_CTX_copy_ex(copy, ctx) == 1 && EVP_DigestFinal_ex(copy, out, NULL) == 1;
	EVP_MD_CTX_free(copy);
	return ok;
}

bool digest_sha256_so_far(const struct digest *d, uint8_t sha256[DIGEST_SHA256_LEN])
{
	return final_of_copy(d->sha256, sha256);
}

bool digest_so_far(const struct digest *d, uint8_t md5[DIGEST_MD5_LEN], uint8_t sha256[DIGEST_SHA256_LEN])
{
	return final_of_copy(d->md5, md5) && final_of_copy(d->sha256, sha256);
}

void digest_free(struct digest **d)
{
	if (*d != NULL) {
		EVP_MD_CTX_free((*d)->md5);
		EVP_MD_CTX_free((*d)->sha256);
		free(*d);
		*d = NULL;
	}
}

void digest_sha256(uint8_t out[DIGEST_SHA256_LEN], const void *data, size_t len)
{
	need_algorithms();
	if (EVP_Digest(data, len, out, NULL, sha256_algorithm, NULL) != 1) {
		die("SHA-256 failed");
	}
}

/* ---- HMAC ---- */

struct digest_key {
	uint64_t id; /* never used twice, so that a cached context cannot be taken for another key's */
	size_t len;
	uint8_t bytes[];
};

enum { MAC_SLOTS = 8 };

/* The keyed contexts of one thread, the most recent keys only. */
struct macs {
	struct {
		uint64_t key_id;
		EVP_MAC_CTX *ctx;
	} slot[MAC_SLOTS];
	unsigned next;
};

static void free_macs(void *memory)
{
	struct macs *macs = memory;
	for (int i = 0; i < MAC_SLOTS; i++) {
		EVP_MAC_CTX_free(macs->slot[i].ctx);
	}
	free(macs);
}

struct digest_key *digest_key_new(const void *key, size_t len)
{
	static _Atomic uint64_t last_id;
	need_algorithms();
	struct digest_key *k = malloc(sizeof *k + len);
	if (k == NULL) {
		return NULL;
	}
	k->id = atomic_fetch_add(&last_id, 1) + 1;
	k->len = len;
	if (len > 0) {
		memcpy(k->bytes, key, len);
	}
	return k;
}

void digest_key_free(struct digest_key **key)
{
	if (*key != NULL) {
		OPENSSL_cleanse((*key)->bytes, (*key)->len);
		free(*key);
		*key = NULL;
	}
}

static EVP_MAC_CTX *new_mac(const struct digest_key *key)
{
	static const uint8_t no_key[1];
	char name[] = "SHA256";
	OSSL_PARAM params[] = {OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, name, 0), OSSL_PARAM_construct_end()};
	EVP_MAC_CTX *ctx = EVP_MAC_CTX_new(hmac_algorithm);
	if (ctx == NULL || EVP_MAC_init(ctx, key->len > 0 ? key->bytes : no_key, key->len, params) != 1) {
		die("HMAC cannot be set up");
	}
	return ctx;
}

/* First use of a key in this thread. */
static __attribute__((noinline)) EVP_MAC_CTX *add_mac(struct macs *macs, const struct digest_key *key)
{
	if (macs == NULL) {
		macs = calloc(1, sizeof *macs);
		if (macs == NULL || pthread_setspecific(macs_key, macs) != 0) {
			die("out of memory");
		}
	}
	unsigned i = macs->next++ % MAC_SLOTS;
	EVP_MAC_CTX_free(macs->slot[i].ctx);
	macs->slot[i].key_id = key->id;
	macs->slot[i].ctx = new_mac(key);
	return macs->slot[i].ctx;
}

/* This thread's context for the key, ready for a new message. */
static EVP_MAC_CTX *ready_mac(const struct digest_key *key)
{
	struct macs *macs = pthread_getspecific(macs_key);
	for (int i = 0; macs != NULL && i < MAC_SLOTS; i++) {
		if (macs->slot[i].key_id == key->id) {
			if (EVP_MAC_init(macs->slot[i].ctx, NULL, 0, NULL) != 1) {
				die("HMAC cannot be set up");
			}
			return macs->slot[i].ctx;
		}
	}
	return add_mac(macs, key);
}

void digest_mac(const struct digest_key *key, const void *data, size_t len, uint8_t out[DIGEST_SHA256_LEN])
{
	EVP_MAC_CTX *ctx = ready_mac(key);
	size_t written = 0;
	if (EVP_MAC_update(ctx, data, len) != 1 || EVP_MAC_final(ctx, out, &written, DIGEST_SHA256_LEN) != 1 ||
	    written != DIGEST_SHA256_LEN) {
		die("HMAC failed");
	}
}

void digest_mac_sha1(const uint8_t key[32], const void *data, size_t len, uint8_t out[DIGEST_SHA1_LEN])
{
	if (HMAC(EVP_sha1(), key, 32, data, len, out, NULL) == NULL) {
		die("HMAC failed");
	}
}

void digest_derive(const uint8_t master[32], const char *purpose, uint8_t out[32])
{
	char text[64];
	int len = snprintf(text, sizeof text, "otad/%s", purpose);
	if (len < 0 || (size_t)len >= sizeof text) {
		die("the purpose of a key is too long");
	}
	if (HMAC(EVP_sha256(), master, 32, (const unsigned char *)text, (size_t)len, out, NULL) == NULL) {
		die("HMAC failed");
	}
}

bool digest_equal(const void *a, const void *b, size_t len)
{
	return CRYPTO_memcmp(a, b, len) == 0;
}

void digest_random(void *out, size_t len)
{
	uint8_t *at = out;
	while (len > 0) {
		ssize_t n = getrandom(at, len, 0);
		if (n < 0 && errno != EINTR) {
			die("the system gives no random bytes");
		}
		if (n > 0) {
			at += n;
			len -= (size_t)n;
		}
	}
}

/* ---- passwords ---- */

enum { SALT_LEN = 16, SALT_MAX = 32, HASH_LEN = 32, COST_LOG2 = 14, BLOCK = 8, LANES = 1 };

struct scrypt {
	uint64_t log2_n, r, p;
	uint8_t salt[SALT_MAX];
	size_t salt_len;
	uint8_t hash[HASH_LEN];
};

static bool scrypt_run(const struct scrypt *s, const char *password, uint8_t out[HASH_LEN])
{
	const uint64_t memory_cap = 256U << 20;
	return EVP_PBE_scrypt(password, strlen(password), s->salt, s->salt_len, (uint64_t)1 << s->log2_n, s->r, s->p, memory_cap, out,
			      HASH_LEN) == 1;
}

bool digest_password_hash(const char *password, char out[160])
{
	struct scrypt s = {.log2_n = COST_LOG2, .r = BLOCK, .p = LANES, .salt_len = SALT_LEN};
	out[0] = '\0';
	digest_random(s.salt, SALT_LEN);
	if (!scrypt_run(&s, password, s.hash)) {
		return false;
	}
	char salt[2 * SALT_LEN + 1];
	char hash[2 * HASH_LEN + 1];
	text_hex(salt, s.salt, SALT_LEN);
	text_hex(hash, s.hash, HASH_LEN);
	snprintf(out, 160, "scrypt$%d$%d$%d$%s$%s", COST_LOG2, BLOCK, LANES, salt, hash);
	return true;
}

/* One "$"-separated number within [min, max]. */
static bool next_number(char **at, uint64_t min, uint64_t max, uint64_t *out)
{
	const char *word = strsep(at, "$");
	return word != NULL && text_to_u64(word, out) && *out >= min && *out <= max;
}

static bool scrypt_parse(const char *stored, struct scrypt *s)
{
	char copy[256];
	if (!text_copy(copy, sizeof copy, stored)) {
		return false;
	}
	char *at = copy;
	if (strcmp(strsep(&at, "$"), "scrypt") != 0 || !next_number(&at, 1, 18, &s->log2_n) || !next_number(&at, 1, 32, &s->r) ||
	    !next_number(&at, 1, 16, &s->p)) {
		return false;
	}
	const char *salt = strsep(&at, "$");
	if (salt == NULL || at == NULL || strlen(salt) % 2 != 0 || strlen(salt) > 2 * sizeof s->salt) {
		return false;
	}
	s->salt_len = strlen(salt) / 2;
	return text_unhex(salt, s->salt, s->salt_len) && text_unhex(at, s->hash, HASH_LEN);
}

bool digest_password_verify(const char *password, const char *stored)
{
	struct scrypt s;
	uint8_t hash[HASH_LEN];
	return scrypt_parse(stored, &s) && scrypt_run(&s, password, hash) && digest_equal(hash, s.hash, HASH_LEN);
}
