/* The local cache: what it serves is right or nothing, whatever happens to its files. */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "artifact/cache.h"
#include "cache_fixture.h"
#include "common/err.h"
#include "common/scoped.h"
#include "metrics/metrics.h"
#include "model/nouns.h"
#include "pg.h"
#include "store/db.h"
#include "upload.h"

/* In place, with the old mtime put back, as fast as the machine can. */
static void flip_bit(const struct artifact *artifact, off_t at)
{
	scoped_close int fd = open(fixture_path(artifact), O_RDWR | O_CLOEXEC);
	assert_true(fd >= 0);
	struct stat st;
	fstat(fd, &st);
	uint8_t byte;
	assert_int_equal(pread(fd, &byte, 1, at), 1);
	byte ^= 0x10;
	assert_int_equal(pwrite(fd, &byte, 1, at), 1);
	const struct timespec times[2] = {st.st_atim, st.st_mtim};
	futimens(fd, times);
}

static void a_cold_artifact_is_filled_and_then_served(void **state)
{
	(void)state;
	struct artifact artifact = upload(fixture.db, 1, SIZE, SIZE);
	assert_cold(&artifact);
	fixture_fill(&artifact);
	assert_serves(&artifact, 1);
	fixture_fill(&artifact);
	assert_serves(&artifact, 1);
	assert_counts(1, 0);
}

static void files_are_the_services_alone(void **state)
{
	(void)state;
	struct artifact artifact = fixture_warm(1);
	struct stat st;
	assert_int_equal(stat(fixture_path(&artifact), &st), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
	assert_int_equal(stat(fixture.dir, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0700);
	assert_int_equal(fixture_count_files(), 1);
}

static void an_unknown_artifact_is_not_found(void **state)
{
	(void)state;
	struct artifact artifact = {.sha256 = {1}, .size = 5};
	struct err err = {0};
	assert_false(cache_fill(fixture.cache, fixture.db, &artifact, &err));
	assert_int_equal(err.kind, ERR_NOT_FOUND);
	assert_int_equal(fixture_count_files(), 0);
}

static void after_a_restart_the_file_is_verified_not_fetched(void **state)
{
	(void)state;
	struct artifact artifact = fixture_warm(1);
	fixture_restart(MAX_BYTES);
	assert_cold(&artifact);
	fixture_fill(&artifact);
	assert_serves(&artifact, 1);
	assert_counts(1, 0);
}

static void a_flipped_bit_is_never_served(void **state)
{
	(void)state;
	struct artifact artifact = upload(fixture.db, 1, SIZE, SIZE);
	fixture_fill(&artifact);
	flip_bit(&artifact, SIZE / 2);
	assert_cold(&artifact);
	fixture_fill(&artifact);
	assert_serves(&artifact, 1);
	assert_counts(2, 1);

	fixture_restart(MAX_BYTES);
	flip_bit(&artifact, 0);
	fixture_fill(&artifact);
	flip_bit(&artifact, SIZE - 1);
	assert_cold(&artifact);
	fixture_fill(&artifact);
	assert_serves(&artifact, 1);
	assert_counts(4, 3);
}

static void a_write_within_the_clocks_grain_is_seen(void **state)
{
	(void)state;
	for (unsigned i = 1; i <= 50; i++) {
		struct artifact artifact = upload(fixture.db, i, 100, 100);
		fixture_fill(&artifact);
		scoped_close int fd = open(fixture_path(&artifact), O_WRONLY | O_CLOEXEC);
		assert_int_equal(pwrite(fd, "X", 1, 50), 1);
		assert_cold(&artifact);
	}
}

static void a_cut_or_grown_file_is_thrown_away(void **state)
{
	(void)state;
	struct artifact artifact = fixture_warm(1);
	assert_int_equal(truncate(fixture_path(&artifact), SIZE - 1), 0);
	assert_cold(&artifact);
	fixture_fill(&artifact);
	assert_serves(&artifact, 1);
	assert_int_equal(truncate(fixture_path(&artifact), SIZE + 1), 0);
	assert_cold(&artifact);
	fixture_fill(&artifact);
	assert_serves(&artifact, 1);
	assert_counts(3, 2);
}

static void a_touched_file_is_taken_again_if_its_bytes_are_right(void **state)
{
	(void)state;
	struct artifact artifact = fixture_warm(1);
	assert_int_equal(utimensat(AT_FDCWD, fixture_path(&artifact), NULL, 0), 0);
	assert_cold(&artifact);
	fixture_fill(&artifact);
	assert_serves(&artifact, 1);
	assert_counts(1, 0);
}

static void a_replaced_file_is_not_served(void **state)
{
	(void)state;
	struct artifact artifact = fixture_warm(1);
	struct artifact wrong = fixture_warm(2);
	char path[200];
	snprintf(path, sizeof path, "%s", fixture_path(&wrong));
	assert_int_equal(rename(path, fixture_path(&artifact)), 0);
	assert_cold(&artifact);
	assert_cold(&wrong);
	fixture_fill(&artifact);
	fixture_fill(&wrong);
	assert_serves(&artifact, 1);
	assert_serves(&wrong, 2);
	assert_counts(4, 1);
}

static void something_else_under_its_name_is_replaced(void **state)
{
	(void)state;
	struct artifact artifact = fixture_warm(1);
	unlink(fixture_path(&artifact));
	assert_int_equal(symlink("/etc/passwd", fixture_path(&artifact)), 0);
	assert_cold(&artifact);
	fixture_fill(&artifact);
	assert_serves(&artifact, 1);
	unlink(fixture_path(&artifact));
	assert_int_equal(mkdir(fixture_path(&artifact), 0700), 0);
	fixture_fill(&artifact);
	assert_serves(&artifact, 1);
	unlink(fixture_path(&artifact));
	assert_int_equal(mkfifo(fixture_path(&artifact), 0600), 0);
	fixture_fill(&artifact);
	assert_serves(&artifact, 1);
}

static void the_deleted_directory_comes_back(void **state)
{
	(void)state;
	struct artifact artifact = fixture_warm(1);
	scoped_close int running = cache_open_file(fixture.cache, &artifact);
	fixture_delete_dir();
	assert_bytes(running, 1, SIZE); /* a download under way ends well */
	assert_cold(&artifact);
	fixture_fill(&artifact);
	assert_serves(&artifact, 1);
	assert_counts(2, 0);
	assert_int_equal(fixture_count_files(), 1);
}

static void damaged_bytes_in_the_database_are_refused(void **state)
{
	(void)state;
	static const char *const damage[] = {
		"UPDATE chunks SET data = set_byte(data, 1000, get_byte(data, 1000) # 1) WHERE seq = 1",
		"UPDATE chunks SET data = data || '\\x00' WHERE seq = 2",
		"UPDATE chunks SET data = substr(data, 2) WHERE seq = 2",
		"DELETE FROM chunks WHERE seq = 2",
		"UPDATE chunks SET data = data || data WHERE seq = 1",
	};
	for (size_t i = 0; i < sizeof damage / sizeof *damage; i++) {
		struct artifact artifact = upload(fixture.db, (unsigned)i, SIZE, SIZE);
		pg_run(fixture.uri, damage[i]);
		struct err err = {0};
		assert_false(cache_fill(fixture.cache, fixture.db, &artifact, &err));
		assert_int_equal(err.kind, ERR_INTERNAL);
		assert_cold(&artifact);
		assert_int_equal(fixture_count_files(), 0);
	}
	assert_counts(0, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		FIXTURE_TEST(a_cold_artifact_is_filled_and_then_served),
		FIXTURE_TEST(files_are_the_services_alone),
		FIXTURE_TEST(an_unknown_artifact_is_not_found),
		FIXTURE_TEST(after_a_restart_the_file_is_verified_not_fetched),
		FIXTURE_TEST(a_flipped_bit_is_never_served),
		FIXTURE_TEST(a_write_within_the_clocks_grain_is_seen),
		FIXTURE_TEST(a_cut_or_grown_file_is_thrown_away),
		FIXTURE_TEST(a_touched_file_is_taken_again_if_its_bytes_are_right),
		FIXTURE_TEST(a_replaced_file_is_not_served),
		FIXTURE_TEST(something_else_under_its_name_is_replaced),
		FIXTURE_TEST(the_deleted_directory_comes_back),
		FIXTURE_TEST(damaged_bytes_in_the_database_are_refused),
	};
	return cmocka_run_group_tests_name("cache", tests, NULL, NULL);
}
