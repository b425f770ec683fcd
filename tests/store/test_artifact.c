/* Uploads: through the sink into PostgreSQL, sealed once, swept when forgotten. */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "artifact/sink.h"
#include "common/digest.h"
#include "common/err.h"
#include "common/scoped.h"
#include "image_make.h"
#include "metrics/metrics.h"
#include "model/nouns.h"
#include "pg.h"
#include "store/artifact.h"
#include "store/db.h"
#include "upload.h"

#define CHUNK ((size_t)STORE_CHUNK_SIZE)

static char uri[PG_URI_SIZE];
static struct db *db;
static struct db *other;

static int setup(void **state)
{
	(void)state;
	pg_fresh(uri);
	db = upload_connect(uri);
	other = upload_connect(uri);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	db_close(&db);
	db_close(&other);
	return 0;
}

static void assert_rows(const char *table, int64_t expected)
{
	char sql[64];
	snprintf(sql, sizeof sql, "SELECT count(*) FROM %s", table);
	assert_int_equal(pg_number(uri, sql), expected);
}

/* The database holds exactly these bytes under their name. */
static void assert_stored(const struct artifact *artifact, const uint8_t *data, size_t size)
{
	scoped_free uint8_t *chunk = malloc(CHUNK);
	size_t at = 0;
	for (int seq = 0;; seq++) {
		size_t len = 0;
		assert_true(store_chunk_read(db, artifact->sha256, seq, chunk, &len, NULL));
		if (len == 0) {
			break;
		}
		assert_true(len <= size - at && memcmp(chunk, data + at, len) == 0);
		at += len;
		assert_true(len == CHUNK || at == size);
	}
	assert_int_equal(at, size);
}

static void bytes_come_back_whatever_the_pieces(void **state)
{
	(void)state;
	static const size_t sizes[] = {1, CHUNK - 1, CHUNK, CHUNK + 1, 3 * CHUNK + 5};
	static const size_t pieces[] = {999, CHUNK, CHUNK + 7, 4 * CHUNK};
	unsigned seed = 0;
	for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
		for (size_t k = 0; k < sizeof pieces / sizeof *pieces; k++) {
			scoped_free uint8_t *data = malloc(sizes[i]);
			upload_bytes(data, sizes[i], ++seed);
			struct artifact made = upload(db, seed, sizes[i], pieces[k]);
			uint8_t sha256[32];
			digest_sha256(sha256, data, sizes[i]);
			assert_memory_equal(made.sha256, sha256, sizeof sha256);
			assert_int_equal(made.size, sizes[i]);
			assert_stored(&made, data, sizes[i]);
		}
	}
}

static void md5_and_size_stand_in_the_row(void **state)
{
	(void)state;
	struct err err = {0};
	struct sink *sink = sink_new(100, &err);
	struct artifact made;
	int64_t before = metrics_get(METRIC_UPLOADS);
	assert_true(sink_write(sink, db, "abc", 3, &err));
	assert_true(sink_seal(sink, db, &made, &err));
	sink_free(&sink, db);
	assert_int_equal(metrics_get(METRIC_UPLOADS), before + 1);
	assert_int_equal(
		pg_number(uri, "SELECT count(*) FROM artifacts WHERE size = 3 AND md5 = '\\x900150983cd24fb0d6963f7d28e17f72' AND sha256 = "
			       "'\\xba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad'"),
		1);
}

static void an_empty_file_is_refused_without_a_row(void **state)
{
	(void)state;
	struct err err = {0};
	struct sink *sink = sink_new(100, &err);
	struct artifact made;
	assert_true(sink_write(sink, db, "", 0, &err));
	assert_false(sink_seal(sink, db, &made, &err));
	assert_int_equal(err.kind, ERR_EMPTY);
	sink_free(&sink, db);
	assert_rows("uploads", 0);
}

static void a_file_over_the_cap_is_refused_and_leaves_nothing(void **state)
{
	(void)state;
	static uint8_t data[CHUNK + 2];
	struct err err = {0};
	struct sink *sink = sink_new(CHUNK + 1, &err);
	struct artifact made;
	assert_true(sink_write(sink, db, data, CHUNK + 1, &err));
	assert_rows("uploads", 1);
	assert_false(sink_write(sink, db, data, 1, &err));
	assert_int_equal(err.kind, ERR_TOO_LARGE);
	assert_false(sink_seal(sink, db, &made, &err));
	sink_free(&sink, db);
	assert_null(sink);
	assert_rows("uploads", 0);
	assert_rows("chunks", 0);
	assert_rows("artifacts", 0);
}

static void a_file_as_large_as_the_cap_is_taken(void **state)
{
	(void)state;
	static uint8_t data[CHUNK + 2];
	struct err err = {0};
	struct sink *sink = sink_new(sizeof data, &err);
	struct artifact made;
	assert_true(sink_write(sink, db, data, sizeof data, &err));
	assert_true(sink_seal(sink, db, &made, &err));
	sink_free(&sink, db);
	assert_rows("artifacts", 1);
}

static void an_app_image_is_read_on_its_way(void **state)
{
	(void)state;
	const struct image_spec spec = {
		.chip = 0, .version = "2.4.2", .project = "xiaozhi", .hashed = true, .segments = 2, .lengths = {300, 3 * CHUNK}};
	scoped_free uint8_t *data = malloc(4 * CHUNK);
	size_t len = image_make(data, &spec);
	static const size_t pieces[] = {CHUNK, 4 * CHUNK, 70001, 4099};
	for (size_t i = 0; i < sizeof pieces / sizeof *pieces; i++) {
		struct err err = {0};
		struct image image;
		struct artifact made;
		struct sink *sink = sink_new(len, &err);
		assert_false(sink_image(sink, &image, &err));
		assert_int_equal(err.kind, ERR_EMPTY);
		for (size_t at = 0; at < len; at += pieces[i]) {
			assert_true(sink_write(sink, db, data + at, len - at < pieces[i] ? len - at : pieces[i], &err));
			assert_int_equal(sink_image(sink, &image, &err), at + pieces[i] >= len);
		}
		assert_string_equal(image.chip, "esp32");
		assert_string_equal(image.version, "2.4.2");
		assert_true(sink_seal(sink, db, &made, &err));
		sink_free(&sink, db);
		assert_stored(&made, data, len);
	}
}

static void what_was_no_image_can_be_dropped_instead_of_sealed(void **state)
{
	(void)state;
	static uint8_t data[CHUNK];
	struct err err = {0};
	struct image image;
	struct sink *sink = sink_new(2 * CHUNK, &err);
	assert_true(sink_write(sink, db, data, sizeof data, &err) && sink_write(sink, db, data, 5, &err));
	assert_rows("chunks", 1);
	assert_false(sink_image(sink, &image, &err));
	assert_int_equal(err.kind, ERR_INVALID);
	assert_string_equal(image.chip, "");
	sink_free(&sink, db);
	assert_rows("uploads", 0);
	assert_rows("chunks", 0);
}

static void an_upload_is_invisible_until_sealed(void **state)
{
	(void)state;
	static uint8_t data[CHUNK];
	uint8_t sha256[32];
	digest_sha256(sha256, data, sizeof data);
	struct err err = {0};
	struct sink *sink = sink_new(CHUNK, &err);
	assert_true(sink_write(sink, db, data, CHUNK, &err));
	static uint8_t chunk[CHUNK];
	size_t len;
	assert_false(store_chunk_read(other, sha256, 0, chunk, &len, &err));
	assert_int_equal(err.kind, ERR_NOT_FOUND);
	struct artifact made;
	assert_true(sink_seal(sink, other, &made, &err)); /* another connection will do */
	sink_free(&sink, db);
	assert_true(store_chunk_read(db, sha256, 0, chunk, &len, &err));
}

static void the_same_bytes_are_stored_once(void **state)
{
	(void)state;
	upload(db, 1, CHUNK + 1, CHUNK);
	pg_run(uri, "UPDATE artifacts SET sealed_at = now() - interval '2 hours'");
	upload(db, 1, CHUNK + 1, 1000);
	assert_rows("artifacts", 1);
	assert_rows("uploads", 1);
	assert_rows("chunks", 2);
	assert_int_equal(pg_number(uri, "SELECT count(*) FROM artifacts WHERE sealed_at > now() - interval '1 minute'"), 1);
}

struct racer {
	pthread_t thread;
	pthread_barrier_t *barrier;
	struct db *db;
	bool ok;
};

enum { RACERS = 4, ROUNDS = 15 };

static void *race(void *arg)
{
	struct racer *racer = arg;
	racer->ok = true;
	for (unsigned round = 0; round < ROUNDS; round++) {
		uint8_t data[100];
		upload_bytes(data, sizeof data, round);
		struct sink *sink = sink_new(sizeof data, NULL);
		struct artifact made;
		racer->ok &= sink_write(sink, racer->db, data, sizeof data, NULL);
		pthread_barrier_wait(racer->barrier);
		racer->ok &= sink_seal(sink, racer->db, &made, NULL);
		sink_free(&sink, racer->db);
	}
	return NULL;
}

static void concurrent_uploads_of_the_same_bytes_are_stored_once(void **state)
{
	(void)state;
	pthread_barrier_t barrier;
	pthread_barrier_init(&barrier, NULL, RACERS);
	struct racer racers[RACERS];
	for (int i = 0; i < RACERS; i++) {
		racers[i] = (struct racer){.barrier = &barrier, .db = upload_connect(uri)};
		pthread_create(&racers[i].thread, NULL, race, &racers[i]);
	}
	for (int i = 0; i < RACERS; i++) {
		pthread_join(racers[i].thread, NULL);
		assert_true(racers[i].ok);
		db_close(&racers[i].db);
	}
	pthread_barrier_destroy(&barrier);
	assert_rows("artifacts", ROUNDS);
	assert_rows("uploads", ROUNDS);
	assert_rows("chunks", ROUNDS);
}

struct sealer {
	struct sink *sink;
	struct artifact made;
	struct err err;
	bool ok;
};

static void *seal(void *arg)
{
	struct sealer *sealer = arg;
	sealer->ok = sink_seal(sealer->sink, other, &sealer->made, &sealer->err);
	return NULL;
}

static void await_lock_wait(void)
{
	for (int i = 0; pg_number(uri, "SELECT count(*) FROM pg_locks WHERE NOT granted") == 0; i++) {
		assert_true(i < 1000);
		usleep(10000);
	}
}

static void a_seal_that_meets_a_sweep_keeps_its_own_bytes(void **state)
{
	(void)state;
	uint8_t data[500];
	upload_bytes(data, sizeof data, 7);
	upload(db, 7, sizeof data, 500);
	pg_run(uri,
	       "UPDATE artifacts SET sealed_at = now() - interval '2 hours'; UPDATE uploads SET touched_at = now() - interval '2 hours'");
	struct sealer sealer = {.sink = sink_new(500, NULL)};
	assert_true(sink_write(sealer.sink, other, data, sizeof data, NULL));
	int64_t count;
	assert_true(db_begin(db, NULL));
	assert_true(store_artifact_sweep(db, &count, NULL));
	assert_int_equal(count, 2);
	pthread_t thread;
	pthread_create(&thread, NULL, seal, &sealer);
	await_lock_wait(); /* the seal sees the row that is about to go */
	assert_true(db_commit(db, NULL));
	pthread_join(thread, NULL);
	assert_true(sealer.ok);
	sink_free(&sealer.sink, other);
	assert_stored(&sealer.made, data, sizeof data);
}

static void a_sweep_leaves_what_is_being_sealed_again(void **state)
{
	(void)state;
	upload(db, 7, 500, 500);
	pg_run(uri,
	       "UPDATE artifacts SET sealed_at = now() - interval '2 hours'; UPDATE uploads SET touched_at = now() - interval '2 hours'");
	int64_t count = -1;
	assert_true(db_begin(other, NULL));
	upload(other, 7, 500, 500);
	assert_true(store_artifact_sweep(db, &count, NULL));
	assert_int_equal(count, 0);
	assert_true(db_commit(other, NULL));
	assert_true(store_artifact_sweep(db, &count, NULL));
	assert_int_equal(count, 0);
	assert_rows("artifacts", 1);
}

static void the_sweep_takes_the_forgotten_and_leaves_the_rest(void **state)
{
	(void)state;
	struct artifact named = upload(db, 1, 100, 100);
	struct artifact unnamed = upload(db, 2, 100, 100);
	int64_t forgotten;
	assert_true(store_upload_begin(db, &forgotten, NULL));
	assert_true(store_upload_chunk(db, forgotten, 0, "x", 1, NULL));
	pg_run(uri, "INSERT INTO products (key) VALUES ('p'); INSERT INTO firmware (product_id, name, sha256) SELECT p.id, 'f', a.sha256 "
		    "FROM products p, artifacts a ORDER BY a.upload_id LIMIT 1");
	pg_run(uri, "UPDATE uploads SET touched_at = now() - interval '61 minutes'; UPDATE artifacts SET sealed_at = now() - interval '61 "
		    "minutes'");
	upload(db, 3, 100, 100);
	int64_t going;
	assert_true(store_upload_begin(db, &going, NULL));

	int64_t count;
	assert_true(store_artifact_sweep(db, &count, NULL));
	assert_int_equal(count, 3); /* the unnamed artifact, its upload, the forgotten upload */
	assert_true(store_artifact_sweep(db, &count, NULL));
	assert_int_equal(count, 0);
	uint8_t chunk[CHUNK];
	size_t len;
	assert_true(store_chunk_read(db, named.sha256, 0, chunk, &len, NULL));
	assert_false(store_chunk_read(db, unnamed.sha256, 0, chunk, &len, NULL));
	assert_rows("artifacts", 2);
	assert_true(store_upload_chunk(db, going, 0, "x", 1, NULL));
	struct err err = {0};
	assert_false(store_upload_chunk(db, forgotten, 1, "x", 1, &err));
	assert_int_equal(err.kind, ERR_CONFLICT);
}

static void a_chunk_touches_its_upload_once_a_minute(void **state)
{
	(void)state;
	int64_t id;
	assert_true(store_upload_begin(db, &id, NULL));
	pg_run(uri, "UPDATE uploads SET touched_at = now() - interval '59 minutes'");
	assert_true(store_upload_chunk(db, id, 0, "x", 1, NULL));
	static const char touched[] =
		"SELECT (extract(epoch FROM touched_at) * 1e6)::bigint FROM uploads WHERE touched_at > now() - interval '1 minute'";
	int64_t at = pg_number(uri, touched);
	assert_int_not_equal(at, 0);
	assert_true(store_upload_chunk(db, id, 1, "x", 1, NULL));
	assert_int_equal(pg_number(uri, touched), at);
}

static void repeating_a_chunk_or_a_seal_is_harmless(void **state)
{
	(void)state;
	struct artifact made = {.size = 3};
	digest_sha256(made.sha256, "abc", 3);
	int64_t first;
	int64_t second;
	assert_true(store_upload_begin(db, &first, NULL));
	assert_true(store_upload_chunk(db, first, 0, "abc", 3, NULL));
	assert_true(store_upload_chunk(db, first, 0, "abc", 3, NULL));
	assert_true(store_upload_seal(db, first, &made, NULL));
	assert_true(store_upload_seal(db, first, &made, NULL));
	assert_true(store_upload_begin(db, &second, NULL));
	assert_true(store_upload_chunk(db, second, 0, "abc", 3, NULL));
	assert_true(store_upload_seal(db, second, &made, NULL));
	assert_true(store_upload_seal(db, second, &made, NULL)); /* its upload is gone by now */
	assert_true(store_upload_drop(db, first, NULL));         /* sealed: stays */
	assert_rows("chunks", 1);
	assert_rows("artifacts", 1);
}

static void a_seal_over_missing_chunks_is_refused(void **state)
{
	(void)state;
	static uint8_t data[3 * CHUNK];
	struct err err = {0};
	struct sink *sink = sink_new(sizeof data, &err);
	assert_true(sink_write(sink, db, data, sizeof data, &err));
	pg_run(uri, "DELETE FROM chunks WHERE seq = 1");
	struct artifact made;
	assert_false(sink_seal(sink, db, &made, &err));
	assert_int_equal(err.kind, ERR_UNAVAILABLE);
	sink_free(&sink, db);
	assert_rows("artifacts", 0);
	assert_rows("uploads", 0);
}

static void a_full_database_disk_is_told_and_leaves_nothing(void **state)
{
	(void)state;
	static uint8_t data[2 * CHUNK];
	pg_run(uri,
	       "CREATE FUNCTION disk_full() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'No space left on device' USING "
	       "ERRCODE = '53100'; "
	       "END $$; CREATE TRIGGER disk_full BEFORE INSERT ON chunks FOR EACH ROW WHEN (NEW.seq = 1) EXECUTE FUNCTION disk_full()");
	struct err err = {0};
	struct sink *sink = sink_new(sizeof data, &err);
	assert_false(sink_write(sink, db, data, sizeof data, &err));
	assert_int_equal(err.kind, ERR_NO_SPACE);
	assert_false(sink_write(sink, db, data, 1, &err));
	sink_free(&sink, db);
	assert_rows("uploads", 0);
}

static void a_lost_database_ends_the_upload_and_the_next_one_works(void **state)
{
	(void)state;
	static uint8_t data[CHUNK];
	struct err err = {0};
	struct sink *sink = sink_new(10 * CHUNK, &err);
	assert_true(sink_write(sink, db, data, CHUNK, &err));
	pg_down();
	assert_false(sink_write(sink, db, data, CHUNK, &err));
	assert_int_equal(err.kind, ERR_UNAVAILABLE);
	sink_free(&sink, db);
	pg_up();
	assert_true(db_revive(db, &err));
	upload(db, 1, CHUNK + 1, 5000);
	assert_rows("artifacts", 1);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(bytes_come_back_whatever_the_pieces),
		TEST(md5_and_size_stand_in_the_row),
		TEST(an_empty_file_is_refused_without_a_row),
		TEST(a_file_over_the_cap_is_refused_and_leaves_nothing),
		TEST(a_file_as_large_as_the_cap_is_taken),
		TEST(an_app_image_is_read_on_its_way),
		TEST(what_was_no_image_can_be_dropped_instead_of_sealed),
		TEST(an_upload_is_invisible_until_sealed),
		TEST(the_same_bytes_are_stored_once),
		TEST(concurrent_uploads_of_the_same_bytes_are_stored_once),
		TEST(a_seal_that_meets_a_sweep_keeps_its_own_bytes),
		TEST(a_sweep_leaves_what_is_being_sealed_again),
		TEST(the_sweep_takes_the_forgotten_and_leaves_the_rest),
		TEST(a_chunk_touches_its_upload_once_a_minute),
		TEST(repeating_a_chunk_or_a_seal_is_harmless),
		TEST(a_seal_over_missing_chunks_is_refused),
		TEST(a_full_database_disk_is_told_and_leaves_nothing),
		TEST(a_lost_database_ends_the_upload_and_the_next_one_works),
	};
	return cmocka_run_group_tests_name("artifact", tests, NULL, NULL);
}
