#include "model/report.h"

#include <string.h>

#include "common/text.h"

static const struct verdict nothing = {.code = ""};

static struct verdict moves(enum task_event event, const char *code)
{
	return (struct verdict){.moves = true, .event = event, .code = code};
}

static bool is(const char *a, const char *b)
{
	return *a && strcmp(a, b) == 0;
}

/* Is it proven that what the device runs came with the task, though it ran that version before? By the bytes; where they are not ours to
 * count, by its announcing the version after it was told. */
static bool is_proven(const struct task *task, const struct report_target *target, const struct report *r)
{
	return task->fetched || (target->elsewhere && r->announced && task->state != TASK_QUEUED);
}

/* A report of the right build, or, where that is not known, of the right version? */
static bool is_right(const struct task *task, const struct report_target *target, const struct report *r)
{
	if (r->has_elf && target->elf_sha256) {
		return memcmp(r->elf_sha256, target->elf_sha256, sizeof r->elf_sha256) == 0;
	}
	if (!*r->version) {
		return false;
	}
	if (is(r->version, task->token)) {
		return true;
	}
	if (!*target->version) {
		return task->fetched && !is(r->version, task->source_version);
	}
	return is(r->version, target->version) && (!is(r->version, task->source_version) || is_proven(task, target, r));
}

static struct verdict judge_version(struct task *task, const struct report_target *target, const struct report *r, bool *noted)
{
	if (is_right(task, target, r)) {
		struct verdict v = moves(EVENT_RIGHT, "");
		v.learn_version = !*target->version && *r->version && !is(r->version, task->token);
		return v;
	}
	if (!*r->version) {
		return nothing;
	}
	if (!task_state_is_live(task->state)) {
		return nothing;
	}
	bool source = is(r->version, task->source_version);
	if (task->fetched && *task->source_version && !source) {
		return moves(EVENT_FAILED, is(r->version, target->version) ? "unexpected_build" : "unexpected_version");
	}
	if (source && r->booted && (task->state == TASK_DOWNLOADED || task->state == TASK_INSTALLING)) {
		return moves(EVENT_FAILED, "rolled_back");
	}
	if (source && r->booted && task->state == TASK_DOWNLOADING) {
		return moves(EVENT_FAILED, "interrupted");
	}
	/* before it has begun, what it says is what it comes from: what was known at the order may be old, or nothing */
	bool begun = task->state >= TASK_DOWNLOADING || task->got.count > 0;
	if (!task->fetched && !source && (!begun || !*task->source_version)) {
		text_copy(task->source_version, sizeof task->source_version, r->version);
		*noted = true;
	}
	if (!is(r->version, task->seen_version)) {
		text_copy(task->seen_version, sizeof task->seen_version, r->version);
		*noted = true;
	}
	return nothing;
}

static struct verdict judge_progress(const struct report *r)
{
	static const char *const codes[] = {"", "device_failed", "download_failed", "verify_failed", "write_failed"};
	if (r->step >= 100) {
		return moves(EVENT_INSTALLING, "");
	}
	if (r->step > 0) {
		return moves(EVENT_FETCHING, "");
	}
	if (r->step == 0) {
		return moves(EVENT_ACCEPTED, "");
	}
	return moves(EVENT_FAILED, r->step >= -4 ? codes[-r->step] : codes[1]);
}

static struct verdict judge_bytes(struct task *task, int64_t size, const struct report *r, bool *noted)
{
	uint64_t before = coverage_bytes(&task->got);
	coverage_merge(&task->got, &r->bytes);
	if (coverage_bytes(&task->got) > before) {
		*noted = true;
	}
	if (task->fetched || !coverage_complete(&task->got, (uint64_t)size)) {
		return moves(EVENT_FETCHING, "");
	}
	task->fetched = true;
	task->seen_version[0] = '\0'; /* from here on only what it says with the bytes in hand counts */
	*noted = true;
	return moves(EVENT_FETCHED, "");
}

struct verdict report_judge(struct task *task, const struct report_target *target, const struct report *report, bool *noted)
{
	struct verdict v = nothing;
	switch (report->kind) {
	case REPORT_VERSION:
		return judge_version(task, target, report, noted);
	case REPORT_PROGRESS:
		v = judge_progress(report);
		*noted = task->state == TASK_DOWNLOADING && report->step > 0 && report->step < 100; /* keeps the stall timer quiet */
		break;
	case REPORT_REJECTED:
		v = moves(EVENT_REJECTED, "");
		break;
	case REPORT_BYTES:
		v = judge_bytes(task, target->size, report, noted);
		break;
	}
	return task_state_is_live(task->state) ? v : nothing;
}

struct verdict report_silence(const struct task *task, const struct task_timers *timers, int64_t now_ms)
{
	if (!task_state_is_live(task->state) || now_ms < report_deadline(task->state, task->created_ms, task->updated_ms, timers)) {
		return nothing;
	}
	bool on_source = is(task->seen_version, task->source_version);
	if (task->state == TASK_DOWNLOADING) {
		return on_source ? moves(EVENT_FAILED, "interrupted") : moves(EVENT_EXPIRED, "");
	}
	if (task->state == TASK_DOWNLOADED || task->state == TASK_INSTALLING) {
		if (on_source) {
			return moves(EVENT_FAILED, "rolled_back");
		}
		bool reports = *task->source_version || *task->seen_version;
		return reports ? moves(EVENT_EXPIRED, "") : moves(EVENT_UNCONFIRMED, "");
	}
	return moves(EVENT_EXPIRED, "");
}

int64_t report_deadline(enum task_state state, int64_t created_ms, int64_t updated_ms, const struct task_timers *timers)
{
	if (state == TASK_DOWNLOADING) {
		return updated_ms + timers->stall_ms;
	}
	if (state == TASK_DOWNLOADED || state == TASK_INSTALLING) {
		return updated_ms + timers->install_ms;
	}
	return created_ms + timers->ttl_ms;
}
