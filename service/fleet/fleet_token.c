/* Operators' tokens in the snapshot. */
#include "fleet/fleet_token.h"

#include <stdlib.h>
#include <string.h>

#include "fleet/inside.h"

const struct fleet_token *fleet_token(const struct fleet *f, const uint8_t hash[32])
{
	const struct fleet_token *t = map_get(&f->tokens, fleet_head_key(hash));
	return t && memcmp(t->hash, hash, sizeof t->hash) == 0 ? t : NULL; /* hashes: their comparison may take any time */
}

bool fleet_put_token(struct fleet *f, const struct fleet_token *token)
{
	struct fleet_token *own = map_get(&f->tokens, fleet_head_key(token->hash));
	if (!own) {
		own = calloc(1, sizeof *own);
		if (!own || !map_put(&f->tokens, fleet_head_key(token->hash), own)) {
			free(own);
			return false;
		}
	}
	*own = *token;
	own->generation = f->token_generation;
	return true;
}

void fleet_tokens_begin(struct fleet *f)
{
	f->token_generation++;
}

void fleet_tokens_end(struct fleet *f, int64_t operator_id)
{
	uint64_t keys[256]; /* collected first: a map must not change while it is walked */
	size_t n;
	do {
		struct map_slot *slot;
		n = 0;
		for (size_t i = 0; n < 256 && (slot = map_next(&f->tokens, &i));) {
			const struct fleet_token *t = slot->value;
			if (t->generation != f->token_generation && (operator_id == 0 || t->operator_id == operator_id)) {
				keys[n++] = slot->key;
			}
		}
		for (size_t i = 0; i < n; i++) {
			free(map_remove(&f->tokens, keys[i]));
		}
	} while (n == 256);
}
