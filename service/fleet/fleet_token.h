/* The operators' tokens of the snapshot (fleet/fleet.h says who may read and write when). */
#ifndef FLEET_FLEET_TOKEN_H
#define FLEET_FLEET_TOKEN_H

#include <stdbool.h>
#include <stdint.h>

#include "model/nouns.h"

struct fleet;

/* A bearer token's hash and whose it is. */
struct fleet_token {
	uint8_t hash[32];
	int64_t operator_id;
	int64_t expires_ms; /* 0 = never */
	enum role role;
	uint16_t generation;
	char name[NAME_SIZE];
};

/* NULL: not known. */
const struct fleet_token *fleet_token(const struct fleet *fleet, const uint8_t hash[32]);

/* Writers: tokens come as the whole set of an operator (0 = of all): begin, put each, end drops those that did not come. */
void fleet_tokens_begin(struct fleet *fleet);
bool fleet_put_token(struct fleet *fleet, const struct fleet_token *token);
void fleet_tokens_end(struct fleet *fleet, int64_t operator_id);

#endif
