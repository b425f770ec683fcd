/* External MQTT gateways, one a product at most; their signature keys sealed. Writes run inside the caller's transaction; none of them
 * audits. `seal` is the engine's. */
#ifndef STORE_GATEWAY_H
#define STORE_GATEWAY_H

#include <stdbool.h>
#include <stdint.h>

struct db;
struct err;
struct gateway; /* model/gateway.h */
struct seal_key;
struct secret;

/* Makes or replaces the gateway of inout->product_id; rev (1 = made) and times come back. rev: the expected revision, 0 = any, also none;
 * another one is ERR_CONFLICT. ERR_NOT_FOUND: there is no such product. */
bool store_gateway_put(struct db *db, const struct seal_key *seal, struct gateway *inout, const struct secret *key, int64_t rev,
		       struct err *err);
/* rev as above. ERR_NOT_FOUND: the product has none; ERR_CONFLICT: also while its voice goes by it. */
bool store_gateway_delete(struct db *db, int64_t product_id, int64_t rev, struct err *err);
bool store_gateway_get(struct db *db, int64_t product_id, struct gateway *out, struct err *err);

#endif
