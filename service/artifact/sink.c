#include "artifact/sink.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "common/digest.h"
#include "common/err.h"
#include "metrics/metrics.h"
#include "model/image.h"
#include "model/nouns.h"
#include "store/artifact.h"

struct sink {
	uint64_t max;
	uint64_t size;  /* taken so far */
	int64_t upload; /* 0: nothing in the database yet */
	int seq;        /* of the next chunk */
	bool closed;    /* sealed or failed */
	bool sealed;
	struct digest *digest; /* of what was taken */
	struct image_reader image;
	size_t fill;
	uint8_t *chunk;
};

struct sink *sink_new(uint64_t max, struct err *err)
{
	struct sink *sink = calloc(1, sizeof *sink);
	if (sink) {
		sink->max = max;
		sink->digest = digest_new();
		sink->chunk = malloc(STORE_CHUNK_SIZE);
	}
	if (!sink || !sink->digest || !sink->chunk) {
		sink_free(&sink, NULL);
		err_set(err, ERR_INTERNAL, "out of memory");
	}
	return sink;
}

static bool send_chunk(struct sink *sink, struct db *db, const void *data, size_t len, struct err *err)
{
	if (!sink->upload && !store_upload_begin(db, &sink->upload, err)) {
		return false;
	}
	if (!store_upload_chunk(db, sink->upload, sink->seq, data, len, err)) {
		return false;
	}
	sink->seq++;
	return true;
}

static bool take(struct sink *sink, struct db *db, const uint8_t *data, size_t len, struct err *err)
{
	while (len > 0) {
		size_t room = STORE_CHUNK_SIZE - sink->fill;
		size_t n = len < room ? len : room;
		const uint8_t *whole = data;
		if (n < STORE_CHUNK_SIZE) {
			memcpy(sink->chunk + sink->fill, data, n);
			whole = sink->chunk;
		}
		sink->fill += n;
		data += n;
		len -= n;
		if (sink->fill == STORE_CHUNK_SIZE) {
			if (!send_chunk(sink, db, whole, STORE_CHUNK_SIZE, err)) {
				return false;
			}
			sink->fill = 0;
		}
	}
	return true;
}

/* After a failure chunks may be missing; only a new upload helps. */
static bool check_open(const struct sink *sink, struct err *err)
{
	return !sink->closed || err_set(err, ERR_CONFLICT, "the upload has ended already");
}

bool sink_write(struct sink *sink, struct db *db, const void *data, size_t len, struct err *err)
{
	if (!check_open(sink, err)) {
		return false;
	}
	if (len > sink->max - sink->size) {
		sink->closed = true;
		return err_set(err, ERR_TOO_LARGE, "the file is larger than the limit of %" PRIu64 " bytes", sink->max);
	}
	sink->size += len;
	image_feed(&sink->image, sink->digest, data, len);
	sink->closed = !take(sink, db, data, len, err);
	return !sink->closed;
}

bool sink_image(const struct sink *sink, struct image *out, struct err *err)
{
	*out = (struct image){0};
	return sink->size == 0 ? err_set(err, ERR_EMPTY, "the file is empty") : image_finish(&sink->image, out, err);
}

bool sink_artifact(const struct sink *sink, struct artifact *out, struct err *err)
{
	*out = (struct artifact){.size = (int64_t)sink->size};
	if (sink->size == 0) {
		return err_set(err, ERR_EMPTY, "the file is empty");
	}
	return digest_so_far(sink->digest, out->md5, out->sha256) || err_set(err, ERR_INTERNAL, "out of memory");
}

bool sink_seal(struct sink *sink, struct db *db, struct artifact *out, struct err *err)
{
	if (!check_open(sink, err)) {
		return false;
	}
	sink->closed = true;
	if (sink->size == 0) {
		return err_set(err, ERR_EMPTY, "the file is empty");
	}
	if (sink->fill > 0 && !send_chunk(sink, db, sink->chunk, sink->fill, err)) {
		return false;
	}
	struct artifact made = {.size = (int64_t)sink->size};
	digest_final(sink->digest, made.md5, made.sha256);
	if (!store_upload_seal(db, sink->upload, &made, err)) {
		return false;
	}
	sink->sealed = true;
	*out = made;
	metrics_add(METRIC_UPLOADS, 1);
	return true;
}

void sink_free(struct sink **sink, struct db *db)
{
	struct sink *s = *sink;
	if (!s) {
		return;
	}
	if (s->upload && !s->sealed && db) {
		store_upload_drop(db, s->upload, NULL);
	}
	digest_free(&s->digest);
	free(s->chunk);
	free(s);
	*sink = NULL;
}
