#include "model/task.h"

#include <string.h>

#include "common/text.h"

#define S(state) (1u << TASK_##state)
#define UNTOLD (S(QUEUED) | S(NOTIFIED) | S(ACCEPTED))
#define LIVE (UNTOLD | S(DOWNLOADING) | S(DOWNLOADED) | S(INSTALLING))
#define REVIVABLE (S(FAILED) | S(TIMED_OUT) | S(UNCONFIRMED))

static const char *const state_names[TASK_STATES] = {
	[TASK_QUEUED] = "queued",           [TASK_NOTIFIED] = "notified",       [TASK_ACCEPTED] = "accepted",
	[TASK_DOWNLOADING] = "downloading", [TASK_DOWNLOADED] = "downloaded",   [TASK_INSTALLING] = "installing",
	[TASK_SUCCEEDED] = "succeeded",     [TASK_FAILED] = "failed",           [TASK_TIMED_OUT] = "timed_out",
	[TASK_CANCELLED] = "cancelled",     [TASK_SUPERSEDED] = "superseded",   [TASK_REJECTED] = "rejected",
	[TASK_SKIPPED] = "skipped",         [TASK_UNCONFIRMED] = "unconfirmed",
};

static const char *const event_names[TASK_EVENTS] = {
	[EVENT_SENT] = "sent",
	[EVENT_ACCEPTED] = "accepted",
	[EVENT_FETCHING] = "fetching",
	[EVENT_FETCHED] = "fetched",
	[EVENT_INSTALLING] = "installing",
	[EVENT_RIGHT] = "right_report",
	[EVENT_FAILED] = "failed",
	[EVENT_REJECTED] = "rejected",
	[EVENT_EXPIRED] = "expired",
	[EVENT_UNCONFIRMED] = "unconfirmed",
	[EVENT_CANCELLED] = "cancelled",
	[EVENT_SUPERSEDED] = "superseded",
	[EVENT_SKIPPED] = "skipped",
};

/* Evidence may skip states forward, never backward; what is not here changes nothing. */
const struct task_edge task_edges[] = {
	{S(QUEUED), EVENT_SENT, TASK_NOTIFIED, "the broker took the push, or the poll was answered", "推送已被代理接收,或轮询已应答"},
	{S(QUEUED) | S(NOTIFIED), EVENT_ACCEPTED, TASK_ACCEPTED, "the device accepted the update", "设备已接受升级"},
	{UNTOLD, EVENT_FETCHING, TASK_DOWNLOADING, "the device fetches the file", "设备正在下载"},
	{UNTOLD | S(DOWNLOADING), EVENT_FETCHED, TASK_DOWNLOADED, "the device has every byte", "设备已下载全部字节"},
	{UNTOLD | S(DOWNLOADING) | S(DOWNLOADED), EVENT_INSTALLING, TASK_INSTALLING, "the device installs", "设备正在安装"},
	{LIVE, EVENT_RIGHT, TASK_SUCCEEDED, "the device reported the right version", "设备已上报正确版本"},
	{REVIVABLE, EVENT_RIGHT, TASK_SUCCEEDED, "the device reported the right version, late", "设备较晚上报了正确版本"},
	{LIVE, EVENT_FAILED, TASK_FAILED, "the update failed", "升级失败"},
	{LIVE, EVENT_REJECTED, TASK_REJECTED, "the device refused the update", "设备拒绝升级"},
	{LIVE, EVENT_EXPIRED, TASK_TIMED_OUT, "nothing was heard for too long", "等待超时"},
	{S(DOWNLOADED) | S(INSTALLING), EVENT_UNCONFIRMED, TASK_UNCONFIRMED, "downloaded, but this device never reports",
	 "已下载,但该设备从不上报"},
	{LIVE, EVENT_CANCELLED, TASK_CANCELLED, "an operator cancelled it", "已被操作员取消"},
	{UNTOLD, EVENT_SUPERSEDED, TASK_SUPERSEDED, "another order took its place", "已被新的指令取代"},
	{S(QUEUED) | S(NOTIFIED), EVENT_SKIPPED, TASK_SKIPPED, "the device is on that version already", "设备已是目标版本"},
};
const size_t task_edge_count = sizeof task_edges / sizeof *task_edges;

const char *task_state_name(enum task_state state)
{
	return state_names[state];
}
const char *task_event_name(enum task_event event)
{
	return event_names[event];
}
bool task_state_is_live(enum task_state state)
{
	return (LIVE >> state) & 1u;
}
bool task_state_is_revivable(enum task_state state)
{
	return (REVIVABLE >> state) & 1u;
}

int64_t task_offers_had(enum task_state state, int64_t offers)
{
	return state == TASK_SUPERSEDED && offers > 0 ? offers - 1 : offers;
}

int64_t task_turns_had(enum task_state state, int64_t turns)
{
	return state == TASK_SUPERSEDED ? turns + 1 : turns;
}

bool task_state_is_sendable(enum task_state state)
{
	return ((UNTOLD | S(DOWNLOADING)) >> state) & 1u;
}

bool task_state_parse(const char *name, enum task_state *out)
{
	for (int i = 0; i < TASK_STATES; i++) {
		if (strcmp(name, state_names[i]) == 0) {
			*out = (enum task_state)i;
			return true;
		}
	}
	return false;
}

const struct task_edge *task_edge_find(enum task_state from, enum task_event event)
{
	for (size_t i = 0; i < task_edge_count; i++) {
		if (task_edges[i].event == event && (task_edges[i].from >> from) & 1u) {
			return &task_edges[i];
		}
	}
	return NULL;
}

const struct task_edge *task_apply(struct task *task, enum task_event event, const char *code, int64_t now_ms)
{
	const struct task_edge *edge = task_edge_find(task->state, event);
	if (!edge) {
		return NULL;
	}
	bool stopped = edge->to == TASK_FAILED || edge->to == TASK_TIMED_OUT;
	text_copy(task->stage, sizeof task->stage, stopped ? state_names[task->state] : "");
	text_copy(task->code, sizeof task->code, code);
	task->state = edge->to;
	task->rev++;
	task->updated_ms = now_ms;
	task->ended_ms = task_state_is_live(edge->to) ? 0 : now_ms;
	return edge;
}
