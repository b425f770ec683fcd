/* Products and forced fixes in the snapshot: whose a board is, whatever the order of changes; what is replaced is gone. */
#include "unit.h"

#include <stdbool.h>
#include <string.h>

#include "alloc.h"
#include "common/digest.h"
#include "common/text.h"
#include "fleet/fleet.h"
#include "fleet/products.h"
#include "model/fix.h"

static struct fleet *fleet;
static struct digest_key *key;

static int setup(void **state)
{
	(void)state;
	key = digest_key_new("key", 3);
	fleet = fleet_new(key, 1000);
	return fleet ? 0 : -1;
}

static int teardown(void **state)
{
	(void)state;
	fleet_free(&fleet);
	digest_key_free(&key);
	return 0;
}

static const struct voice_means nothing = {"", "", ""};

static void put(int64_t id, const char *name, const char *board)
{
	struct product p = {.id = id, .board_count = *board != '\0'};
	struct voice v = {.product_id = id};
	text_copy(p.key, sizeof p.key, name);
	text_copy(p.boards[0], sizeof p.boards[0], board);
	assert_true(fleet_put_product(fleet, &p, &v, &nothing));
}

static int64_t of_board(const char *name, const char *type)
{
	const struct fleet_product *p = fleet_product_of_board(fleet, name, type);
	return p ? p->id : 0;
}

static void a_board_is_found_by_its_name_first(void **state)
{
	(void)state;
	put(1, "lamp", "bread-compact");
	put(2, "bulb", "bread-wifi");
	assert_int_equal(of_board("lamp", ""), 1); /* a key is a board, too */
	assert_int_equal(of_board("bread-wifi", "bread-compact"), 2);
	assert_int_equal(of_board("custom", "bread-compact"), 1);
	assert_int_equal(of_board("", "bulb"), 2);
	assert_int_equal(of_board("Lamp", "bread"), 0); /* exactly */
	assert_int_equal(of_board("", ""), 0);
	assert_string_equal(fleet_product(fleet, 2)->key, "bulb");
	assert_null(fleet_product(fleet, 3));
}

static void a_board_that_moves_is_the_new_product_s_in_either_order(void **state)
{
	(void)state;
	put(1, "lamp", "b");
	put(2, "bulb", "b"); /* seen before the other has lost it */
	put(1, "lamp", "");
	assert_int_equal(of_board("b", ""), 2);
	put(2, "bulb", "");
	assert_int_equal(of_board("b", ""), 0);
	put(1, "lamp", "b");
	assert_int_equal(of_board("b", ""), 1);
	put(1, "torch", "b"); /* another key */
	assert_int_equal(of_board("lamp", ""), 0);
	assert_int_equal(of_board("torch", ""), 1);
	fleet_drop_product(fleet, 1);
	assert_int_equal(of_board("b", "torch"), 0);
	assert_null(fleet_product(fleet, 1));
}

static void everything_said_of_a_product_is_there(void **state)
{
	(void)state;
	struct product p = {.id = 1,
			    .key = "lamp",
			    .identity = IDENTITY_PINNED,
			    .unbound_updates = true,
			    .boards = {"a", "b"},
			    .board_count = 2,
			    .partitions = {"assets"},
			    .partition_count = 1};
	struct voice v = {.product_id = 1, .mqtt = VOICE_GATEWAY, .ws_url = "wss://v.example.com/", .ws_version = 3};
	struct voice_means means = {"mqtt.example.com:1883", "TestKey123", "the token"};
	assert_true(fleet_put_product(fleet, &p, &v, &means));
	const struct fleet_product *own = fleet_product_of_board(fleet, "b", "");
	assert_non_null(own);
	assert_int_equal(own->identity, IDENTITY_PINNED);
	assert_true(own->unbound_updates);
	assert_int_equal(own->board_count, 2);
	assert_string_equal(own->boards[1], "b");
	assert_int_equal(own->partition_count, 1);
	assert_string_equal(own->partitions[0], "assets");
	assert_int_equal(own->voice.mqtt, VOICE_GATEWAY);
	assert_string_equal(own->voice.endpoint, "mqtt.example.com:1883");
	assert_string_equal(own->voice.ws_url, "wss://v.example.com/");
	assert_string_equal(own->voice.ws_token, "the token");
	assert_int_equal(own->voice.ws_version, 3);
	uint8_t mac[2][DIGEST_SHA256_LEN];
	struct digest_key *same = digest_key_new("TestKey123", 10);
	digest_mac(own->voice.gateway_key, "text", 4, mac[0]);
	digest_mac(same, "text", 4, mac[1]);
	digest_key_free(&same);
	assert_memory_equal(mac[0], mac[1], sizeof mac[0]);
}

static void a_product_without_a_voice_has_our_broker_and_nothing_else(void **state)
{
	(void)state;
	struct product p = {.id = 1, .key = "lamp"};
	struct voice v = {.product_id = 1, .mqtt = VOICE_GATEWAY, .ws_url = "ws://v"};
	struct voice_means means = {"gateway", "key", "token"};
	assert_true(fleet_put_product(fleet, &p, &v, &means));
	put(1, "lamp", "");
	const struct fleet_voice *voice = &fleet_product(fleet, 1)->voice;
	assert_int_equal(voice->mqtt, VOICE_OWN);
	assert_string_equal(voice->endpoint, "");
	assert_null(voice->gateway_key);
	assert_string_equal(voice->ws_url, "");
	assert_string_equal(voice->ws_token, "");
}

static void a_full_load_drops_what_it_did_not_see(void **state)
{
	(void)state;
	struct fix fix = {.id = 1, .from_version = "0.9.8", .board = "bread-*"};
	put(1, "lamp", "a");
	put(2, "bulb", "b");
	assert_true(fleet_put_fix(fleet, &fix));
	fleet_load_begin(fleet);
	put(2, "bulb", "b");
	fleet_load_end(fleet);
	assert_int_equal(of_board("a", "lamp"), 0);
	assert_int_equal(of_board("b", ""), 2);
	assert_false(fleet_is_forced_fix(fleet, "0.9.8", "bread-compact", ""));
	fleet_forget(fleet);
	assert_int_equal(of_board("b", ""), 0);
}

static void a_forced_fix_is_put_replaced_and_dropped(void **state)
{
	(void)state;
	struct fix first = {.id = 1, .from_version = "0.9.8", .board = "bread-*"};
	struct fix second = {.id = 2, .from_version = "1.0", .board = "lamp"};
	assert_false(fleet_is_forced_fix(fleet, "0.9.8", "bread-compact", ""));
	assert_true(fleet_put_fix(fleet, &first) && fleet_put_fix(fleet, &second));
	assert_true(fleet_is_forced_fix(fleet, "0.9.8", "", "bread-compact"));
	assert_true(fleet_is_forced_fix(fleet, "1.0", "lamp", ""));
	assert_false(fleet_is_forced_fix(fleet, "1.0", "bread-compact", ""));
	text_copy(first.from_version, sizeof first.from_version, "0.9.9");
	assert_true(fleet_put_fix(fleet, &first));
	assert_false(fleet_is_forced_fix(fleet, "0.9.8", "bread-compact", ""));
	assert_true(fleet_is_forced_fix(fleet, "0.9.9", "bread-compact", ""));
	fleet_drop_fix(fleet, 1);
	assert_false(fleet_is_forced_fix(fleet, "0.9.9", "bread-compact", ""));
	assert_true(fleet_is_forced_fix(fleet, "1.0", "lamp", ""));
}

/* Whatever fails, the old or the new is there, and no board leads astray. */
static void lack_of_memory_leaves_the_old_or_the_new(void **state)
{
	(void)state;
	bool failed = true;
	for (unsigned n = 1; failed; n++) {
		struct product p = {.id = 1, .key = "torch", .boards = {"b"}, .board_count = 1};
		struct voice v = {.product_id = 1, .mqtt = VOICE_GATEWAY, .ws_url = "ws://v"};
		struct voice_means means = {"gateway", "key", "token"};
		fleet_free(&fleet);
		fleet = fleet_new(key, 1000);
		put(1, "lamp", "a");
		for (int64_t id = 2; id < 13; id++) { /* the maps are about to grow */
			char name[] = {(char)('A' + id), '\0'};
			put(id, name, "");
		}
		alloc_fail_nth(n);
		bool ok = fleet_put_product(fleet, &p, &v, &means);
		failed = alloc_failed();
		alloc_fail_nth(0);
		assert_int_equal(ok, !failed);
		const struct fleet_product *own = fleet_product(fleet, 1);
		assert_non_null(own);
		bool is_new = strcmp(own->key, "torch") == 0;
		assert_int_equal(own->voice.gateway_key != NULL, is_new);
		assert_int_equal(of_board("a", ""), is_new ? 0 : 1);
		assert_true(is_new || of_board("b", "torch") == 0);
		struct fix fix = {.id = 1, .from_version = "1", .board = "a"};
		alloc_fail_nth(1);
		assert_false(fleet_put_fix(fleet, &fix));
		assert_false(fleet_is_forced_fix(fleet, "1", "a", ""));
	}
}

int main(void)
{
#define WITH(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		WITH(a_board_is_found_by_its_name_first),       WITH(a_board_that_moves_is_the_new_product_s_in_either_order),
		WITH(everything_said_of_a_product_is_there),    WITH(a_product_without_a_voice_has_our_broker_and_nothing_else),
		WITH(a_full_load_drops_what_it_did_not_see),    WITH(a_forced_fix_is_put_replaced_and_dropped),
		WITH(lack_of_memory_leaves_the_old_or_the_new),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
