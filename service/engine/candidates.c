#include "engine/candidates.h"

#include <string.h>

#include "common/clock.h"
#include "common/text.h"
#include "engine/offer.h"
#include "engine/standing.h"
#include "fleet/devices.h"
#include "fleet/fleet.h"
#include "fleet/fleet_firmware.h"
#include "fleet/fleet_order.h"
#include "fleet/standings.h"
#include "model/decide.h"

static const struct firmware *image_of(const struct fleet *f, int64_t firmware_id)
{
	const struct fleet_firmware *fw = fleet_firmware(f, firmware_id);
	return fw ? &fw->firmware : NULL;
}

static size_t gather_own(const struct fleet *f, int64_t device_id, struct candidate *out)
{
	size_t n = 0;
	for (const struct fleet_task *t = fleet_tasks_of(f, device_id); t && n < CANDIDATES_MAX; t = t->next) {
		out[n++] = (struct candidate){.kind = CANDIDATE_TASK,
					      .rollout_id = t->rollout_id,
					      .task_id = t->id,
					      .created_ms = t->created_ms,
					      .component = t->component,
					      .version = "",
					      .state = t->state,
					      .code = "",
					      .push = t->way == WAY_PUSH,
					      .firmware = image_of(f, t->firmware_id)};
	}
	for (const struct fleet_assignment *a = fleet_assignments_of(f, device_id); a && n < CANDIDATES_MAX; a = a->next) {
		out[n++] = (struct candidate){.kind = CANDIDATE_ASSIGNMENT,
					      .rollout_id = a->id,
					      .created_ms = a->created_ms,
					      .component = a->component,
					      .version = "",
					      .code = "",
					      .firmware = image_of(f, a->firmware_id)};
	}
	return n;
}

size_t candidates_standing(const struct fleet *f, int64_t product_id, int64_t device_id, struct candidate *out, size_t n)
{
	for (const struct standing_rollout *s = standings_of(fleet_standings(f), product_id); s && n < CANDIDATES_MAX; s = s->next) {
		n += standing_candidate(f, s, device_id, &out[n]);
	}
	return n;
}

size_t candidates_gather(const struct fleet *f, const struct device_entry *device, bool standing, struct candidate *out)
{
	size_t n = gather_own(f, device->id, out);
	return standing ? candidates_standing(f, device->product_id, device->id, out, n) : n;
}

static bool fill_firmware(const struct fleet *f, int64_t id, struct offer *out)
{
	const struct fleet_firmware *fw = fleet_firmware(f, id);
	if (!fw) {
		return false;
	}
	out->size = fw->firmware.artifact.size;
	memcpy(out->md5, fw->md5, sizeof out->md5);
	memcpy(out->sha256, fw->sha256, sizeof out->sha256);
	memcpy(out->version, fw->firmware.version, sizeof out->version);
	text_copy(out->image_version, sizeof out->image_version, fw->firmware.image.version);
	memcpy(out->component, fw->firmware.component, sizeof out->component);
	return true;
}

/* As the operator named it, with the file name that stays. */
static bool offer_assignment(const struct fleet *f, const struct fleet_assignment *a, struct offer *out)
{
	if (!fill_firmware(f, a->firmware_id, out)) {
		return false;
	}
	out->rollout_id = a->id;
	out->passive = true;
	memcpy(out->alias, a->alias, sizeof out->alias);
	memcpy(out->version, a->version_name, sizeof out->version);
	memcpy(out->description, a->description, sizeof out->description);
	return out->alias[0] != '\0';
}

bool offer_task(const struct fleet *f, const struct fleet_task *t, struct offer *out)
{
	if (!fill_firmware(f, t->firmware_id, out)) {
		return false;
	}
	out->rollout_id = t->rollout_id;
	memcpy(out->alias, t->alias, sizeof out->alias);
	const struct standing_rollout *s = t->way == WAY_STANDING ? standings_get(fleet_standings(f), t->rollout_id) : NULL;
	if (s && *s->version_name) {
		memcpy(out->version, s->version_name, sizeof out->version);
	} else if (!*out->version) {
		memcpy(out->version, t->token, sizeof t->token);
	}
	if (s) {
		memcpy(out->description, s->description, sizeof out->description);
	}
	return out->alias[0] != '\0';
}

bool candidates_offer(const struct fleet *f, int64_t device_id, const struct candidate *c, struct offer *out)
{
	const struct fleet_task *t = c->task_id ? fleet_task(f, c->task_id) : NULL;
	out->task_id = c->task_id;
	out->description[0] = '\0';
	out->passive = false;
	for (const struct fleet_assignment *a = fleet_assignments_of(f, device_id); a; a = a->next) {
		bool speaks = t ? a->firmware_id == t->firmware_id : a->id == c->rollout_id;
		if (speaks && strcmp(a->component, c->component) == 0) {
			return offer_assignment(f, a, out);
		}
	}
	return t && offer_task(f, t, out);
}

bool candidates_alias(const struct fleet *f, const struct digest_key *key, const struct candidate *c, char out[ALIAS_SIZE])
{
	enum { HOUR_MS = 3600 * 1000, GOOD_H = 48 };
	const struct fleet_firmware *fw = fleet_firmware(f, c->firmware->id);
	struct alias a = {.kind = ALIAS_ROLLOUT, .id = (uint64_t)c->rollout_id};
	a.expires_h = (uint32_t)(clock_wall_ms() / HOUR_MS) + GOOD_H;
	memcpy(a.sha_head, fw->firmware.artifact.sha256, sizeof a.sha_head);
	return alias_make(key, &a, out);
}
