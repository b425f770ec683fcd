/* Firmware in the snapshot. */
#include "fleet/fleet_firmware.h"

#include <stdlib.h>
#include <string.h>

#include "common/text.h"
#include "fleet/inside.h"
#include "fleet/roster.h"

static uint64_t name_key(int64_t product_id, const char *name)
{
	uint64_t k = text_hash(name, strlen(name)) ^ ((uint64_t)product_id * 0x9E3779B97F4A7C15u);
	return k | (k == 0);
}

const struct fleet_firmware *fleet_firmware(const struct fleet *f, int64_t id)
{
	return map_get(&f->firmware, fleet_key(id));
}

const struct fleet_firmware *fleet_firmware_by_head(const struct fleet *f, const uint8_t head[8])
{
	return map_get(&f->firmware_by_head, fleet_head_key(head));
}

const struct fleet_firmware *fleet_firmware_by_name(const struct fleet *f, int64_t product_id, const char *name)
{
	const struct fleet_firmware *fw = map_get(&f->firmware_by_name, name_key(product_id, name));
	return fw && fw->firmware.product_id == product_id && strcmp(fw->firmware.name, name) == 0 ? fw : NULL;
}

/* Drops what the secondary maps hold of this firmware (another one with the same bytes may take its place there: re-put on demand). */
static void unlink_firmware(struct fleet *f, const struct fleet_firmware *fw)
{
	uint64_t name = name_key(fw->firmware.product_id, fw->firmware.name);
	uint64_t head = fleet_head_key(fw->firmware.artifact.sha256);
	if (map_get(&f->firmware_by_name, name) == fw) {
		map_remove(&f->firmware_by_name, name);
	}
	if (*fw->firmware.url) {
		roster_drop(f->roster, fw->firmware.product_id, fw->firmware.id);
	}
	if (fw->firmware.external || map_get(&f->firmware_by_head, head) != fw) {
		return;
	}
	map_remove(&f->firmware_by_head, head);
	struct map_slot *slot;
	for (size_t i = 0; (slot = map_next(&f->firmware, &i));) {
		const struct fleet_firmware *other = slot->value;
		if (other != fw && !other->firmware.external && fleet_head_key(other->firmware.artifact.sha256) == head) {
			map_put(&f->firmware_by_head, head, slot->value);
			return;
		}
	}
}

/* Takes the row over and makes it found by all that it has: no hash where the bytes are not ours. */
static bool link_firmware(struct fleet *f, struct fleet_firmware *fw, const struct firmware *row)
{
	fw->firmware = *row;
	fw->md5[0] = fw->sha256[0] = '\0';
	if (!row->external) {
		text_hex(fw->md5, row->artifact.md5, sizeof row->artifact.md5);
		text_hex(fw->sha256, row->artifact.sha256, sizeof row->artifact.sha256);
	}
	return (row->external || map_put(&f->firmware_by_head, fleet_head_key(row->artifact.sha256), fw)) &&
	       (!*row->url || roster_put(f->roster, row->product_id, row->id)) &&
	       map_put(&f->firmware_by_name, name_key(row->product_id, row->name), fw);
}

bool fleet_put_firmware(struct fleet *f, const struct firmware *firmware)
{
	f->files_stamp++;
	struct fleet_firmware *fw = map_get(&f->firmware, fleet_key(firmware->id));
	if (fw) {
		fw->generation = f->generation;
		if (firmware->rev < fw->firmware.rev) {
			return true;
		}
		if (!*firmware->url) { /* nothing else of it ever changes */
			text_copy(fw->firmware.version, sizeof fw->firmware.version, firmware->version);
			fw->firmware.rev = firmware->rev;
			return true;
		}
		bool imported = fw->firmware.external && !firmware->external;
		unlink_firmware(f, fw);
		if (!link_firmware(f, fw, firmware)) {
			return false;
		}
		if (imported) {
			fleet_name_tasks(f, firmware->id);
		}
		return true;
	}
	fw = calloc(1, sizeof *fw);
	if (!fw || !map_put(&f->firmware, fleet_key(firmware->id), fw)) {
		free(fw);
		return false;
	}
	fw->generation = f->generation;
	return link_firmware(f, fw, firmware);
}

void fleet_drop_firmware(struct fleet *f, int64_t id)
{
	f->files_stamp++;
	struct fleet_firmware *fw = map_remove(&f->firmware, fleet_key(id));
	if (fw) {
		unlink_firmware(f, fw);
		free(fw);
	}
}

void fleet_learn_version(struct fleet *f, int64_t firmware_id, const char *version)
{
	f->files_stamp++;
	struct fleet_firmware *fw = map_get(&f->firmware, fleet_key(firmware_id));
	if (fw && !*fw->firmware.version) {
		text_copy(fw->firmware.version, sizeof fw->firmware.version, version);
		fw->firmware.rev++; /* as in its row: an older one must not take it back */
	}
}
