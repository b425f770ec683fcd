/* The ranges in the snapshot: they name exactly whom each entry alone would name, through every change. */
#include "unit.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "alloc.h"
#include "common/digest.h"
#include "common/err.h"
#include "fleet/fleet.h"
#include "fleet/fleet_order.h"
#include "fleet/ranges.h"
#include "fleet/standings.h"

enum { PRODUCTS = 3, ROLLOUTS = 12, EACH_MAX = 40, ROUNDS = 60, ASKED = 200, HITS_MAX = 4096 };

/* What there should be. */
struct entry {
	int64_t rollout;
	struct range range;
};
static struct entry naive[ROLLOUTS * EACH_MAX];
static size_t naive_count;
static unsigned seed;

static int64_t product_of(int64_t rollout)
{
	return 1 + rollout % PRODUCTS;
}

static unsigned below(unsigned n)
{
	return (unsigned)rand_r(&seed) % n;
}

static struct range parsed(const char *text)
{
	struct range r;
	struct err err = {0};
	if (!range_parse(text, strlen(text), &r, &err)) {
		fail_msg("%s: %s", text, err.text);
	}
	r.said = NULL;
	return r;
}

/* --- what it answers, and what it should --- */

struct hits {
	char texts[HITS_MAX][RANGE_TEXT_SIZE + 24];
	size_t count;
};

static void note(struct hits *h, int64_t rollout, const char *text)
{
	assert_true(h->count < HITS_MAX);
	snprintf(h->texts[h->count++], sizeof h->texts[0], "%lld %s", (long long)rollout, text);
}

static void visit(void *ctx, const struct ranges_hit *hit)
{
	char text[RANGE_TEXT_SIZE];
	ranges_hit_text(hit, text);
	note(ctx, hit->rollout_id, text);
}

static int by_text(const void *a, const void *b)
{
	return strcmp(a, b);
}

static void assert_same_answer(const struct ranges *r, int64_t product, const char *id)
{
	static struct hits told;
	static struct hits wanted;
	told.count = wanted.count = 0;
	ranges_match(r, product, id, visit, &told);
	for (size_t i = 0; i < naive_count; i++) {
		if (product_of(naive[i].rollout) == product && range_names(&naive[i].range, id)) {
			char text[RANGE_TEXT_SIZE];
			range_text(&naive[i].range, text);
			note(&wanted, naive[i].rollout, text);
		}
	}
	qsort(told.texts, told.count, sizeof *told.texts, by_text);
	qsort(wanted.texts, wanted.count, sizeof *wanted.texts, by_text);
	if (told.count != wanted.count) {
		fail_msg("%s: %zu entries instead of %zu", id, told.count, wanted.count);
	}
	for (size_t i = 0; i < told.count; i++) {
		assert_string_equal(told.texts[i], wanted.texts[i]);
	}
}

/* --- changes --- */

static void drop(int64_t rollout)
{
	size_t kept = 0;
	for (size_t i = 0; i < naive_count; i++) {
		naive[kept] = naive[i];
		kept += naive[i].rollout != rollout;
	}
	naive_count = kept;
}

static void apply(struct ranges *r, const int64_t *rollouts, size_t n)
{
	struct ranges_edit *e = ranges_edit_new(r, rollouts, n);
	assert_non_null(e);
	for (size_t i = 0; i < naive_count; i++) {
		bool named = !rollouts;
		for (size_t j = 0; j < n; j++) {
			named = named || naive[i].rollout == rollouts[j];
		}
		if (named) {
			assert_true(ranges_edit_add(e, product_of(naive[i].rollout), naive[i].rollout, &naive[i].range));
		}
	}
	assert_true(ranges_edit_build(e));
	ranges_edit_swap(r, e);
	ranges_edit_free(&e);
	assert_int_equal(ranges_count(r), naive_count);
}

static void put(struct ranges *r, int64_t rollout, const char *const *entries, size_t n)
{
	drop(rollout);
	for (size_t i = 0; i < n; i++) {
		naive[naive_count++] = (struct entry){rollout, parsed(entries[i])};
	}
	apply(r, &rollout, 1);
}

/* --- random: few digits, so that ranges overlap, prefixes nest and ends meet --- */

static void random_id(char out[RANGE_ID_SIZE])
{
	static const char *const other[] = {
		"DEF1LUK",     "DEF1L2G",       "DEF1", "D",
		"C8934600000", "C89346000000F", "ZZ",   "0123456789012345678901234567890123456789012345678901234567890123"};
	if (below(6) == 0) {
		snprintf(out, RANGE_ID_SIZE, "%s", other[below(COUNT(other))]);
	} else {
		snprintf(out, RANGE_ID_SIZE, "C893%02X0000%02X", below(3) * 0x55, below(32));
	}
}

static struct range random_range(void)
{
	char a[RANGE_ID_SIZE];
	char b[RANGE_ID_SIZE];
	char text[2 * RANGE_ID_SIZE];
	uint64_t mac;
	random_id(a);
	random_id(b);
	unsigned kind = below(3);
	if (kind == 0 && range_mac(a, &mac) && range_mac(b, &mac)) {
		snprintf(text, sizeof text, "%s~%s", strcmp(a, b) < 0 ? a : b, strcmp(a, b) < 0 ? b : a);
	} else if (kind == 1) {
		snprintf(text, sizeof text, "%.*s*", 1 + (int)below((unsigned)strlen(a)), a);
	} else {
		snprintf(text, sizeof text, "%s", a);
	}
	return parsed(text);
}

static void ask_all(const struct ranges *r)
{
	for (int i = 0; i < ASKED; i++) {
		char id[RANGE_ID_SIZE];
		random_id(id);
		for (int64_t product = 0; product <= PRODUCTS + 1; product++) {
			assert_same_answer(r, product, id);
		}
	}
	for (int64_t rollout = 1; rollout <= ROLLOUTS; rollout++) {
		bool has = false;
		for (size_t i = 0; i < naive_count; i++) {
			has = has || naive[i].rollout == rollout;
		}
		assert_int_equal(ranges_has(r, rollout), has);
	}
}

static void every_answer_is_that_of_a_naive_matcher(void **state)
{
	(void)state;
	for (seed = 1; seed <= 4;) {
		unsigned began = seed;
		struct ranges *r = ranges_new();
		naive_count = 0;
		for (int round = 0; round < ROUNDS; round++) {
			int64_t rollouts[3];
			size_t n = 1 + below(3);
			for (size_t i = 0; i < n; i++) {
				rollouts[i] = 1 + below(ROLLOUTS);
				drop(rollouts[i]);
				for (unsigned j = below(4) ? below(EACH_MAX) : 0; j > 0; j--) {
					naive[naive_count++] = (struct entry){rollouts[i], random_range()};
				}
			}
			apply(r, below(8) ? rollouts : NULL, n);
			ask_all(r);
		}
		ranges_free(&r);
		seed = began + 1;
	}
}

/* --- by hand --- */

static void the_ends_of_the_address_space_are_named(void **state)
{
	(void)state;
	static const char *const entries[] = {
		"000000000000~000000000000", "FFFFFFFFFFFF~FFFFFFFFFFFF", "000000000000~FFFFFFFFFFFF", "000000000000", "FFFFFFFFFFFF",
		"7FFFFFFFFFFF~800000000000"};
	struct ranges *r = ranges_new();
	naive_count = 0;
	put(r, 1, entries, COUNT(entries));
	static const char *const asked[] = {"000000000000", "000000000001", "7FFFFFFFFFFE", "7FFFFFFFFFFF",
					    "800000000000", "800000000001", "FFFFFFFFFFFE", "FFFFFFFFFFFF"};
	for (size_t i = 0; i < COUNT(asked); i++) {
		assert_same_answer(r, product_of(1), asked[i]);
	}
	ranges_free(&r);
}

static void the_same_entry_in_many_rollouts_is_told_of_each(void **state)
{
	(void)state;
	static const char *const entries[] = {"DEF1LUK", "DEF1*", "C89346000000~C893460000FF", "C8934600000A"};
	struct ranges *r = ranges_new();
	naive_count = 0;
	for (int64_t rollout = 1; rollout <= ROLLOUTS; rollout++) {
		put(r, rollout, entries, COUNT(entries));
	}
	for (int64_t product = 1; product <= PRODUCTS; product++) {
		assert_same_answer(r, product, "DEF1LUK");
		assert_same_answer(r, product, "C8934600000A");
	}
	put(r, 5, NULL, 0);
	assert_false(ranges_has(r, 5));
	assert_same_answer(r, product_of(5), "DEF1LUK");
	ranges_free(&r);
}

static void an_edit_that_is_given_up_changes_nothing(void **state)
{
	(void)state;
	static const char *const entries[] = {"DEF1*", "C89346000000~C893460000FF"};
	struct ranges *r = ranges_new();
	naive_count = 0;
	put(r, 1, entries, 2);
	struct range other = parsed("ZZ");
	const int64_t rollout = 1;
	for (int build = 0; build < 2; build++) {
		struct ranges_edit *e = ranges_edit_new(r, &rollout, 1);
		assert_true(ranges_edit_add(e, product_of(1), 1, &other));
		assert_true(!build || ranges_edit_build(e));
		ranges_edit_free(&e);
	}
	assert_same_answer(r, product_of(1), "DEF1LUK");
	assert_same_answer(r, product_of(1), "ZZ");
	assert_same_answer(r, product_of(1), "C8934600000A");
	ranges_free(&r);
}

static void an_edit_without_memory_changes_nothing(void **state)
{
	(void)state;
	static const char *const entries[] = {"DEF1*", "C89346000000~C893460000FF"};
	struct ranges *r = ranges_new();
	naive_count = 0;
	put(r, 1, entries, 2);
	struct range added[2] = {parsed("ZZ"), parsed("C89346000000~C893460000FF")};
	const int64_t rollouts[] = {1, 2};
	bool failed = true;
	for (unsigned nth = 1; failed; nth++) {
		alloc_fail_nth(nth);
		struct ranges_edit *e = ranges_edit_new(r, rollouts, 2);
		bool ok = e && ranges_edit_add(e, product_of(2), 2, &added[0]) && ranges_edit_add(e, product_of(2), 2, &added[1]) &&
			  ranges_edit_add(e, product_of(1), 1, &added[0]) && ranges_edit_build(e);
		ranges_edit_free(&e);
		failed = alloc_failed();
		alloc_fail_nth(0);
		assert_true(ok || failed);
		assert_same_answer(r, product_of(1), "DEF1LUK");
		assert_false(ranges_has(r, 2));
	}
	ranges_free(&r);
}

static void a_row_takes_about_24_bytes(void **state)
{
	(void)state;
	enum { ROWS = 100000 };
	struct ranges *r = ranges_new();
	struct ranges_edit *e = ranges_edit_new(r, NULL, 0);
	for (unsigned i = 0; i < ROWS; i++) {
		char text[RANGE_TEXT_SIZE];
		snprintf(text, sizeof text, "C893%08X~C893%08X", i * 16, i * 16 + 9);
		struct range range = parsed(text);
		assert_true(ranges_edit_add(e, 1, 1 + i / 100, &range));
		snprintf(text, sizeof text, "C893%08X", i * 16 + 12);
		range = parsed(text);
		assert_true(ranges_edit_add(e, 1, 1 + i / 100, &range));
	}
	assert_true(ranges_edit_build(e));
	ranges_edit_swap(r, e);
	ranges_edit_free(&e);
	assert_in_range(ranges_bytes(r), 24 * 2 * ROWS, 25 * 2 * ROWS);
	e = ranges_edit_new(r, NULL, 0);
	for (unsigned i = 0; i < ROWS; i++) {
		char text[RANGE_TEXT_SIZE];
		snprintf(text, sizeof text, "D%07u*", i);
		struct range range = parsed(text);
		assert_true(ranges_edit_add(e, 1, 1 + i / 100, &range));
	}
	assert_true(ranges_edit_build(e));
	ranges_edit_swap(r, e);
	ranges_edit_free(&e);
	assert_in_range(ranges_bytes(r), 24 * ROWS, 27 * ROWS);
	ranges_free(&r);
}

/* --- with readers --- */

static struct fleet *fleet;
static _Atomic(bool) over;
static _Atomic(size_t) answers;

static void count(void *ctx, const struct ranges_hit *hit)
{
	char text[RANGE_TEXT_SIZE];
	ranges_hit_text(hit, text);
	*(size_t *)ctx += *text != '\0';
}

/* At all times each of the two files has one entry that names the device. */
static void *ask(void *arg)
{
	bool *wrong = arg;
	while (!over) {
		size_t hits = 0;
		fleet_read(fleet);
		ranges_match(fleet_ranges(fleet), 1, "C8934600000A", count, &hits);
		fleet_done(fleet);
		if (hits != 2) {
			*wrong = true;
		}
		answers++;
	}
	return NULL;
}

static void put_ranges(const int64_t *rollouts, size_t n, const char *entry)
{
	struct ranges_edit *e = ranges_edit_new(fleet_ranges(fleet), rollouts, n);
	struct range range = parsed(entry);
	for (size_t i = 0; i < n; i++) {
		assert_true(ranges_edit_add(e, 1, rollouts[i], &range));
	}
	assert_true(ranges_edit_build(e));
	fleet_write(fleet);
	fleet_put_ranges(fleet, e);
	fleet_done(fleet);
	ranges_edit_free(&e);
}

static void readers_see_the_old_or_the_new(void **state)
{
	(void)state;
	static const char *const entries[] = {"C893*", "C89346000000~C893460000FF", "C8934600000A"};
	static const int64_t rollouts[] = {1, 2};
	struct digest_key *key = digest_key_new("key", 3);
	pthread_t readers[2];
	bool wrong[2] = {false, false};
	fleet = fleet_new(key, 1000);
	put_ranges(rollouts, 2, entries[0]);
	for (int i = 0; i < 2; i++) {
		assert_int_equal(pthread_create(&readers[i], NULL, ask, &wrong[i]), 0);
	}
	for (unsigned round = 0; round < 3000 || answers < 1000; round++) {
		put_ranges(&rollouts[round % 2], round % 6 == 0 ? 2 : 1, entries[round % COUNT(entries)]);
	}
	over = true;
	for (int i = 0; i < 2; i++) {
		pthread_join(readers[i], NULL);
		assert_false(wrong[i]);
	}
	fleet_free(&fleet);
	digest_key_free(&key);
}

/* --- and the rollouts they are of --- */

static void only_its_row_opens_a_rollout_to_all(void **state)
{
	(void)state;
	struct digest_key *key = digest_key_new("key", 3);
	const int64_t id = 1;
	fleet = fleet_new(key, 1000);
	struct rollout r = {.id = 1, .way = WAY_STANDING, .product_id = 1, .firmware_id = 7, .component = "app", .named = true};
	assert_true(fleet_put_standing(fleet, &r));
	assert_true(standings_get(fleet_standings(fleet), 1)->named); /* before they are here: for nobody */
	put_ranges(&id, 1, "A*");
	assert_true(standings_get(fleet_standings(fleet), 1)->named);
	struct ranges_edit *e = ranges_edit_new(fleet_ranges(fleet), &id, 1);
	assert_true(ranges_edit_build(e));
	fleet_put_ranges(fleet, e);
	ranges_edit_free(&e);
	assert_false(ranges_has(fleet_ranges(fleet), 1));
	assert_true(standings_get(fleet_standings(fleet), 1)->named); /* it may be in test by now */
	r.named = false;
	assert_true(fleet_put_standing(fleet, &r));
	assert_false(standings_get(fleet_standings(fleet), 1)->named);
	fleet_free(&fleet);
	digest_key_free(&key);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_answer_is_that_of_a_naive_matcher),
		cmocka_unit_test(the_ends_of_the_address_space_are_named),
		cmocka_unit_test(the_same_entry_in_many_rollouts_is_told_of_each),
		cmocka_unit_test(an_edit_that_is_given_up_changes_nothing),
		cmocka_unit_test(an_edit_without_memory_changes_nothing),
		cmocka_unit_test(a_row_takes_about_24_bytes),
		cmocka_unit_test(readers_see_the_old_or_the_new),
		cmocka_unit_test(only_its_row_opens_a_rollout_to_all),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
