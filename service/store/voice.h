/* The voice back ends of products, one a product at most; their tokens sealed. Writes run inside the caller's transaction; none of them
 * audits. `seal` is the engine's. */
#ifndef STORE_VOICE_H
#define STORE_VOICE_H

#include <stdbool.h>
#include <stdint.h>

struct db;
struct err;
struct seal_key;
struct secret;
struct voice; /* model/voice.h */

/* Makes or replaces the voice of inout->product_id; token unset or "" = none. rev (1 = made), times and ws_token_set come back. rev: the
 * expected revision, 0 = any, also none; another one is ERR_CONFLICT. ERR_NOT_FOUND: no such product; ERR_CONFLICT: it has no gateway to
 * use. */
bool store_voice_put(struct db *db, const struct seal_key *seal, struct voice *inout, const struct secret *token, int64_t rev,
		     struct err *err);
/* rev as above. ERR_NOT_FOUND: the product has none. */
bool store_voice_delete(struct db *db, int64_t product_id, int64_t rev, struct err *err);
bool store_voice_get(struct db *db, int64_t product_id, struct voice *out, struct err *err);

#endif
