#include "fleet/products.h"

#include <stdlib.h>
#include <string.h>

#include "common/digest.h"
#include "common/map.h"
#include "common/text.h"

struct products {
	struct map by_id;
	struct map by_board; /* hash of a key or board -> its product */
};

static uint64_t board_key(const char *board)
{
	uint64_t k = text_hash(board, strlen(board));
	return k | (k == 0);
}

struct products *products_new(void)
{
	return calloc(1, sizeof(struct products));
}

/* ---- one ---- */

static void free_text(const char *text)
{
	char *own = (char *)(uintptr_t)text;
	if (own) {
		explicit_bzero(own, strlen(own));
		free(own);
	}
}

static void free_product(struct fleet_product *own)
{
	if (own) {
		free_text(own->voice.ws_url);
		free_text(own->voice.ws_token);
		digest_key_free(&own->voice.gateway_key);
		free(own);
	}
}

static bool take_voice(struct fleet_voice *own, const struct voice *v, const struct voice_means *means)
{
	own->mqtt = v->mqtt;
	own->ws_url = strdup(v->ws_url);
	own->ws_token = strdup(*v->ws_url ? means->ws_token : "");
	own->ws_version = (int)v->ws_version;
	if (v->mqtt == VOICE_GATEWAY) {
		text_copy(own->endpoint, sizeof own->endpoint, means->endpoint);
		own->gateway_key = digest_key_new(means->gateway_key, strlen(means->gateway_key));
	}
	return own->ws_url && own->ws_token && (v->mqtt != VOICE_GATEWAY || own->gateway_key);
}

static struct fleet_product *new_product(const struct product *p, const struct voice *v, const struct voice_means *means)
{
	struct fleet_product *own = calloc(1, sizeof *own);
	if (!own || !take_voice(&own->voice, v, means)) {
		free_product(own);
		return NULL;
	}
	own->id = p->id;
	own->identity = p->identity;
	own->unbound_updates = p->unbound_updates;
	own->auto_register = p->auto_register;
	own->auto_register_max = p->auto_register_max;
	own->device_token = p->device_token;
	own->together = p->together;
	own->board_count = p->board_count;
	own->partition_count = p->partition_count;
	memcpy(own->key, p->key, sizeof own->key);
	memcpy(own->boards, p->boards, sizeof own->boards);
	memcpy(own->partitions, p->partitions, sizeof own->partitions);
	return own;
}

void products_free(struct products **pp)
{
	struct products *p = *pp;
	if (!p) {
		return;
	}
	struct map_slot *slot;
	for (size_t i = 0; (slot = map_next(&p->by_id, &i));) {
		free_product(slot->value);
	}
	map_free(&p->by_id);
	map_free(&p->by_board);
	free(p);
	*pp = NULL;
}

/* ---- lookups ---- */

size_t products_count(const struct products *p)
{
	return p->by_id.count;
}

const struct fleet_product *products_get(const struct products *p, int64_t id)
{
	return map_get(&p->by_id, (uint64_t)id);
}

static bool has_board(const struct fleet_product *own, const char *board)
{
	bool has = strcmp(own->key, board) == 0;
	for (size_t i = 0; !has && i < own->board_count; i++) {
		has = strcmp(own->boards[i], board) == 0;
	}
	return has;
}

static const struct fleet_product *of_board(const struct products *p, const char *board)
{
	const struct fleet_product *own = *board ? map_get(&p->by_board, board_key(board)) : NULL;
	return own && has_board(own, board) ? own : NULL;
}

const struct fleet_product *products_of_board(const struct products *p, const char *board_name, const char *board_type)
{
	const struct fleet_product *own = of_board(p, board_name);
	return own ? own : of_board(p, board_type);
}

const struct fleet_product *products_auto_register(const struct products *p)
{
	const struct fleet_product *found = NULL;
	struct map_slot *slot;
	for (size_t i = 0; (slot = map_next(&p->by_id, &i));) {
		const struct fleet_product *own = slot->value;
		if (own->auto_register && found) {
			return NULL;
		}
		found = own->auto_register ? own : found;
	}
	return found;
}

/* ---- changes ---- */

/* A board that moved to another product may be put there before it is taken away here: each clears only what is its own. */
static void unlink_board(struct products *p, const struct fleet_product *own, const char *board)
{
	uint64_t k = board_key(board);
	if (map_get(&p->by_board, k) == own) {
		map_remove(&p->by_board, k);
	}
}

static void unlink_product(struct products *p, const struct fleet_product *own)
{
	unlink_board(p, own, own->key);
	for (size_t i = 0; i < own->board_count; i++) {
		unlink_board(p, own, own->boards[i]);
	}
}

static bool link_product(struct products *p, struct fleet_product *own)
{
	bool ok = map_put(&p->by_board, board_key(own->key), own);
	for (size_t i = 0; i < own->board_count; i++) {
		ok = map_put(&p->by_board, board_key(own->boards[i]), own) && ok;
	}
	return ok;
}

bool products_put(struct products *p, const struct product *product, const struct voice *voice, const struct voice_means *means,
		  uint16_t generation)
{
	struct fleet_product *before = map_get(&p->by_id, (uint64_t)product->id);
	struct fleet_product *own = new_product(product, voice, means);
	if (!own || !map_put(&p->by_id, (uint64_t)product->id, own)) {
		free_product(own);
		return false;
	}
	own->generation = generation;
	if (before) {
		unlink_product(p, before);
		free_product(before);
	}
	return link_product(p, own);
}

void products_drop(struct products *p, int64_t id)
{
	struct fleet_product *own = map_remove(&p->by_id, (uint64_t)id);
	if (own) {
		unlink_product(p, own);
		free_product(own);
	}
}

void products_sweep(struct products *p, uint16_t generation)
{
	int64_t stale[64]; /* collected first: a map must not change while it is walked */
	size_t n;
	do {
		struct map_slot *slot;
		n = 0;
		for (size_t i = 0; n < 64 && (slot = map_next(&p->by_id, &i));) {
			const struct fleet_product *own = slot->value;
			if (own->generation != generation) {
				stale[n++] = own->id;
			}
		}
		for (size_t i = 0; i < n; i++) {
			products_drop(p, stale[i]);
		}
	} while (n == 64);
}
