/* A cache in a directory of its own on a database of its own, for each test anew; and what a test says about it. */
#ifndef TESTS_STORE_CACHE_FIXTURE_H
#define TESTS_STORE_CACHE_FIXTURE_H

#include <stddef.h>
#include <stdint.h>

#include "pg.h"

struct artifact;

#define SIZE ((size_t)600 * 1000)
#define MAX_BYTES ((uint64_t)100 << 20)

struct fixture {
	char uri[PG_URI_SIZE];
	struct db *db;
	struct cache *cache;
	char dir[64];
	int64_t fills; /* the counters at the start of the test */
	int64_t corrupt;
};
extern struct fixture fixture;

int fixture_setup(void **state);
int fixture_teardown(void **state);
#define FIXTURE_TEST(f) cmocka_unit_test_setup_teardown(f, fixture_setup, fixture_teardown)

/* The cache as after a restart of the service. */
void fixture_restart(uint64_t max_bytes);

/* Deletes the directory and what it is in. */
void fixture_delete_dir(void);
int fixture_count_files(void);

/* Where an artifact's file is. */
const char *fixture_path(const struct artifact *artifact); /* until the thread's next call */

void fixture_fill(const struct artifact *artifact);
/* Uploads SIZE bytes of that seed and fills. */
struct artifact fixture_warm(unsigned seed);

void assert_counts(int64_t more_fills, int64_t more_corrupt);
void assert_bytes(int fd, unsigned seed, size_t size);
void assert_cold(const struct artifact *artifact);
void assert_serves(const struct artifact *artifact, unsigned seed);

#endif
