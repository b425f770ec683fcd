/* Devices that check when they start: offered, installed, rolled back. */
#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "common/digest.h"
#include "common/text.h"
#include "engine/check.h"
#include "metrics/metrics.h"
#include "site.h"

static struct replica *r;

/* The product's rollout is called by the version that its devices run: operators do that. */
static int start(void **state)
{
	(void)state;
	site_new();
	site_run("UPDATE products SET identity = 'mac'");
	site_run("UPDATE devices SET bound_at = now(), mac = lpad(id::text, 12, '0')");
	site_run("UPDATE firmware SET chip = 'esp32s3', image_version = version, elf_sha256 = sha256('built') WHERE name = '" SITE_KNOWN_3
		 "'");
	site_run("INSERT INTO rollouts (kind, way, product_id, firmware_id, component, version_name, created_by) SELECT 'standing', "
		 "'standing', 1, id, 'app', '1.0', 'alice' FROM firmware WHERE name = '" SITE_KNOWN_3 "'");
	r = replica_start("");
	return 0;
}

static int stop(void **state)
{
	(void)state;
	replica_stop(&r);
	return 0;
}

struct checked {
	struct answer done;
	struct check_answer answer;
};

static void answered(void *ctx, const struct check_answer *answer, const struct err *err)
{
	struct checked *c = ctx;
	if (err) {
		c->done.err = *err;
	} else {
		c->answer = *answer;
	}
	__atomic_store_n(&c->done.done, true, __ATOMIC_RELEASE);
}

/* The device starts with a version and the build of that name. */
static struct check_answer check(const char *device, const char *version, const char *build)
{
	static struct told told;
	struct checked c = {0};
	struct check asks = {.told = &told};
	memset(&told, 0, sizeof told);
	told.read = told.has_elf = true;
	digest_sha256(told.elf_sha256, build, strlen(build));
	text_copy(told.board_name, sizeof told.board_name, "lamp");
	text_copy(told.chip, sizeof told.chip, "esp32s3");
	told.partitions[told.partition_count++] = (struct told_partition){"ota_0", 0, 16, SITE_SIZE};
	told.partitions[told.partition_count++] = (struct told_partition){"ota_1", 0, 17, SITE_SIZE};
	text_copy(asks.version, sizeof asks.version, version);
	snprintf(asks.mac, sizeof asks.mac, "%012" PRId64, site_id(device));
	for (int64_t late = -1; late != metrics_get(METRIC_CHECKS_LATE);) { /* a slow machine: the device starts once more */
		late = metrics_get(METRIC_CHECKS_LATE);
		c.done.done = false;
		if (!check_now(r->engine, &asks, &c.answer)) {
			check_later(r->engine, &asks, answered, &c);
			answer_wait(&c.done);
			assert_done(c.done, ERR_NONE);
		}
	}
	return c.answer;
}

static int64_t task_of(const char *device)
{
	return site_number("SELECT coalesce(max(id), 0) FROM tasks WHERE device_id = %" PRId64, site_id(device));
}

static void a_rollout_is_offered_for_its_image_whatever_it_is_called(void **state)
{
	(void)state;
	const char *device = site_device();
	struct check_answer first = check(device, "1.0", "old");
	assert_true(first.offered);
	assert_false(first.force);
	site_until_task(task_of(device), "notified");
	struct check_answer again = check(device, "1.0", "old");
	assert_true(again.offered);
	assert_string_equal(again.offer.alias, first.offer.alias);
}

static void a_device_that_comes_with_the_build_has_succeeded_and_is_offered_nothing(void **state)
{
	(void)state;
	const char *device = site_device();
	check(device, "1.0", "old");
	assert_false(check(device, "3.0", "built").offered);
	site_until_task(task_of(device), "succeeded");
	assert_false(check(device, "3.0", "built").offered);
	assert_int_equal(site_number("SELECT count(*) FROM tasks WHERE device_id = %" PRId64, site_id(device)), 1);
}

static void the_version_alone_is_no_success(void **state)
{
	(void)state;
	const char *device = site_device();
	check(device, "1.0", "old");
	assert_false(check(device, "3.0", "by hand").offered); /* not newer */
	assert_true(site_task_is(task_of(device), "notified"));
}

static void a_device_that_rolled_back_is_not_offered_it_again(void **state)
{
	(void)state;
	const char *device = site_device();
	struct check_answer first = check(device, "1.0", "old");
	assert_int_equal(fetch(r, first.offer.alias, 0, SITE_SIZE), ERR_NONE);
	site_until_task(task_of(device), "downloaded");
	assert_false(check(device, "1.0", "old").offered);
	site_until(1, "SELECT count(*) FROM tasks WHERE id = %" PRId64 " AND state = 'failed' AND code = 'rolled_back'", task_of(device));
	assert_false(check(device, "1.0", "old").offered);
}

static void a_push_of_what_is_not_newer_is_forced(void **state)
{
	(void)state;
	const char *device = site_device();
	check(device, "3.0", "by hand");
	int64_t task = push(r, device, SITE_KNOWN_3);
	struct check_answer offered = check(device, "3.0", "by hand");
	assert_true(offered.offered && offered.force);
	assert_int_equal(fetch(r, offered.offer.alias, 0, SITE_SIZE), ERR_NONE);
	site_until_task(task, "downloaded");
	assert_false(check(device, "3.0", "built").offered);
	site_until_task(task, "succeeded");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		SITE_TEST(a_rollout_is_offered_for_its_image_whatever_it_is_called),
		SITE_TEST(a_device_that_comes_with_the_build_has_succeeded_and_is_offered_nothing),
		SITE_TEST(the_version_alone_is_no_success),
		SITE_TEST(a_device_that_rolled_back_is_not_offered_it_again),
		SITE_TEST(a_push_of_what_is_not_newer_is_forced),
	};
	return cmocka_run_group_tests(tests, start, stop);
}
