#include "engine/admin.h"
#include "engine/admin_frame.h"
#include "engine/private.h"
#include "store/idempotency.h"
#include "store/listing.h"

bool admin_assignment_list(struct worker *w, const struct page *page, struct assignment **out, size_t *count, struct err *err)
{
	return ADMIN_READ(w, err, store_assignment_list(db, page, out, count, err));
}

bool admin_assignment_get(struct worker *w, int64_t rollout_id, struct assignment *out, struct err *err)
{
	return ADMIN_READ(w, err, store_assignment_get(db, rollout_id, out, err));
}

bool admin_task_get(struct worker *w, int64_t id, struct task_row *out, struct err *err)
{
	return ADMIN_READ(w, err, store_task_get(db, id, out, err));
}

bool admin_task_list(struct worker *w, const struct page *page, struct task_row **out, size_t *count, struct err *err)
{
	return ADMIN_READ(w, err, store_task_list(db, page, out, count, err));
}

bool admin_task_timeline(struct worker *w, int64_t id, struct task_happening **out, size_t *count, struct err *err)
{
	return ADMIN_READ(w, err, store_task_timeline(db, id, out, count, err));
}

bool admin_audit_list(struct worker *w, const struct page *page, struct audit_row **out, size_t *count, struct err *err)
{
	return ADMIN_READ(w, err, store_audit_list(db, page, out, count, err));
}

bool admin_idempotency_find(struct engine *e, struct worker *w, struct idempotency *inout, struct err *err)
{
	return ADMIN_READ(w, err, store_idempotency_claim(db, e->seal_key, inout, err));
}

bool admin_idempotency_store(struct engine *e, struct worker *w, const struct idempotency *answer, struct err *err)
{
	return ADMIN_READ(w, err, store_idempotency_keep(db, e->seal_key, answer, err));
}

bool admin_idempotency_drop(struct worker *w, const struct idempotency *claim, struct err *err)
{
	return ADMIN_READ(w, err, store_idempotency_drop(db, claim, err));
}
