#include <inttypes.h>
#include <stdio.h>

#include "engine/admin.h"
#include "engine/admin_frame.h"
#include "engine/private.h"
#include "model/gateway.h"
#include "store/gateway.h"

struct change {
	const struct seal_key *seal;
	struct gateway *gateway;
	const struct secret *key;
	int64_t rev;
};

static void trace(struct admin_write *write, int64_t product_id)
{
	write->id = product_id;
	snprintf(write->target, sizeof write->target, "product/%" PRId64 "/gateway", product_id);
}

static bool put(struct db *db, struct admin_write *write, void *noun, struct err *err)
{
	const struct change *c = noun;
	if (!store_gateway_put(db, c->seal, c->gateway, c->key, c->rev, err)) {
		return false;
	}
	trace(write, c->gateway->product_id);
	snprintf(write->detail, sizeof write->detail, "endpoint %.200s, revision %" PRId64, c->gateway->endpoint, c->gateway->rev);
	return true;
}

bool admin_gateway_put(struct engine *e, struct worker *w, const struct actor *actor, struct gateway *inout, const struct secret *key,
		       int64_t rev, struct err *err)
{
	const struct admin_frame frame = {e, w, actor};
	struct admin_write write = {.action = "gateway.put", .kind = CHANGE_PRODUCT};
	return admin_frame_write(&frame, &write, put, &(struct change){e->seal_key, inout, key, rev}, err);
}

struct removal {
	int64_t product_id;
	int64_t rev;
};

static bool delete (struct db *db, struct admin_write *write, void *noun, struct err *err)
{
	const struct removal *gone = noun;
	trace(write, gone->product_id);
	return store_gateway_delete(db, gone->product_id, gone->rev, err);
}

bool admin_gateway_delete(struct engine *e, struct worker *w, const struct actor *actor, int64_t product_id, int64_t rev, struct err *err)
{
	const struct admin_frame frame = {e, w, actor};
	struct admin_write write = {.action = "gateway.delete", .kind = CHANGE_PRODUCT};
	return admin_frame_write(&frame, &write, delete, &(struct removal){product_id, rev}, err);
}

bool admin_gateway_get(struct worker *w, int64_t product_id, struct gateway *out, struct err *err)
{
	return ADMIN_READ(w, err, store_gateway_get(db, product_id, out, err));
}
