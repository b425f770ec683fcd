#include "engine/check_look.h"

#include <string.h>

#include "common/clock.h"
#include "common/text.h"
#include "engine/candidates.h"
#include "engine/notes.h"
#include "engine/private.h"
#include "engine/suited.h"
#include "engine/voice.h"
#include "fleet/fleet.h"
#include "fleet/fleet_device.h"
#include "fleet/fleet_firmware.h"
#include "fleet/fleet_order.h"
#include "fleet/products.h"
#include "fleet/standings.h"
#include "metrics/metrics.h"
#include "model/decide.h"
#include "model/image.h"
#include "model/mac.h"

/* Under the reader's hold, for as long as it lasts. */
struct scene {
	struct engine *engine;
	const struct check *check;
	const struct device_entry *device; /* NULL = nobody knows it */
	const struct fleet_product *product;
};

/* --- who is it? --- */

/* A product that pins takes a MAC alone for nothing. */
static bool is_trusted(const struct scene *s)
{
	if (!s->device || !s->product) {
		return false;
	}
	uint64_t pin = told_pin(s->check->told->client_uuid);
	return s->product->identity == IDENTITY_MAC || (pin && pin == s->device->pin);
}

static void set_scene(struct scene *s, struct engine *e, const struct check *check)
{
	const struct fleet *f = e->fleet;
	s->engine = e;
	s->check = check;
	s->device = fleet_device_by_mac(f, check->mac);
	s->product = s->device ? fleet_product(f, s->device->product_id)
			       : fleet_product_of_board(f, check->told->board_name, check->told->board_type);
}

/* --- what does its word mean for its tasks? --- */

/* A check is a boot: it matters to a task that has begun, and to any that is under way if it tells another version or the very build. */
static bool is_evidence(const struct scene *s, struct check_found *found)
{
	const struct fleet *f = s->engine->fleet;
	for (const struct fleet_task *t = fleet_tasks_of(f, s->device->id); t; t = t->next) {
		const struct fleet_firmware *fw = fleet_firmware(f, t->firmware_id);
		const uint8_t *elf = fw ? image_elf(&fw->firmware.image) : NULL;
		bool is_build =
			elf && s->check->told->has_elf && memcmp(elf, s->check->told->elf_sha256, sizeof s->check->told->elf_sha256) == 0;
		if (strcmp(t->component, COMPONENT_DEFAULT) == 0 && (found->version_news || is_build || t->state >= TASK_DOWNLOADING)) {
			found->fresh |= is_build;
			return true;
		}
	}
	return false;
}

static void look_at_facts(const struct scene *s, struct check_found *found)
{
	const struct check *c = s->check;
	const char *known = fleet_device_version(s->engine->fleet, s->device, COMPONENT_DEFAULT);
	found->version_news = *c->version && strcmp(c->version, known) != 0;
	found->fresh = found->version_news && *known;
	found->told_news = c->told->read && told_fingerprint(c->told) != fleet_told(s->device);
	if (*c->version && is_evidence(s, found)) {
		found->need |= NEED_REPORT;
	}
}

/* --- what is offered? --- */

/* To a device that nobody knows: no task, an alias of the rollout's that names no device. */
static bool offer_stranger(const struct scene *s, const struct candidate *c, struct offer *out)
{
	const struct fleet_firmware *fw = fleet_firmware(s->engine->fleet, c->firmware->id);
	*out = (struct offer){.rollout_id = c->rollout_id, .size = fw->firmware.artifact.size};
	text_copy(out->image_version, sizeof out->image_version, fw->firmware.image.version);
	return candidates_alias(s->engine->fleet, s->engine->alias_key, c, out->alias);
}

static void look_at_offers(const struct scene *s, struct check_found *found, struct check_answer *out)
{
	struct suited suited = {.device = s->device,
				.product = s->product,
				.told = s->check->told,
				.version = s->check->version,
				.component = COMPONENT_DEFAULT};
	struct decision d = suited_decide(s->engine->fleet, &suited, NULL);
	if (!d.offer) {
		return;
	}
	out->force = d.force;
	if (!s->device) {
		out->offered = offer_stranger(s, d.offer, &out->offer);
		found->rollout_id = d.offer->rollout_id;
	} else if (d.offer->kind == CANDIDATE_STANDING) {
		found->need |= NEED_BEGIN;
		found->rollout_id = d.offer->rollout_id;
		found->firmware_id = d.offer->firmware->id;
	} else {
		out->offered = candidates_offer(s->engine->fleet, s->device->id, d.offer, &out->offer);
	}
	if (out->offered && d.offer->kind == CANDIDATE_TASK && d.offer->state == TASK_QUEUED) {
		found->need |= NEED_TELL;
		found->task_id = d.offer->task_id;
	}
}

/* --- one look --- */

/* Whose voice it is told of. Who borrows a MAC is told of none, and where licences are asked for nobody is before the proof. */
static const struct fleet_product *voice_of(const struct scene *s, const struct check_found *found)
{
	bool bound = s->device && s->device->bound;
	bool secret = s->product && s->product->identity == IDENTITY_LICENCE;
	return found->blocked || ((bound || secret) && !(bound && found->trusted)) ? NULL : s->product;
}

enum { NEEDS_A_ROW = NEED_REPORT | NEED_BEGIN | NEED_TELL };

void check_look(struct engine *e, const struct check *check, bool quiet, unsigned settled, struct check_found *found,
		struct check_answer *out)
{
	struct scene s;
	*found = (struct check_found){0};
	out->offered = out->force = out->activation.shown = false;
	fleet_read(e->fleet);
	set_scene(&s, e, check);
	found->trusted = is_trusted(&s);
	found->blocked = s.device && s.device->blocked;
	out->device_id = s.device ? s.device->id : 0;
	out->bound = found->trusted && s.device->bound;
	if (found->trusted && !found->blocked) {
		fleet_seen(s.device, clock_wall_ms());
		look_at_facts(&s, found);
	}
	if (!quiet && !found->fresh && !found->blocked && (s.device ? found->trusted : s.product != NULL)) {
		look_at_offers(&s, found, out);
	}
	if (!out->bound && !found->blocked) {
		found->need |= NEED_CONTACT;
	}
	if (!(found->need & ~settled & NEEDS_A_ROW)) {
		voice_fill(e, check, voice_of(&s, found), out->bound ? s.device : NULL, &out->voice);
	}
	fleet_done(e->fleet);
}

void check_note(struct engine *e, const struct check *check, const struct check_answer *answer, const struct check_found *found,
		bool reported)
{
	bool noted = false;
	if (!found->trusted || found->blocked) {
		return;
	}
	if (found->version_news && !reported) {
		noted = notes_put(e, answer->device_id, COMPONENT_DEFAULT, check->version);
	}
	if (found->told_news) {
		noted = notes_put_told(e, answer->device_id, check->told) || noted;
	}
	metrics_add(noted ? METRIC_POLLS_NOTING : METRIC_POLLS_IDLE, 1);
}
