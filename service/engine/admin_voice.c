#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "engine/admin.h"
#include "engine/admin_frame.h"
#include "engine/private.h"
#include "model/voice.h"
#include "store/voice.h"

struct change {
	const struct seal_key *seal;
	struct voice *voice;
	const struct secret *token;
	int64_t rev;
};

static void trace(struct admin_write *write, int64_t product_id)
{
	write->id = product_id;
	snprintf(write->target, sizeof write->target, "product/%" PRId64 "/voice", product_id);
}

/* Without the token, and without what an url may say after its path, which may be one too. */
static void describe(struct admin_write *write, const struct voice *v)
{
	int shown = (int)strcspn(v->ws_url, "?#");
	snprintf(write->detail, sizeof write->detail, "mqtt %s, websocket %.*s, revision %" PRId64, voice_mqtt_name(v->mqtt),
		 !shown        ? 4
		 : shown < 160 ? shown
			       : 160,
		 shown ? v->ws_url : "none", v->rev);
}

static bool put(struct db *db, struct admin_write *write, void *noun, struct err *err)
{
	const struct change *c = noun;
	if (!store_voice_put(db, c->seal, c->voice, c->token, c->rev, err)) {
		return false;
	}
	trace(write, c->voice->product_id);
	describe(write, c->voice);
	return true;
}

bool admin_voice_put(struct engine *e, struct worker *w, const struct actor *actor, struct voice *inout, const struct secret *token,
		     int64_t rev, struct err *err)
{
	const struct admin_frame frame = {e, w, actor};
	struct admin_write write = {.action = "voice.put", .kind = CHANGE_PRODUCT};
	return admin_frame_write(&frame, &write, put, &(struct change){e->seal_key, inout, token, rev}, err);
}

struct removal {
	int64_t product_id;
	int64_t rev;
};

static bool delete (struct db *db, struct admin_write *write, void *noun, struct err *err)
{
	const struct removal *gone = noun;
	trace(write, gone->product_id);
	return store_voice_delete(db, gone->product_id, gone->rev, err);
}

bool admin_voice_delete(struct engine *e, struct worker *w, const struct actor *actor, int64_t product_id, int64_t rev, struct err *err)
{
	const struct admin_frame frame = {e, w, actor};
	struct admin_write write = {.action = "voice.delete", .kind = CHANGE_PRODUCT};
	return admin_frame_write(&frame, &write, delete, &(struct removal){product_id, rev}, err);
}

bool admin_voice_get(struct worker *w, int64_t product_id, struct voice *out, struct err *err)
{
	return ADMIN_READ(w, err, store_voice_get(db, product_id, out, err));
}
