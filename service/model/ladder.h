/* How a running device is brought to fetch firmware, by what its firmware understands (protocols/xiaozhi.md 7). It asks for firmware only
 * when it boots; between boots it is told to fetch a file, or to boot and ask, or it is left alone. Pure.
 */
#ifndef MODEL_LADDER_H
#define MODEL_LADDER_H

#include <stdbool.h>
#include <stdint.h>

#include "model/task.h"

enum ladder_rung {
	LADDER_WAIT,    /* nothing is sent: its next boot, or the next time it is looked at, will do */
	LADDER_UPGRADE, /* call its tool that fetches and installs a file */
	LADDER_REBOOT,  /* have it boot, and ask what there is */
};

/* Who was told to boot and is told again within this time has something else wrong with it. */
enum { LADDER_REBOOT_GAP_MS = 3600 * 1000 };

/* Who has said that it fetches, or has begun to, is left alone for so long: told again meanwhile it would fetch twice. */
enum { LADDER_PATIENCE_MS = 5 * 60 * 1000 };

struct ladder {
	const char *version;   /* what the device runs; "" = not known */
	bool no_tool;          /* it has answered that it does not know the tool */
	enum task_state state; /* of the push; live */
	int64_t state_ms;      /* how long the task has stood so */
};

enum ladder_rung ladder_next(const struct ladder *ladder);

/* The number of the call by which a task's tool is called: the answer carries it, so that nobody need remember. Devices read 32 bits of it:
 * 1 .. 2^31 - 1. */
int32_t ladder_call(int64_t task_id);

#endif
