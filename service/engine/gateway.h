/* External gateways for those who issue credentials for them: the signature key in clear, on a worker thread. */
#ifndef ENGINE_GATEWAY_H
#define ENGINE_GATEWAY_H

#include <stdbool.h>
#include <stdint.h>

struct engine;
struct err;
struct gateway; /* model/gateway.h */
struct secret;
struct worker;

/* The product's gateway and its signature key, which the caller clears (secret_clear). ERR_NOT_FOUND: it has none; ERR_UNAVAILABLE;
 * ERR_INTERNAL: the key does not open. On failure key is unset. */
bool gateway_open(struct engine *engine, struct worker *worker, int64_t product_id, struct gateway *out, struct secret *key,
		  struct err *err);

#endif
