#include "engine/upload.h"

#include <stdlib.h>

#include "artifact/sink.h"
#include "common/err.h"
#include "config/config.h"
#include "engine/admin.h"
#include "engine/judge.h"
#include "engine/private.h"
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

bool upload_artifact(const struct upload *u, struct artifact *out, struct err *err)
{
	return sink_artifact(u->sink, out, err);
}

/* What is it, and is it what the product's devices take? */
static bool judge(const struct upload *u, struct worker *worker, struct firmware *firmware, struct err *err)
{
	struct product product;
	struct err why = {0};
	if (!admin_product_get(worker, firmware->product_id, &product, err)) {
		return false;
	}
	sink_image(u->sink, &firmware->image, &why);
	return judge_firmware(product.images, &why, firmware, err);
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
