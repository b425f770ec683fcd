/* Products: what an operator says of a kind of device. Pure. */
#ifndef MODEL_PRODUCT_H
#define MODEL_PRODUCT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "model/nouns.h"

struct err;

enum {
	BOARDS_MAX = 32,
	PARTITIONS_MAX = 32,
	PARTITION_SIZE = 17,
	AUTO_REGISTER_MAX = 10000000, /* the greatest auto_register_max */
	AUTO_REGISTER_DEFAULT = 10000,
};

/* What a product's firmware files are: anything, or ESP-IDF app images and nothing else. */
enum product_images { IMAGES_ANY, IMAGES_ESP32 };

/* What makes a known device believed: its MAC; the Client-Id it was bound with besides; or that, bound by a licence's HMAC only. */
enum identity_policy { IDENTITY_MAC, IDENTITY_PINNED, IDENTITY_LICENCE };

/* Their words, as in the database. parse answers false on anything else. */
const char *identity_policy_name(enum identity_policy policy);
bool identity_policy_parse(const char *name, enum identity_policy *out);
const char *product_images_name(enum product_images images);
bool product_images_parse(const char *name, enum product_images *out);

struct product {
	int64_t id;
	char key[NAME_SIZE];
	char name[TEXT_SIZE];
	char description[DESCRIPTION_SIZE];
	enum product_images images;
	enum identity_policy identity;
	bool unbound_updates;                            /* firmware also before activation */
	bool auto_register;                              /* who reports versions and is not known becomes a device of it, ... */
	int64_t auto_register_max;                       /* ... up to so many; 0 in = AUTO_REGISTER_DEFAULT */
	int64_t registered;                              /* devices that have, and are still there; comes back from the database */
	bool together;                                   /* no component of it is offered while another one that it needs waits */
	bool device_token;                               /* calls of devices that prove nothing must bring an operator's token */
	char boards[BOARDS_MAX][NAME_SIZE];              /* names or types of boards that are this product, besides its key */
	char partitions[PARTITIONS_MAX][PARTITION_SIZE]; /* labels that a device must have to be offered firmware */
	size_t board_count;
	size_t partition_count;
	int64_t rev;
	int64_t created_ms;
	int64_t updated_ms;
};

/* Are key, boards and partitions what they may be, and none named twice? */
bool product_check(const struct product *product, struct err *err);

#endif
