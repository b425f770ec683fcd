/* What products say of their devices, in the snapshot: whose a board is, what it needs, where its voice goes. With the secrets in clear
 * that devices are told or that sign what they are told: wiped when they are replaced. Not thread-safe (fleet.c locks).
 */
#ifndef FLEET_PRODUCTS_H
#define FLEET_PRODUCTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "model/gateway.h"
#include "model/product.h"
#include "model/voice.h"

struct digest_key;

struct fleet_voice {
	enum voice_mqtt mqtt;
	char endpoint[ENDPOINT_SIZE];   /* VOICE_GATEWAY: host or host:port; else "" */
	struct digest_key *gateway_key; /* VOICE_GATEWAY: signs the credentials; else NULL */
	const char *ws_url;             /* "" = no WebSocket */
	const char *ws_token;           /* "" = none */
	int ws_version;                 /* 0 = not said */
};

struct fleet_product {
	int64_t id;
	char key[NAME_SIZE];
	enum identity_policy identity;
	bool unbound_updates;
	bool auto_register;
	int64_t auto_register_max;
	bool device_token;
	bool together;
	char boards[BOARDS_MAX][NAME_SIZE];
	char partitions[PARTITIONS_MAX][PARTITION_SIZE];
	size_t board_count;
	size_t partition_count;
	struct fleet_voice voice;
	uint16_t generation; /* of the last full load that saw it */
};

struct products;
struct products *products_new(void);
void products_free(struct products **p);

/* Pointers are good until the product is put or dropped. NULL: not known. */
const struct fleet_product *products_get(const struct products *p, int64_t id);
/* By the name of the board, a product's key or one of its boards, exactly; else by its type. "" = not told. */
const struct fleet_product *products_of_board(const struct products *p, const char *board_name, const char *board_type);

/* The only one that registers devices; NULL: none, or several. */
const struct fleet_product *products_auto_register(const struct products *p);

size_t products_count(const struct products *p);

/* Inserts or replaces. False: out of memory; what was there before is still there, or what is new lacks some of its boards until the next
 * load. */
bool products_put(struct products *p, const struct product *product, const struct voice *voice, const struct voice_means *means,
		  uint16_t generation);
void products_drop(struct products *p, int64_t id);
/* Drops those of another generation. */
void products_sweep(struct products *p, uint16_t generation);

#endif
