#include <inttypes.h>
#include <stdio.h>

#include "engine/admin.h"
#include "engine/admin_frame.h"
#include "engine/private.h"
#include "model/licence.h"
#include "store/licence.h"

/* Licences are read from the database. The snapshot has the serial numbers of those that are bound, with their devices. */

struct creation {
	const struct seal_key *seal;
	struct licence_new *licence;
};

static void trace(struct admin_write *write, const struct licence *l)
{
	write->id = l->id;
	snprintf(write->target, sizeof write->target, "licence/%" PRId64, l->id);
	snprintf(write->detail, sizeof write->detail, "serial %s, encoding %s", l->serial, licence_encoding_name(l->encoding));
}

static bool create(struct db *db, struct admin_write *write, void *noun, struct err *err)
{
	const struct creation *c = noun;
	if (!store_licence_create(db, c->seal, c->licence, err)) {
		return false;
	}
	trace(write, &c->licence->licence);
	return true;
}

bool admin_licence_create(struct engine *e, struct worker *w, const struct actor *actor, struct licence_new *inout, struct err *err)
{
	const struct admin_frame frame = {e, w, actor};
	struct admin_write write = {.action = "licence.create", .kind = CHANGE_KINDS};
	return admin_frame_write(&frame, &write, create, &(struct creation){e->seal_key, inout}, err);
}

struct import {
	const struct seal_key *seal;
	const struct licence_new *rows;
	size_t n;
	size_t *bad;
};

static bool import(struct db *db, struct admin_write *write, void *noun, struct err *err)
{
	const struct import *i = noun;
	if (!store_licence_import(db, i->seal, i->rows, i->n, i->bad, err)) {
		return false;
	}
	snprintf(write->target, sizeof write->target, "licence");
	snprintf(write->detail, sizeof write->detail, "%zu licences", i->n);
	return true;
}

bool admin_licence_import(struct engine *e, struct worker *w, const struct actor *actor, const struct licence_new *rows, size_t n,
			  size_t *bad, struct err *err)
{
	const struct admin_frame frame = {e, w, actor};
	struct admin_write write = {.action = "licence.import", .kind = CHANGE_KINDS};
	*bad = n;
	return admin_frame_write(&frame, &write, import, &(struct import){e->seal_key, rows, n, bad}, err);
}

static bool delete (struct db *db, struct admin_write *write, void *noun, struct err *err)
{
	struct licence licence;
	int64_t id = *(const int64_t *)noun;
	if (!store_licence_get(db, id, &licence, err) || !store_licence_delete(db, id, err)) {
		return false;
	}
	trace(write, &licence);
	if (licence.device_id) {
		write->kind = CHANGE_DEVICE;
		write->id = licence.device_id;
	}
	return true;
}

bool admin_licence_delete(struct engine *e, struct worker *w, const struct actor *actor, int64_t id, struct err *err)
{
	const struct admin_frame frame = {e, w, actor};
	struct admin_write write = {.action = "licence.delete", .kind = CHANGE_KINDS};
	return admin_frame_write(&frame, &write, delete, &id, err);
}

bool admin_licence_get(struct worker *w, int64_t id, struct licence *out, struct err *err)
{
	return ADMIN_READ(w, err, store_licence_get(db, id, out, err));
}

bool admin_licence_list(struct worker *w, const struct page *page, struct licence **out, size_t *count, struct err *err)
{
	return ADMIN_READ(w, err, store_licence_list(db, page, out, count, err));
}
