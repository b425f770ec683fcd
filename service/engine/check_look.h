/* Inside engine/ only: what memory says to a check, and what of it is still to be written. Asks no database. */
#ifndef ENGINE_CHECK_LOOK_H
#define ENGINE_CHECK_LOOK_H

#include <stdbool.h>
#include <stdint.h>

struct check;
struct check_answer;
struct engine;

/* What must be written before the answer. Each is done once in a check: what then is there is the answer. */
enum check_need {
	NEED_NOTHING = 0,
	NEED_REPORT = 1,  /* a live task must hear what it told */
	NEED_BEGIN = 2,   /* a standing rollout becomes its task */
	NEED_TELL = 4,    /* a queued task is told by this answer */
	NEED_CONTACT = 8, /* it is not activated */
};

/* What a look into the snapshot finds beside the answer. */
struct check_found {
	unsigned need;
	bool trusted; /* it is the device that it says it is, as far as its product asks */
	bool version_news;
	bool told_news;
	bool fresh; /* it runs something else than it did: it marks that valid only after a check that offers nothing */
	bool blocked;
	int64_t task_id;
	int64_t rollout_id;
	int64_t firmware_id;
};

/* One look into the snapshot. quiet: nothing is offered. settled: needs that were seen to. While another row is to be written the answer
 * has no credentials, which are most of its work: there will be another look. */
void check_look(struct engine *e, const struct check *check, bool quiet, unsigned settled, struct check_found *found,
		struct check_answer *out);

/* Facts that no task waits for are written behind. */
void check_note(struct engine *e, const struct check *check, const struct check_answer *answer, const struct check_found *found,
		bool reported);

#endif
