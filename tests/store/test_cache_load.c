/* The local cache under many threads, and when room is short. */
#include <dirent.h>
#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
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

/* --- one at a time --- */

struct filler {
	pthread_t thread;
	const struct artifact *artifact;
	struct db *db;
	struct err err;
	bool ok;
};

static void *fill_in_thread(void *arg)
{
	struct filler *filler = arg;
	filler->ok = cache_fill(fixture.cache, filler->db, filler->artifact, &filler->err);
	return NULL;
}

enum { FILLERS = 6 };

/* Threads that all want it while the database holds up the first; meanwhile() happens, then it goes on. */
static void fill_together(struct filler fillers[FILLERS], const struct artifact *artifact, void (*meanwhile)(void))
{
	struct pg_hold *hold = pg_hold(fixture.uri, "LOCK TABLE chunks");
	for (int i = 0; i < FILLERS; i++) {
		fillers[i] = (struct filler){.artifact = artifact, .db = upload_connect(fixture.uri)};
		pthread_create(&fillers[i].thread, NULL, fill_in_thread, &fillers[i]);
	}
	for (int i = 0; pg_number(fixture.uri, "SELECT count(*) FROM pg_locks WHERE NOT granted") == 0; i++) {
		assert_true(i < 1000);
		usleep(10000);
	}
	usleep(100000); /* the others get to where they wait */
	assert_int_equal(pg_number(fixture.uri, "SELECT count(*) FROM pg_locks WHERE NOT granted"), 1);
	meanwhile();
	pg_let_go(&hold);
	for (int i = 0; i < FILLERS; i++) {
		pthread_join(fillers[i].thread, NULL);
		db_close(&fillers[i].db);
	}
}

static void do_nothing(void) {}

static void many_at_once_fetch_it_once(void **state)
{
	(void)state;
	struct artifact artifact = upload(fixture.db, 1, SIZE, SIZE);
	struct filler fillers[FILLERS];
	fill_together(fillers, &artifact, do_nothing);
	for (int i = 0; i < FILLERS; i++) {
		assert_true(fillers[i].ok);
	}
	assert_counts(1, 0);
	assert_serves(&artifact, 1);
}

static void break_the_name(void)
{
	pg_run(fixture.uri, "UPDATE artifacts SET sha256 = '\\x0000000000000000000000000000000000000000000000000000000000000000'");
}

static void many_at_once_share_a_failure(void **state)
{
	(void)state;
	struct artifact artifact = upload(fixture.db, 1, SIZE, SIZE);
	struct filler fillers[FILLERS];
	fill_together(fillers, &artifact, break_the_name);
	for (int i = 0; i < FILLERS; i++) {
		assert_false(fillers[i].ok);
		assert_int_equal(fillers[i].err.kind, ERR_NOT_FOUND);
	}
	assert_cold(&artifact);
	assert_int_equal(fixture_count_files(), 0);
}

static void delete_directory(void)
{
	assert_int_equal(fixture_count_files(), 1); /* the temporary file */
	fixture_delete_dir();
}

static void a_directory_deleted_while_filling_does_not_matter(void **state)
{
	(void)state;
	struct artifact artifact = upload(fixture.db, 1, SIZE, SIZE);
	struct filler fillers[FILLERS];
	fill_together(fillers, &artifact, delete_directory);
	assert_true(fillers[0].ok);
	assert_serves(&artifact, 1);
	assert_int_equal(fixture_count_files(), 1);
}

struct churner {
	pthread_t thread;
	const struct artifact *artifacts;
	struct db *db;
	unsigned number;
	bool ok;
};

enum { CHURNERS = 4, CHURNED = 5 };
#define CHURN_SIZE ((size_t)1000)

/* Opens and fills as the service would, and now and then spoils or deletes a file. What opens must be right, always. */
static void *churn(void *arg)
{
	struct churner *churner = arg;
	churner->ok = true;
	for (unsigned i = 0; i < 300; i++) {
		unsigned which = (i * 7 + churner->number) % CHURNED;
		const struct artifact *artifact = &churner->artifacts[which];
		int fd = cache_open_file(fixture.cache, artifact);
		if (fd < 0) {
			churner->ok &= cache_fill(fixture.cache, churner->db, artifact, NULL);
			continue;
		}
		uint8_t right[CHURN_SIZE];
		uint8_t got[CHURN_SIZE];
		upload_bytes(right, sizeof right, which);
		churner->ok &= pread(fd, got, sizeof got, 0) == CHURN_SIZE && memcmp(got, right, sizeof got) == 0;
		close(fd);
		if (churner->number == 0 && i % 5 == 0) {
			unlink(fixture_path(artifact));
		}
	}
	return NULL;
}

static void readers_and_a_deleter_get_along(void **state)
{
	(void)state;
	fixture_restart(3 * CHURN_SIZE); /* and the cache forgets all the time */
	struct artifact artifacts[CHURNED];
	for (unsigned i = 0; i < CHURNED; i++) {
		artifacts[i] = upload(fixture.db, i, CHURN_SIZE, CHURN_SIZE);
	}
	struct churner churners[CHURNERS];
	for (unsigned i = 0; i < CHURNERS; i++) {
		churners[i] = (struct churner){.artifacts = artifacts, .db = upload_connect(fixture.uri), .number = i};
		pthread_create(&churners[i].thread, NULL, churn, &churners[i]);
	}
	for (unsigned i = 0; i < CHURNERS; i++) {
		pthread_join(churners[i].thread, NULL);
		assert_true(churners[i].ok);
		db_close(&churners[i].db);
	}
	assert_int_equal(metrics_get(METRIC_CACHE_CORRUPT), fixture.corrupt);
	assert_true(fixture_count_files() <= 3);
}

/* --- room --- */

static void the_least_recently_used_goes_first(void **state)
{
	(void)state;
	fixture_restart(3 * SIZE);
	struct artifact a = fixture_warm(1);
	struct artifact b = fixture_warm(2);
	struct artifact c = fixture_warm(3);
	assert_serves(&a, 1);
	struct artifact d = fixture_warm(4);
	assert_cold(&b);
	assert_serves(&a, 1);
	assert_serves(&c, 3);
	assert_serves(&d, 4);
	assert_int_equal(fixture_count_files(), 3);
}

static void files_of_an_earlier_run_count_and_go_first(void **state)
{
	(void)state;
	struct artifact a = fixture_warm(1);
	fixture_warm(2);
	fixture_restart(2 * SIZE);
	fixture_fill(&a);
	fixture_warm(3);
	assert_serves(&a, 1);
	assert_int_equal(fixture_count_files(), 2);
}

static void a_file_larger_than_the_whole_cache_is_served(void **state)
{
	(void)state;
	fixture_restart(SIZE / 2);
	struct artifact a = fixture_warm(1);
	assert_serves(&a, 1);
	struct artifact b = fixture_warm(2);
	assert_cold(&a);
	assert_serves(&b, 2);
	assert_int_equal(fixture_count_files(), 1);
}

static int count_descriptors(void)
{
	DIR *fds = opendir("/proc/self/fd");
	int n = 0;
	while (readdir(fds)) {
		n++;
	}
	closedir(fds);
	return n;
}

static void descriptors_kept_are_bounded(void **state)
{
	(void)state;
	enum { MANY = 300 };
	struct artifact many[MANY];
	int before = count_descriptors();
	for (unsigned i = 0; i < MANY; i++) {
		many[i] = upload(fixture.db, i, 20, 20);
		fixture_fill(&many[i]);
	}
	assert_int_equal(count_descriptors() - before, 256);
	for (unsigned i = 0; i < MANY; i++) {
		assert_serves(&many[i], i);
	}
	assert_int_equal(count_descriptors() - before, 256);
	assert_counts(MANY, 0);
	fixture_restart(MAX_BYTES);
	assert_int_equal(count_descriptors(), before);
}

static void left_over_temporary_files_go_at_the_start(void **state)
{
	(void)state;
	char path[200];
	snprintf(path, sizeof path, "%s/tmp/0123.abcdef", fixture.dir);
	scoped_close int fd = open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
	assert_true(fd >= 0);
	fixture_restart(MAX_BYTES);
	assert_int_equal(fixture_count_files(), 0);
}

static void a_full_disk_is_told_and_leaves_nothing(void **state)
{
	(void)state;
	struct artifact artifact = upload(fixture.db, 1, SIZE, SIZE);
	struct rlimit old;
	getrlimit(RLIMIT_FSIZE, &old);
	const struct rlimit tight = {.rlim_cur = SIZE / 2, .rlim_max = old.rlim_max};
	signal(SIGXFSZ, SIG_IGN);
	setrlimit(RLIMIT_FSIZE, &tight);
	struct err err = {0};
	bool ok = cache_fill(fixture.cache, fixture.db, &artifact, &err);
	setrlimit(RLIMIT_FSIZE, &old);
	assert_false(ok);
	assert_int_equal(err.kind, ERR_NO_SPACE);
	assert_int_equal(fixture_count_files(), 0);
	fixture_fill(&artifact);
	assert_serves(&artifact, 1);
}

static void a_dead_database_does_not_disturb_the_warm(void **state)
{
	(void)state;
	struct artifact a = fixture_warm(1);
	struct artifact b = upload(fixture.db, 2, SIZE, SIZE);
	pg_down();
	assert_serves(&a, 1);
	struct err err = {0};
	assert_false(cache_fill(fixture.cache, fixture.db, &b, &err));
	assert_int_equal(err.kind, ERR_UNAVAILABLE);
	assert_int_equal(fixture_count_files(), 1);
	assert_true(cache_fill(fixture.cache, fixture.db, &a, &err));
	pg_up();
	assert_true(db_revive(fixture.db, &err));
	fixture_fill(&b);
	assert_serves(&b, 2);
}

static void a_directory_that_cannot_be_is_refused(void **state)
{
	(void)state;
	struct err err = {0};
	assert_null(cache_new("/proc/nowhere/cache", MAX_BYTES, &err));
	assert_int_not_equal(err.kind, ERR_NONE);
	assert_null(cache_new("", MAX_BYTES, &err));
	assert_int_equal(err.kind, ERR_INVALID);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		FIXTURE_TEST(many_at_once_fetch_it_once),
		FIXTURE_TEST(many_at_once_share_a_failure),
		FIXTURE_TEST(a_directory_deleted_while_filling_does_not_matter),
		FIXTURE_TEST(readers_and_a_deleter_get_along),
		FIXTURE_TEST(the_least_recently_used_goes_first),
		FIXTURE_TEST(files_of_an_earlier_run_count_and_go_first),
		FIXTURE_TEST(a_file_larger_than_the_whole_cache_is_served),
		FIXTURE_TEST(descriptors_kept_are_bounded),
		FIXTURE_TEST(left_over_temporary_files_go_at_the_start),
		FIXTURE_TEST(a_full_disk_is_told_and_leaves_nothing),
		FIXTURE_TEST(a_dead_database_does_not_disturb_the_warm),
		FIXTURE_TEST(a_directory_that_cannot_be_is_refused),
	};
	return cmocka_run_group_tests_name("cache under load", tests, NULL, NULL);
}
