#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "engine/dispatch.h"
#include "outbox_scene.h"
#include "site.h"

struct replica *r;

int outbox_scene_start(void **state)
{
	(void)state;
	site_new();
	r = replica_start("");
	return 0;
}

int outbox_scene_stop(void **state)
{
	(void)state;
	replica_stop(&r);
	return 0;
}

void make_due(int64_t task)
{
	site_run("UPDATE outbox SET due_at = now() - interval '1 ms' WHERE task_id = %" PRId64, task);
}

int claim(struct replica *by, int64_t task, int64_t *attempt)
{
	struct dispatch_item items[256];
	size_t count = 1;
	int64_t next_ms = 0;
	int found = 0;
	while (count > 0) {
		struct err err = {0};
		if (!dispatch_claim(by->engine, items, 256, &count, &next_ms, &err)) {
			fail_msg("%s", err.text);
		}
		for (size_t i = 0; i < count; i++) {
			if (items[i].task_id == task) {
				found++;
				*attempt = items[i].attempt;
			}
		}
	}
	return found;
}
