/* Tasks and passive assignments: how far each device is, in words. */
#include <stdlib.h>
#include <string.h>

#include "common/buf.h"
#include "common/err.h"
#include "common/scoped.h"
#include "dialect/native_noun.h"
#include "engine/admin.h"

struct sentence {
	const char *en;
	const char *zh;
};

static struct sentence of_edge(const struct task_edge *edge)
{
	const struct sentence ordered = {"an operator ordered it; the device has not been told", "操作员已下达指令,尚未通知设备"};
	return edge ? (struct sentence){edge->en, edge->zh} : ordered;
}

/* What leads into a state says what it means. */
static struct sentence of_state(enum task_state state)
{
	for (size_t i = 0; i < task_edge_count; i++) {
		if (task_edges[i].to == state) {
			return of_edge(&task_edges[i]);
		}
	}
	return of_edge(NULL);
}

static struct sentence of_happening(const struct task_happening *h)
{
	enum task_state state;
	if (strcmp(h->event, "ordered_again") == 0) {
		return (struct sentence){"an operator ordered it again", "操作员再次下达指令"};
	}
	for (int event = 0; event < TASK_EVENTS; event++) {
		if (strcmp(h->event, task_event_name((enum task_event)event)) != 0) {
			continue;
		}
		return of_edge(task_state_parse(h->from, &state) ? task_edge_find(state, (enum task_event)event) : NULL);
	}
	return task_state_parse(h->to, &state) ? of_state(state) : of_edge(NULL);
}

static void put_sentence(struct buf *out, struct sentence s)
{
	buf_puts(out, ",\"sentence\":{\"en\":");
	buf_put_json(out, s.en);
	native_noun_put_text(out, "zh", s.zh);
	buf_putc(out, '}');
}

/* ---- tasks ---- */

static bool list_tasks(struct worker *w, const struct page *page, void **out, size_t *count, struct err *err)
{
	struct task_row *rows = NULL;
	enum task_state state;
	if (*page->name && !task_state_parse(page->name, &state)) {
		return err_set(err, ERR_INVALID, "there is no task state \"%s\"", page->name);
	}
	bool ok = admin_task_list(w, page, &rows, count, err);
	*out = rows;
	return ok;
}

static bool find_task(struct worker *w, const char *segment, union native_row *out, struct err *err)
{
	int64_t id;
	return native_noun_parse_id(segment, &id, err) && admin_task_get(w, id, &out->task, err);
}

static void put_task(struct buf *out, const void *row)
{
	const struct task_row *r = row;
	const struct task *t = &r->task;
	buf_puts(out, "{\"id\":");
	buf_put_i64(out, t->id);
	native_noun_put_int(out, "rolloutId", t->rollout_id);
	native_noun_put_text(out, "way", rollout_way_name(t->way));
	native_noun_put_int(out, "deviceId", t->device_id);
	native_noun_put_text(out, "deviceName", r->device_name);
	native_noun_put_int(out, "firmwareId", t->firmware_id);
	native_noun_put_text(out, "firmwareName", r->firmware_name);
	native_noun_put_text(out, "component", t->component);
	native_noun_put_text(out, "state", task_state_name(t->state));
	put_sentence(out, of_state(t->state));
	native_noun_put_text_or_null(out, "stage", t->stage);
	native_noun_put_text_or_null(out, "code", t->code);
	native_noun_put_text_or_null(out, "sourceVersion", t->source_version);
	native_noun_put_text_or_null(out, "seenVersion", t->seen_version);
	native_noun_put_int(out, "size", r->size);
	native_noun_put_int(out, "fetchedBytes", (int64_t)coverage_bytes(&t->got));
	native_noun_put_bool(out, "fetched", t->fetched);
	native_noun_put_int(out, "offers", t->offers);
	native_noun_put_time(out, "createdAt", t->created_ms);
	native_noun_put_time(out, "updatedAt", t->updated_ms);
	native_noun_put_time(out, "endedAt", t->ended_ms);
	buf_putc(out, '}');
}

static bool put_timeline(struct worker *w, struct buf *out, const union native_row *row, struct err *err)
{
	scoped_free struct task_happening *lines = NULL;
	size_t count = 0;
	if (!admin_task_timeline(w, row->id, &lines, &count, err)) {
		return false;
	}
	buf_puts(out, ",\"timeline\":[");
	for (size_t i = 0; i < count; i++) {
		const struct task_happening *h = &lines[i];
		buf_puts(out, i ? ",{\"event\":" : "{\"event\":");
		buf_put_json(out, h->event);
		native_noun_put_time(out, "at", h->at_ms);
		native_noun_put_text_or_null(out, "from", h->from);
		native_noun_put_text(out, "to", h->to);
		put_sentence(out, of_happening(h));
		native_noun_put_text_or_null(out, "detail", h->detail);
		buf_putc(out, '}');
	}
	buf_putc(out, ']');
	return true;
}

const struct native_noun native_task = {
	.size = sizeof(struct task_row),
	.rev_offset = offsetof(struct task_row, task.rev),
	.name_filter = "state",
	.product_filter = true,
	.device_filter = true,
	.list = list_tasks,
	.find = find_task,
	.put = put_task,
	.put_more = put_timeline,
};

/* ---- assignments ---- */

static bool list_assignments(struct worker *w, const struct page *page, void **out, size_t *count, struct err *err)
{
	struct assignment *rows = NULL;
	bool ok = admin_assignment_list(w, page, &rows, count, err);
	*out = rows;
	return ok;
}

static bool find_assignment(struct worker *w, const char *segment, union native_row *out, struct err *err)
{
	int64_t id;
	return native_noun_parse_id(segment, &id, err) && admin_assignment_get(w, id, &out->assignment, err);
}

static void put_assignment(struct buf *out, const void *row)
{
	const struct assignment *a = row;
	buf_puts(out, "{\"id\":");
	buf_put_i64(out, a->rollout.id);
	native_noun_put_int(out, "productId", a->rollout.product_id);
	native_noun_put_int(out, "deviceId", a->rollout.device_id);
	native_noun_put_text(out, "deviceName", a->device_name);
	native_noun_put_int(out, "firmwareId", a->rollout.firmware_id);
	native_noun_put_text(out, "firmwareName", a->firmware_name);
	native_noun_put_text(out, "component", a->rollout.component);
	native_noun_put_text_or_null(out, "versionName", a->rollout.version_name);
	native_noun_put_text(out, "description", a->rollout.description);
	native_noun_put_int(out, "taskId", a->rollout.task_id);
	native_noun_put_text(out, "state", task_state_name(a->state));
	native_noun_put_time(out, "createdAt", a->rollout.created_ms);
	buf_putc(out, '}');
}

const struct native_noun native_assignment = {
	.size = sizeof(struct assignment),
	.product_filter = true,
	.device_filter = true,
	.list = list_assignments,
	.find = find_assignment,
	.put = put_assignment,
};
