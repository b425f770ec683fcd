/* Operators and their tokens. A token is 32 random bytes as "otad_" + base64url; only its SHA-256 is stored. None of these functions audits
 * or appends to the change feed: their callers do, in the same transaction.
 */
#ifndef STORE_OPERATOR_H
#define STORE_OPERATOR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "model/nouns.h"

struct db;
struct err;

enum {
	OPERATOR_TOKEN_SIZE = 49, /* "otad_" and 43 digits */
	OPERATOR_HASH_SIZE = 160, /* what digest_password_hash() writes */
	OPERATOR_LABEL_SIZE = 129,
};

struct operator_row {
	int64_t id;
	char name[NAME_SIZE];
	enum role role;
	int64_t created_ms;
	int64_t disabled_ms; /* 0 = may log in */
	char password_hash[OPERATOR_HASH_SIZE];
};

struct operator_token {
	int64_t id;
	int64_t operator_id;
	char label[OPERATOR_LABEL_SIZE];
	int64_t created_ms;
	int64_t expires_ms; /* 0 = never */
	int64_t revoked_ms; /* 0 = good */
};

/* inout: name, role and password_hash go in, id and created_ms come back. ERR_EXISTS if the name is taken. */
bool store_operator_create(struct db *db, struct operator_row *inout, struct err *err);
/* ERR_NOT_FOUND with a sentence that names him. */
bool store_operator_find(struct db *db, const char *name, struct operator_row *out, struct err *err);
/* All of them by name; malloc'd, the caller frees. */
bool store_operator_list(struct db *db, struct operator_row **out, size_t *count, struct err *err);
/* A new password also revokes the tokens that logins gave out (those labelled OPERATOR_LOGIN_LABEL). */
bool store_operator_set_password(struct db *db, int64_t id, const char *password_hash, struct err *err);
bool store_operator_set_disabled(struct db *db, int64_t id, bool disabled, struct err *err);

#define OPERATOR_LOGIN_LABEL "login"

/* The SHA-256 of a token's whole text, by which it is stored and found. */
void store_token_hash(const char *token, uint8_t out[32]);

/* A fresh token of inout->operator_id with inout->label; its id comes back, and its clear text, which is seen here and never again. ttl_ms
 * 0 = never expires. Also drops this operator's tokens that expired more than a day ago. */
bool store_token_create(struct db *db, struct operator_token *inout, int64_t ttl_ms, char token[OPERATOR_TOKEN_SIZE], struct err *err);
bool store_token_list(struct db *db, int64_t operator_id, struct operator_token **out, size_t *count, struct err *err);
/* ERR_NOT_FOUND; revoking twice is harmless. */
bool store_token_revoke(struct db *db, int64_t id, int64_t *operator_id, struct err *err);

#endif
