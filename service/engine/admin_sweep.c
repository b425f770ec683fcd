#include "engine/admin_sweep.h"

#include <stdlib.h>

#include "common/clock.h"
#include "common/err.h"
#include "common/scoped.h"
#include "common/text.h"
#include "engine/admin_frame.h"
#include "store/outbox.h"
#include "store/standing.h"
#include "store/task.h"

enum { PAGE = 1000 };

static bool remember(struct admin_write *write, const int64_t *ids, size_t n, struct err *err)
{
	int64_t *more = realloc(write->tasks, (write->task_count + n + 1) * sizeof *more);
	if (!more) {
		return err_set(err, ERR_INTERNAL, "out of memory");
	}
	write->tasks = more;
	for (size_t i = 0; i < n; i++) {
		write->tasks[write->task_count++] = ids[i];
	}
	return true;
}

/* Takes the edge of those that have one: ids and events of these. */
static size_t move(const struct admin_sweep *s, struct task *tasks, size_t n, const struct task **dirty, struct event_insert *events,
		   int64_t *ids)
{
	size_t moved = 0;
	int64_t now = clock_wall_ms();
	for (size_t i = 0; i < n; i++) {
		struct event_insert *e = &events[moved];
		const char *from = task_state_name(tasks[i].state);
		const struct task_edge *edge = s->adopt ? NULL : task_apply(&tasks[i], s->event, "", now);
		if (!s->adopt && !edge) {
			continue;
		}
		*e = (struct event_insert){.task_id = tasks[i].id, .from = from, .event = "ordered_again", .to = from};
		if (edge) {
			e->event = task_event_name(s->event);
			e->to = task_state_name(edge->to);
		}
		text_copy(e->detail, sizeof e->detail, s->actor);
		dirty[moved] = &tasks[i];
		ids[moved++] = tasks[i].id;
	}
	return moved;
}

static bool write_page(struct admin_sweep *s, struct task *tasks, size_t n, struct err *err)
{
	scoped_free const struct task **dirty = calloc(n, sizeof *dirty);
	scoped_free struct event_insert *events = calloc(n, sizeof *events);
	scoped_free int64_t *ids = calloc(n, sizeof *ids);
	if (!dirty || !events || !ids) {
		return err_set(err, ERR_INTERNAL, "out of memory");
	}
	size_t moved = move(s, tasks, n, dirty, events, ids);
	s->count += (int64_t)moved;
	if (moved == 0) {
		return true;
	}
	bool ok = s->adopt ? store_standing_adopt(s->db, ids, moved, s->adopt, err)
			   : store_tasks_update(s->db, dirty, moved, err) && store_outbox_drop(s->db, ids, moved, err);
	return ok && store_events_insert(s->db, events, moved, clock_wall_ms(), err) && remember(s->write, ids, moved, err);
}

bool admin_sweep(struct admin_sweep *s, int64_t rollout_id, struct err *err)
{
	size_t n = PAGE;
	for (int64_t after = 0; n == PAGE;) {
		scoped_free struct task *tasks = NULL;
		if (!store_standing_tasks(s->db, rollout_id, after, PAGE, &tasks, &n, err) || (n && !write_page(s, tasks, n, err))) {
			return false;
		}
		after = n ? tasks[n - 1].id : after;
	}
	return true;
}
