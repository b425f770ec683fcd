#include "cache_fixture.h"

#include <ftw.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "artifact/cache.h"
#include "common/err.h"
#include "common/scoped.h"
#include "common/text.h"
#include "metrics/metrics.h"
#include "model/nouns.h"
#include "store/db.h"
#include "upload.h"

#define TOP "/tmp/otad-cache.XXXXXX"
enum { TOP_LEN = sizeof TOP - 1 };

struct fixture fixture;

void fixture_restart(uint64_t max_bytes)
{
	cache_free(&fixture.cache);
	struct err err = {0};
	fixture.cache = cache_new(fixture.dir, max_bytes, &err);
	if (!fixture.cache) {
		fail_msg("%s", err.text);
	}
}

int fixture_setup(void **state)
{
	(void)state;
	pg_fresh(fixture.uri);
	fixture.db = upload_connect(fixture.uri);
	snprintf(fixture.dir, sizeof fixture.dir, TOP "/a/b");
	fixture.dir[TOP_LEN] = '\0';
	assert_non_null(mkdtemp(fixture.dir));
	fixture.dir[TOP_LEN] = '/';
	fixture_restart(MAX_BYTES);
	fixture.fills = metrics_get(METRIC_CACHE_FILLS);
	fixture.corrupt = metrics_get(METRIC_CACHE_CORRUPT);
	return 0;
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)st, (void)type, (void)ftw;
	return remove(path);
}

void fixture_delete_dir(void)
{
	fixture.dir[TOP_LEN] = '\0';
	nftw(fixture.dir, remove_one, 16, FTW_DEPTH | FTW_PHYS);
	fixture.dir[TOP_LEN] = '/';
}

int fixture_teardown(void **state)
{
	(void)state;
	cache_free(&fixture.cache);
	db_close(&fixture.db);
	fixture_delete_dir();
	return 0;
}

void assert_counts(int64_t more_fills, int64_t more_corrupt)
{
	assert_int_equal(metrics_get(METRIC_CACHE_FILLS) - fixture.fills, more_fills);
	assert_int_equal(metrics_get(METRIC_CACHE_CORRUPT) - fixture.corrupt, more_corrupt);
}

static int files_seen;
static int count_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)path, (void)st, (void)ftw;
	files_seen += type == FTW_F;
	return 0;
}

int fixture_count_files(void)
{
	files_seen = 0;
	nftw(fixture.dir, count_one, 16, FTW_PHYS);
	return files_seen;
}

const char *fixture_path(const struct artifact *artifact)
{
	static _Thread_local char path[200];
	char hex[65];
	text_hex(hex, artifact->sha256, 32);
	snprintf(path, sizeof path, "%s/%.2s/%s", fixture.dir, hex, hex);
	return path;
}

void assert_bytes(int fd, unsigned seed, size_t size)
{
	scoped_free uint8_t *right = malloc(size);
	scoped_free uint8_t *got = malloc(size + 1);
	upload_bytes(right, size, seed);
	assert_int_equal(pread(fd, got, size + 1, 0), size);
	assert_memory_equal(got, right, size);
}

void assert_cold(const struct artifact *artifact)
{
	assert_int_equal(cache_open_file(fixture.cache, artifact), -1);
}

void assert_serves(const struct artifact *artifact, unsigned seed)
{
	scoped_close int fd = cache_open_file(fixture.cache, artifact);
	assert_true(fd >= 0);
	assert_bytes(fd, seed, (size_t)artifact->size);
}

void fixture_fill(const struct artifact *artifact)
{
	struct err err = {0};
	if (!cache_fill(fixture.cache, fixture.db, artifact, &err)) {
		fail_msg("%s", err.text);
	}
}

struct artifact fixture_warm(unsigned seed)
{
	struct artifact artifact = upload(fixture.db, seed, SIZE, SIZE);
	fixture_fill(&artifact);
	return artifact;
}
