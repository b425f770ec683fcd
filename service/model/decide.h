/* The one pure decision: decide(device facts, candidates, now) -> an offer or nothing, with the reason (DESIGN.md, idea 1). Every dialect,
 * the push dispatcher and "explain" call this one function. No I/O, no clock, no allocation.
 */
#ifndef MODEL_DECIDE_H
#define MODEL_DECIDE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "model/nouns.h"
#include "model/task.h"

struct buf;

/* The order of the rules is the order in which they are asked; R(symbol, name, en, zh): the sentences may hold one %lld, the number of the
 * task or rollout. */
#define REASON_TABLE(R)                                                                                                   \
	R(LIVE_TASK, "live_task", "task %lld is under way for this device", "设备有进行中的任务 %lld")                    \
	R(ASSIGNED, "assigned", "firmware assignment %lld names this device", "设备已被指定固件,记录 %lld")               \
	R(STANDING, "standing", "standing rollout %lld covers this device's product", "产品级发布 %lld 适用于该设备")     \
	R(BLOCKED, "blocked", "an operator has blocked this device", "该设备已被管理员禁用")                              \
	R(NO_CANDIDATE, "no_candidate", "no rollout names this device or its product", "没有任何发布涉及该设备或其产品")  \
	R(OTHER_COMPONENT, "other_component", "rollout %lld is for another component", "发布 %lld 针对其他组件")          \
	R(ENDED, "ended", "rollout %lld has ended", "发布 %lld 已结束")                                                   \
	R(ON_TARGET, "on_target", "the device already runs what rollout %lld brings", "设备已是发布 %lld 的目标版本")     \
	R(OFFER_CAP, "offer_cap", "rollout %lld was offered three times without success", "发布 %lld 已提供三次仍未成功") \
	R(ROLLED_BACK, "rolled_back", "the device rolled back from rollout %lld; an operator must order it again",        \
	  "设备已从发布 %lld 回滚,需操作员重新下发")                                                                      \
	R(WITHDRAWN, "withdrawn", "an operator cancelled rollout %lld for this device; it must be ordered again",         \
	  "操作员已为该设备取消发布 %lld,需重新下发")                                                                     \
	R(OUTRANKED, "outranked", "a newer order for this device alone stands above rollout %lld", "该设备有比发布 %lld 更新的单独指令")

enum reason_id {
#define R(symbol, name, en, zh) REASON_##symbol,
	REASON_TABLE(R)
#undef R
		REASON_COUNT
};

struct reason {
	enum reason_id id;
	int64_t number;
};

const char *reason_name(enum reason_id id); /* "live_task": stable, for machines */
void reason_print(const struct reason *reason, bool chinese, struct buf *out);

enum { STANDING_OFFERS_MAX = 3 };

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
	const char *version;   /* the firmware's; "" = unknown */
	enum task_state state; /* TASK: now. STANDING: of the device's last task of it, if offers > 0 */
	const char *code;      /* STANDING: of that task */
	const char *called;    /* STANDING: the version name it is offered under; NULL or "" = version */
	bool outranked;        /* STANDING: a newer order for the device alone has brought it elsewhere */
	int64_t offers;        /* STANDING: tasks of it this device has had since the rollout was ordered (again) */
};

struct device_facts {
	const char *component; /* asked for */
	const char *version;   /* of that component, as told now or known; "" = unknown */
	bool blocked;
};

struct decision {
	const struct candidate *offer; /* into the candidates; NULL = nothing */
	struct reason reason;
};

/* A line of "explain": what was thought of each candidate. */
struct decision_trace {
	size_t count;
	struct reason reasons[16];
};

/* trace may be NULL. Candidates in any order; a live task wins over a standing answer, that over a standing rollout; the newer wins within
 * a kind. */
struct decision decide(const struct device_facts *facts, const struct candidate *candidates, size_t count, int64_t now_ms,
		       struct decision_trace *trace);

/* What becomes of a new order for (device, component) while `live` (NULL = none) is under way. */
enum order_outcome {
	ORDER_NEW,
	ORDER_SAME,      /* the same firmware: the same task, sent again */
	ORDER_SUPERSEDE, /* another one, the device has not begun: the old task ends */
	ORDER_REFUSE,    /* another one, the device is downloading or further: 3002 */
};
enum order_outcome decide_order(const struct task *live, int64_t firmware_id);

#endif
