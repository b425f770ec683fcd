#include "engine/parts_who.h"

#include <inttypes.h>
#include <string.h>

#include "common/err.h"
#include "common/text.h"
#include "engine/parts.h"
#include "engine/private.h"
#include "fleet/fleet.h"
#include "fleet/fleet_device.h"
#include "fleet/products.h"
#include "model/mac.h"
#include "model/product.h"

static const struct device_entry *find(const struct fleet *f, const char *id)
{
	char mac[MAC_SIZE];
	const struct device_entry *d = *id ? fleet_device(f, id) : NULL;
	if (!d && *id && mac_parse(id, mac)) {
		d = fleet_device_by_mac(f, mac);
	}
	return d || !*id ? d : fleet_device_by_serial(f, id);
}

/* The one device that all it says names. */
static bool find_device(const struct fleet *f, const struct parts_ask *ask, const struct device_entry **out, struct err *err)
{
	*out = NULL;
	for (size_t i = 0; i < PARTS_IDS_MAX; i++) {
		const struct device_entry *d = find(f, ask->ids[i]);
		if (d && *out && d != *out) {
			return err_set(err, ERR_INVALID, "the identifiers name two devices");
		}
		*out = d ? d : *out;
	}
	return true;
}

void parts_who_name(const struct fleet *f, const struct device_entry *d, struct ranked_who *who)
{
	char mac[DEVICES_MAC_NAME_SIZE];
	char bare[MAC_SIZE] = "";
	ranked_add_id(who, fleet_device_name(f, d));
	ranked_add_id(who, fleet_device_serial(f, d));
	if (fleet_device_mac_name(f, d, mac)) {
		for (int i = 0; i < 6; i++) {
			memcpy(bare + 2 * i, mac + 3 * i, 2);
		}
		ranked_add_id(who, bare);
	}
}

bool parts_who_find(const struct fleet *f, const struct parts_ask *ask, struct parts_who *out, struct err *err)
{
	const struct device_entry *d;
	*out = (struct parts_who){.ranked = {.product_id = ask->product_id}};
	if (!find_device(f, ask, &d, err)) {
		return false;
	}
	if (d && ask->product_id && d->product_id != ask->product_id) {
		return err_set(err, ERR_INVALID, "the device is of another product");
	}
	if (d && d->blocked) {
		return err_set(err, ERR_BLOCKED, "this device is blocked");
	}
	const struct fleet_product *p = d ? fleet_product(f, d->product_id) : NULL;
	out->doubted = d && d->bound && p && p->identity != IDENTITY_MAC;
	if (out->doubted) {
		return true;
	}
	for (size_t i = 0; i < PARTS_IDS_MAX; i++) {
		ranked_add_id(&out->ranked, ask->ids[i]);
	}
	if (d) {
		out->device = d;
		out->ranked.device_id = d->id;
		out->ranked.product_id = d->product_id;
		parts_who_name(f, d, &out->ranked);
	}
	return true;
}

static const struct fleet_product *product_of(const struct fleet *f, const char *key_or_id)
{
	uint64_t id;
	const struct fleet_product *p = fleet_product_of_board(f, key_or_id, "");
	if (p && strcmp(p->key, key_or_id) == 0) {
		return p;
	}
	return text_to_u64(key_or_id, &id) && id <= INT64_MAX ? fleet_product(f, (int64_t)id) : NULL;
}

bool parts_product(struct engine *e, const char *key_or_id, struct parts_product *out)
{
	fleet_read(e->fleet);
	const struct fleet_product *p = product_of(e->fleet, key_or_id);
	*out = p ? (struct parts_product){.id = p->id, .token = p->device_token} : (struct parts_product){0};
	fleet_done(e->fleet);
	return out->id != 0;
}

bool parts_of_device(struct engine *e, const struct parts_ask *ask, struct parts_product *out)
{
	struct err none = {0};
	const struct device_entry *d;
	fleet_read(e->fleet);
	bool known = find_device(e->fleet, ask, &d, &none) && d;
	const struct fleet_product *p = known ? fleet_product(e->fleet, d->product_id) : NULL;
	if (p) {
		*out = (struct parts_product){.id = p->id, .token = p->device_token};
	}
	fleet_done(e->fleet);
	return known;
}
