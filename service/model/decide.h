/* The one pure decision: decide(device facts, candidates, now) -> an offer or nothing, with the reason (DESIGN.md, idea 1). Every dialect,
 * the push dispatcher and "explain" call this one function. No I/O, no clock, no allocation.
 */
#ifndef MODEL_DECIDE_H
#define MODEL_DECIDE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "model/nouns.h"
#include "model/product.h"
#include "model/reason.h"
#include "model/task.h"

struct told; /* model/told.h */

/* Of one standing rollout to one device: offers, and besides them such that gave way to another before the device had begun. */
enum { STANDING_OFFERS_MAX = 3, STANDING_TURNS_MAX = 30 };

/* What a product asks of devices that tell what board they are. */
struct product_needs {
	const char *key;                 /* a board name or type that is this product, ... */
	const char (*boards)[NAME_SIZE]; /* ... like these */
	size_t board_count;
	const char (*partitions)[PARTITION_SIZE]; /* labels without which nothing is offered */
	size_t partition_count;
	bool unbound_updates; /* firmware also before activation */
};

/* Something that might be offered. */
struct candidate {
	enum candidate_kind {
		CANDIDATE_TASK,       /* a live task */
		CANDIDATE_ASSIGNMENT, /* a passive assignment whose task has ended: its answer stays */
		CANDIDATE_STANDING,   /* a standing rollout, no live task of it yet */
	} kind;
	int64_t rollout_id;
	int64_t task_id;
	int64_t created_ms;
	int64_t ended_ms; /* of the rollout; 0 = active */
	const char *component;
	const char *version;               /* the firmware's; "" = unknown */
	enum task_state state;             /* TASK: now. STANDING: of the device's last task of it, if offers > 0 */
	const char *code;                  /* STANDING: of that task */
	const char *called;                /* STANDING: the version name it is offered under; NULL or "" = version */
	bool outranked;                    /* STANDING: a newer order for the device alone has brought it elsewhere */
	int64_t offers;                    /* STANDING: tasks of it this device has had since the rollout was ordered (again) */
	int64_t turns;                     /* STANDING: and such that gave way */
	bool push;                         /* TASK: of a push order, which also brings back what is older */
	const struct firmware *firmware;   /* asked for with board facts only; NULL: offered to no such device */
	const struct product_needs *needs; /* of the device's product; the same */
	/* STANDING or its TASK (then created_ms is the rollout's): of several the one with the highest version holds the place of all;
	 * `firmware` is set */
	bool ranked;
	enum rollout_stage stage;
	bool named;        /* ranked: it has ranges */
	const char *match; /* ranked: the range that names the device; NULL = none does, "" = one does */
};

/* What is known of a device that tells what board it is. */
struct board_facts {
	const struct told *told;
	bool bound;       /* activated */
	bool auto_update; /* as its owner wants */
	bool forced_fix;  /* its version must not stay: neither being unbound nor auto_update off keeps a newer one from it */
};

struct device_facts {
	const char *component; /* asked for */
	const char *version;   /* of that component, as told now or known; "" = unknown */
	bool blocked;
	bool suited;                     /* without board: it was asked before; the names of versions do not count */
	const struct board_facts *board; /* NULL: the dialect tells nothing of the kind, and nothing of it is asked */
};

struct decision {
	const struct candidate *offer; /* into the candidates; NULL = nothing */
	struct reason reason;
	bool force; /* offer is not newer; the device is to install it all the same */
};

/* A line of "explain": what was thought of each candidate. */
struct decision_trace {
	size_t count;
	struct reason reasons[16];
};

/* trace may be NULL. Candidates in any order; a live task wins over a standing answer, that over a standing rollout; the newer wins within
 * a kind. Of ranked ones (files) the highest version among those that are for this device holds the place of all, whether it is offered or
 * not: only if it is newer than what the device runs, or not comparable and different, or the firmware says force or allow_downgrade. The
 * task of a ranked one that has not begun counts as that rollout. With board facts every candidate must suit the device (model/suit.h); a
 * task or an assignment that does not still keeps its place: nothing that it would have won over is offered instead. Reasons point into
 * facts and candidates. */
struct decision decide(const struct device_facts *facts, const struct candidate *candidates, size_t count, int64_t now_ms,
		       struct decision_trace *trace);

/* Does a ranked candidate's firmware stand above another's? By dotted versions, which stand above all others; then the newer, then the
 * greater id. A total order. */
struct decide_rank {
	const char *version;
	int64_t created_ms;
	int64_t rollout_id;
};
bool decide_ranks_above(const struct decide_rank *a, const struct decide_rank *b);

/* What becomes of a new order for (device, component) while `live` (NULL = none) is under way. */
enum order_outcome {
	ORDER_NEW,
	ORDER_SAME,      /* the same firmware: the same task, sent again */
	ORDER_SUPERSEDE, /* another one, the device has not begun: the old task ends */
	ORDER_REFUSE,    /* another one, the device is downloading or further: 3002 */
};
enum order_outcome decide_order(const struct task *live, int64_t firmware_id);

#endif
