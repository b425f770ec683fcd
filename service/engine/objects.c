#include "engine/objects.h"

#include <stdio.h>
#include <string.h>

#include "common/digest.h"
#include "common/err.h"
#include "common/text.h"
#include "engine/admin_frame.h"
#include "engine/deliver.h"
#include "engine/private.h"
#include "model/nouns.h"
#include "store/object.h"

void objects_access(const struct engine *e, char out[OBJECTS_ACCESS_SIZE])
{
	uint8_t mac[DIGEST_SHA1_LEN];
	digest_mac_sha1(e->object_key, "access", 6, mac);
	memcpy(out, "otad", 4);
	text_hex(out + 4, mac, 8);
}

void objects_sign(const struct engine *e, const char *text, char out[OBJECTS_SIGNATURE_SIZE])
{
	uint8_t mac[DIGEST_SHA1_LEN];
	digest_mac_sha1(e->object_key, text, strlen(text), mac);
	text_base64(out, mac, sizeof mac);
}

bool objects_signed(const struct engine *e, const char *text, const char *signature)
{
	char wanted[OBJECTS_SIGNATURE_SIZE];
	objects_sign(e, text, wanted);
	return strlen(signature) == sizeof wanted - 1 && digest_equal(wanted, signature, sizeof wanted - 1);
}

struct creation {
	const char *key;
	const struct artifact *artifact;
	const struct actor *actor;
};

static bool create(struct db *db, struct admin_write *write, void *noun, struct err *err)
{
	const struct creation *c = noun;
	char sha256[2 * DIGEST_SHA256_LEN + 1];
	if (!store_object_put(db, c->key, c->artifact, c->actor->name, err)) {
		return false;
	}
	text_hex(sha256, c->artifact->sha256, DIGEST_SHA256_LEN);
	snprintf(write->target, sizeof write->target, "object/%.160s", c->key);
	snprintf(write->detail, sizeof write->detail, "%lld bytes, sha256 %s", (long long)c->artifact->size, sha256);
	return true;
}

bool objects_create(struct engine *e, struct worker *w, const struct actor *actor, const char *key, const struct artifact *artifact,
		    struct err *err)
{
	const struct admin_frame frame = {e, w, actor};
	struct admin_write write = {.action = "object.create", .kind = CHANGE_KINDS};
	return admin_frame_write(&frame, &write, create, &(struct creation){key, artifact, actor}, err);
}

bool objects_open(struct engine *e, struct worker *w, const char *key, struct delivery **out, struct err *err)
{
	struct artifact artifact;
	return ADMIN_READ(w, err, store_object_get(db, key, &artifact, err)) && delivery_open_artifact(e, &artifact, out, err);
}
