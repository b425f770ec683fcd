/* The firmware of the snapshot (fleet/fleet.h says who may read and write when). */
#ifndef FLEET_FLEET_FIRMWARE_H
#define FLEET_FLEET_FIRMWARE_H

#include <stdbool.h>
#include <stdint.h>

#include "model/nouns.h"

struct fleet;

struct fleet_firmware {
	struct firmware firmware;
	char md5[33];
	char sha256[65];
	uint16_t generation;
};

/* --- readers --- */
const struct fleet_firmware *fleet_firmware(const struct fleet *fleet, int64_t id);
/* Any firmware whose artifact's SHA-256 begins so: the head an alias carries. */
const struct fleet_firmware *fleet_firmware_by_head(const struct fleet *fleet, const uint8_t head[8]);
const struct fleet_firmware *fleet_firmware_by_name(const struct fleet *fleet, int64_t product_id, const char *name);

/* --- writers --- */
bool fleet_put_firmware(struct fleet *fleet, const struct firmware *firmware);
void fleet_drop_firmware(struct fleet *fleet, int64_t id);
void fleet_learn_version(struct fleet *fleet, int64_t firmware_id, const char *version);

#endif
