/* Inside store/ only: sealed columns (common/seal.h). What is sealed leaves this process as ciphertext, so that neither the tables nor the
 * server's log, statistics or errors ever hold it in clear. */
#ifndef STORE_SEALED_H
#define STORE_SEALED_H

#include "store/sql.h"

struct seal_key;

/* The contexts of a product's secrets: snprintf with its id. */
#define GATEWAY_CONTEXT "gateway/%" PRId64
#define VOICE_CONTEXT "voice/%" PRId64
enum { SEALED_CONTEXT_SIZE = 32 };

/* len bytes sealed for sql_bytes(): malloc'd, len + SEAL_OVERHEAD bytes, the caller frees it. */
uint8_t *sealed_new(const struct seal_key *key, const char *context, const void *clear, size_t len, struct err *err);

/* A bytea cell in clear: malloc'd, with a NUL behind its *len bytes; the caller wipes and frees it. NULL: it does not open; the sentence
 * names the context, which must be no secret. */
char *sealed_get(const PGresult *r, int row, int col, const struct seal_key *key, const char *context, size_t *len, struct err *err);

#endif
