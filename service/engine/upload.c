#include "engine/upload.h"

#include <stdlib.h>
#include <string.h>

#include "artifact/sink.h"
#include "common/err.h"
#include "common/text.h"
#include "config/config.h"
#include "engine/admin.h"
#include "engine/private.h"
#include "model/image.h"
#include "model/nouns.h"
#include "work/pool.h"

struct upload {
	struct sink *sink;
};

struct upload *upload_new(struct engine *engine, struct err *err)
{
	struct upload *u = calloc(1, sizeof *u);
	if (!u) {
		err_set(err, ERR_INTERNAL, "out of memory");
		return NULL;
	}
	const struct config *config = engine->config;
	u->sink = sink_new(config->upload_max, err);
	if (!u->sink) {
		free(u);
		return NULL;
	}
	return u;
}

bool upload_write(struct upload *u, struct worker *worker, const void *data, size_t len, struct err *err)
{
	struct db *db = worker_db(worker, err);
	return db && sink_write(u->sink, db, data, len, err);
}

/* The version of an image that devices are to compare; what the firmware was given as its version is no other. */
static bool take_version(struct firmware *firmware, struct err *err)
{
	const char *version = firmware->image.version;
	if (!image_check_version(&firmware->image, err)) {
		return false;
	}
	if (*firmware->version && strcmp(firmware->version, version) != 0) {
		return err_set(err, ERR_INVALID, "the version given is \"%s\", but the image says \"%s\"; leave it out", firmware->version,
			       version);
	}
	return text_copy(firmware->version, sizeof firmware->version, version);
}

/* What is it, and is it what the product's devices take? */
static bool judge(const struct upload *u, struct worker *worker, struct firmware *firmware, struct err *err)
{
	struct product product;
	struct err why = {0};
	if (!admin_product_get(worker, firmware->product_id, &product, err)) {
		return false;
	}
	bool is_image = sink_image(u->sink, &firmware->image, &why);
	if (!is_image && (product.images == IMAGES_ESP32 || why.kind != ERR_INVALID)) {
		return err_set(err, why.kind, "%s", why.text);
	}
	return product.images != IMAGES_ESP32 || take_version(firmware, err);
}

bool upload_seal(struct upload *u, struct worker *worker, struct firmware *inout, struct err *err)
{
	struct db *db = worker_db(worker, err);
	return db && judge(u, worker, inout, err) && sink_seal(u->sink, db, &inout->artifact, err);
}

bool upload_seal_bytes(struct upload *u, struct worker *worker, struct artifact *out, struct err *err)
{
	struct db *db = worker_db(worker, err);
	return db && sink_seal(u->sink, db, out, err);
}

void upload_free(struct upload **up, struct worker *worker)
{
	struct upload *u = *up;
	if (u) {
		sink_free(&u->sink, worker_db(worker, NULL));
		free(u);
		*up = NULL;
	}
}
