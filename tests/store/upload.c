#include "upload.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdlib.h>

#include <cmocka.h>

#include "artifact/sink.h"
#include "common/err.h"
#include "model/nouns.h"
#include "store/db.h"

void upload_bytes(uint8_t *data, size_t size, unsigned seed)
{
	uint64_t x = seed * 2654435761u + 1;
	for (size_t i = 0; i < size; i++) {
		x ^= x << 13;
		x ^= x >> 7;
		x ^= x << 17;
		data[i] = (uint8_t)x;
	}
}

static bool try(struct db *db, const uint8_t *data, size_t size, size_t piece, struct artifact *out, struct err *err)
{
	struct sink *sink = sink_new(size, err);
	bool ok = sink;
	for (size_t at = 0; ok && at < size; at += piece) {
		ok = sink_write(sink, db, data + at, size - at < piece ? size - at : piece, err);
	}
	ok = ok && sink_seal(sink, db, out, err);
	sink_free(&sink, db);
	return ok;
}

struct artifact upload(struct db *db, unsigned seed, size_t size, size_t piece)
{
	uint8_t *data = malloc(size);
	upload_bytes(data, size, seed);
	struct artifact out = {0};
	struct err err = {0};
	bool ok = try(db, data, size, piece, &out, &err);
	free(data);
	if (!ok) {
		fail_msg("%s", err.text);
	}
	return out;
}

struct db *upload_connect(const char *uri)
{
	static struct db_config configs[64]; /* a connection borrows its configuration */
	static int count;
	struct db_config *config = &configs[count++ % 64];
	*config = (struct db_config){.uri = uri, .name = "test", .statement_ms = 30000};
	struct err err = {0};
	struct db *db = db_open(config, &err);
	if (!db) {
		fail_msg("%s", err.text);
	}
	return db;
}
