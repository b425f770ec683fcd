#include <inttypes.h>
#include <stdio.h>

#include "engine/admin.h"
#include "engine/admin_frame.h"
#include "store/product.h"

static bool create(struct db *db, struct admin_write *write, void *noun, struct err *err)
{
	struct product *product = noun;
	if (!store_product_create(db, product, err)) {
		return false;
	}
	write->id = product->id;
	snprintf(write->target, sizeof write->target, "product/%" PRId64, product->id);
	snprintf(write->detail, sizeof write->detail, "key %s", product->key);
	return true;
}

bool admin_product_create(struct engine *e, struct worker *w, const struct actor *actor, struct product *inout, struct err *err)
{
	const struct admin_frame frame = {e, w, actor};
	struct admin_write write = {.action = "product.create", .kind = CHANGE_PRODUCT};
	return admin_frame_write(&frame, &write, create, inout, err);
}

struct update {
	struct product *product;
	int64_t rev;
};

static bool update(struct db *db, struct admin_write *write, void *noun, struct err *err)
{
	const struct update *u = noun;
	if (!store_product_update(db, u->product, u->rev, err)) {
		return false;
	}
	write->id = u->product->id;
	snprintf(write->target, sizeof write->target, "product/%" PRId64, u->product->id);
	snprintf(write->detail, sizeof write->detail, "key %s, revision %" PRId64, u->product->key, u->product->rev);
	return true;
}

bool admin_product_update(struct engine *e, struct worker *w, const struct actor *actor, struct product *inout, int64_t rev,
			  struct err *err)
{
	const struct admin_frame frame = {e, w, actor};
	struct admin_write write = {.action = "product.update", .kind = CHANGE_PRODUCT};
	return admin_frame_write(&frame, &write, update, &(struct update){inout, rev}, err);
}

static bool delete (struct db *db, struct admin_write *write, void *noun, struct err *err)
{
	struct product product;
	write->id = *(const int64_t *)noun;
	if (!store_product_get(db, write->id, &product, err) || !store_product_delete(db, write->id, err)) {
		return false;
	}
	snprintf(write->target, sizeof write->target, "product/%" PRId64, write->id);
	snprintf(write->detail, sizeof write->detail, "key %s", product.key);
	return true;
}

bool admin_product_delete(struct engine *e, struct worker *w, const struct actor *actor, int64_t id, struct err *err)
{
	const struct admin_frame frame = {e, w, actor};
	struct admin_write write = {.action = "product.delete", .kind = CHANGE_PRODUCT};
	return admin_frame_write(&frame, &write, delete, &id, err);
}

bool admin_product_get(struct worker *w, int64_t id, struct product *out, struct err *err)
{
	return ADMIN_READ(w, err, store_product_get(db, id, out, err));
}

bool admin_product_list(struct worker *w, const struct page *page, struct product **out, size_t *count, struct err *err)
{
	return ADMIN_READ(w, err, store_product_list(db, page, out, count, err));
}
