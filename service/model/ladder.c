#include "model/ladder.h"

#include "model/version.h"

/* The first versions that know the tool, and the command. A shorter list of numbers is the older one for devices, so these are short. */
#define WITH_TOOL "2"
#define WITH_COMMAND "1.6"

static enum ladder_rung by_version(const char *version, bool no_tool)
{
	if (!version_is_read(version)) {
		return LADDER_WAIT;
	}
	if (version_compare(version, WITH_TOOL) >= 0 && !no_tool) {
		return LADDER_UPGRADE;
	}
	return version_compare(version, WITH_COMMAND) >= 0 ? LADDER_REBOOT : LADDER_WAIT;
}

enum ladder_rung ladder_next(const struct ladder *l)
{
	enum ladder_rung rung = by_version(l->version, l->no_tool);
	if (l->state == TASK_QUEUED || l->state == TASK_NOTIFIED) {
		return rung;
	}
	if (l->state == TASK_ACCEPTED || l->state == TASK_DOWNLOADING) { /* a boot would break off what it may be doing */
		return rung == LADDER_UPGRADE && l->state_ms >= LADDER_PATIENCE_MS ? rung : LADDER_WAIT;
	}
	return LADDER_WAIT;
}

int32_t ladder_call(int64_t task_id)
{
	return (int32_t)(1 + (uint64_t)task_id % INT32_MAX);
}
