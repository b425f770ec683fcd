#include "unit.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fleet/devices.h"

static struct devices *d;

static int setup(void **state)
{
	(void)state;
	d = devices_new();
	return d ? 0 : -1;
}

static int teardown(void **state)
{
	(void)state;
	devices_free(&d);
	assert_null(d);
	return 0;
}

static struct device_entry *by_name(const char *name)
{
	return devices_by_name(d, name, strlen(name));
}

static const char *runs(const struct device_entry *e)
{
	return devices_version(d, e, "app");
}

static struct device_entry *put(int64_t id, const char *name, int64_t product_id, const char *version)
{
	struct device_entry *e = devices_put(d, id, name, product_id);
	assert_true(devices_set_version(d, e, "app", version));
	return e;
}

static void a_device_is_found_by_name_and_by_id(void **state)
{
	(void)state;
	struct device_entry *e = put(5, "esp-5", 2, "1.0");
	assert_non_null(e);
	assert_ptr_equal(by_name("esp-5"), e);
	assert_ptr_equal(devices_by_id(d, 5), e);
	assert_string_equal(devices_name(d, e), "esp-5");
	assert_string_equal(runs(e), "1.0");
	assert_int_equal(e->product_id, 2);
	assert_null(by_name("esp-"));
	assert_null(by_name("esp-55"));
	assert_null(by_name(""));
	assert_null(devices_by_id(d, 6));
	assert_int_equal(devices_count(d), 1);
}

static void putting_it_again_changes_it_in_place(void **state)
{
	(void)state;
	struct device_entry *e = put(5, "esp-5", 2, "1.0");
	e->seen_s = 77;
	assert_ptr_equal(put(5, "esp-5", 3, "2.0"), e);
	assert_int_equal(e->product_id, 3);
	assert_string_equal(runs(e), "2.0");
	assert_int_equal(e->seen_s, 77);
	assert_int_equal(devices_count(d), 1);
}

static void a_new_name_replaces_the_old_one(void **state)
{
	(void)state;
	devices_put(d, 5, "old", 2);
	struct device_entry *e = devices_put(d, 5, "new", 2);
	assert_ptr_equal(by_name("new"), e);
	assert_ptr_equal(devices_by_id(d, 5), e);
	assert_null(by_name("old"));
	assert_int_equal(devices_count(d), 1);
	assert_non_null(devices_put(d, 6, "old", 2)); /* the name is free */
	assert_int_equal(by_name("old")->id, 6);
}

static void a_removed_device_is_gone_and_its_record_used_again(void **state)
{
	(void)state;
	struct device_entry *e = devices_put(d, 5, "a", 2);
	devices_remove(d, 5);
	devices_remove(d, 5);
	assert_null(by_name("a"));
	assert_null(devices_by_id(d, 5));
	assert_int_equal(devices_count(d), 0);
	assert_ptr_equal(devices_put(d, 6, "b", 1), e);
	assert_int_equal(e->seen_s, 0);
}

static void what_does_not_fit_is_refused(void **state)
{
	(void)state;
	char name[300];
	memset(name, 'x', sizeof name);
	name[256] = '\0';
	assert_null(devices_put(d, 1, name, 1));
	name[255] = '\0';
	assert_non_null(devices_put(d, 1, name, 1));
	assert_ptr_equal(by_name(name), devices_by_id(d, 1));
	assert_null(devices_put(d, 2, "", 1));
	assert_null(devices_put(d, 3, "a", (int64_t)UINT32_MAX + 1));
	assert_null(devices_put(d, 3, "a", 1 << 29));
	assert_null(devices_put(d, 1, name, 1 << 29));
	assert_int_equal(devices_count(d), 1);
}

/* Pointers stay good while the table grows. */
static void records_do_not_move(void **state)
{
	(void)state;
	char name[24];
	struct device_entry *first = devices_put(d, 1, "n1", 1);
	for (int64_t i = 2; i <= 20000; i++) {
		snprintf(name, sizeof name, "n%d", (int)i);
		assert_non_null(put(i * 1000003, name, 1, i % 2 ? "1.0" : "2.0"));
	}
	assert_ptr_equal(by_name("n1"), first);
	for (int64_t i = 2; i <= 20000; i++) {
		snprintf(name, sizeof name, "n%d", (int)i);
		struct device_entry *e = by_name(name);
		assert_non_null(e);
		assert_int_equal(e->id, i * 1000003);
		assert_ptr_equal(devices_by_id(d, e->id), e);
		assert_string_equal(runs(e), i % 2 ? "1.0" : "2.0");
	}
	assert_int_equal(devices_count(d), 20000);
}

enum { IDS = 600 };

static void agrees_with_an_array_under_random_changes(void **state)
{
	(void)state;
	int names[IDS] = {0}; /* number in the device's name; 0 = no such device */
	char name[24];
	srand(1);
	for (int i = 0; i < 30000; i++) {
		int64_t id = 1 + rand() % (IDS - 1);
		if (rand() % 3 == 0) {
			devices_remove(d, id);
			names[id] = 0;
			continue;
		}
		names[id] = (int)id + IDS * (1 + rand() % 5); /* never another device's */
		snprintf(name, sizeof name, "n%d", names[id]);
		assert_non_null(put(id, name, 1, name));
	}
	size_t count = 0;
	for (int64_t id = 1; id < IDS; id++) {
		const struct device_entry *e = devices_by_id(d, id);
		assert_int_equal(e != NULL, names[id] != 0);
		if (e) {
			count++;
			snprintf(name, sizeof name, "n%d", names[id]);
			assert_string_equal(devices_name(d, e), name);
			assert_string_equal(runs(e), name);
			assert_ptr_equal(by_name(name), e);
		}
	}
	assert_int_equal(devices_count(d), count);
	size_t walked = 0;
	for (size_t at = 0; devices_next(d, &at);) {
		walked++;
	}
	assert_int_equal(walked, count);
}

static void a_name_that_spells_a_mac_is_found_by_it(void **state)
{
	(void)state;
	struct device_entry *e = devices_put(d, 5, "94_a9_90_2c_84_b8", 2);
	devices_put(d, 6, "94_A9_90_2C_84_B9", 2); /* another spelling is a name like any other */
	assert_ptr_equal(devices_by_mac(d, "94A9902C84B8"), e);
	assert_ptr_equal(devices_by_mac(d, "94a9902c84b8"), e);
	assert_true(devices_set_mac(d, e, "94A9902C84B8"));
	assert_false(e->has_mac); /* the name says it */
	assert_ptr_equal(devices_by_mac(d, "94A9902C84B8"), e);
	assert_null(devices_by_mac(d, "94A9902C84B9"));
	assert_null(devices_by_mac(d, "94A9902C84"));
	assert_null(devices_by_mac(d, "94A9902C84BX"));
	assert_null(devices_by_mac(d, ""));
	assert_false(devices_set_mac(d, e, "nonsense"));
}

static void a_mac_counts_for_more_than_the_name(void **state)
{
	(void)state;
	struct device_entry *named = devices_put(d, 5, "94_a9_90_2c_84_b8", 2);
	struct device_entry *other = devices_put(d, 6, "lamp", 2);
	assert_true(devices_set_mac(d, named, "000000000001"));
	assert_null(devices_by_mac(d, "94A9902C84B8"));
	assert_ptr_equal(devices_by_mac(d, "000000000001"), named);
	assert_true(devices_set_mac(d, other, "94A9902C84B8"));
	assert_ptr_equal(devices_by_mac(d, "94A9902C84B8"), other);
	assert_true(devices_set_mac(d, named, ""));
	assert_null(devices_by_mac(d, "000000000001"));
	devices_remove(d, 6);
	assert_ptr_equal(devices_by_mac(d, "94A9902C84B8"), named);
}

static void a_device_is_found_by_what_it_is_called_at_the_broker(void **state)
{
	(void)state;
	char name[DEVICES_MAC_NAME_SIZE];
	struct device_entry *spelt = devices_put(d, 5, "94_a9_90_2c_84_b8", 2);
	struct device_entry *lamp = devices_put(d, 6, "lamp", 2);
	struct device_entry *shouting = devices_put(d, 7, "94_A9_90_2C_84_B9", 2);
	assert_true(devices_set_mac(d, lamp, "0000000000AB"));
	assert_ptr_equal(devices_at_broker(d, "94_a9_90_2c_84_b8"), spelt);
	assert_ptr_equal(devices_at_broker(d, "lamp"), lamp);
	assert_ptr_equal(devices_at_broker(d, "00_00_00_00_00_ab"), lamp);
	assert_null(devices_at_broker(d, "00_00_00_00_00_AB"));
	assert_null(devices_at_broker(d, "00-00-00-00-00-ab"));
	assert_null(devices_at_broker(d, "0000000000ab"));
	assert_null(devices_at_broker(d, ""));
	assert_true(devices_mac_name(d, spelt, name));
	assert_string_equal(name, "94_a9_90_2c_84_b8");
	assert_true(devices_mac_name(d, lamp, name));
	assert_string_equal(name, "00_00_00_00_00_ab");
	assert_false(devices_mac_name(d, shouting, name));
	assert_string_equal(name, "");
	assert_true(devices_set_mac(d, lamp, ""));
	assert_false(devices_mac_name(d, lamp, name));
	assert_null(devices_at_broker(d, "00_00_00_00_00_ab"));
}

static void a_device_keeps_its_name_when_its_mac_moves_it(void **state)
{
	(void)state;
	struct device_entry *e = devices_put(d, 5, "lamp", 2);
	devices_put(d, 6, "desk", 2);
	assert_true(devices_set_mac(d, e, "0000000000AA")); /* not the last name any more */
	assert_string_equal(devices_name(d, e), "lamp");
	assert_string_equal(devices_name(d, by_name("desk")), "desk");
	assert_ptr_equal(by_name("lamp"), e);
	assert_true(devices_set_mac(d, e, "0000000000AB"));
	assert_null(devices_by_mac(d, "0000000000AA"));
	assert_ptr_equal(devices_by_mac(d, "0000000000AB"), e);
	e = devices_put(d, 5, "torch", 2); /* renamed: the rest is set anew */
	assert_null(devices_by_mac(d, "0000000000AB"));
	assert_true(devices_set_mac(d, e, "0000000000AB"));
	assert_ptr_equal(devices_by_mac(d, "0000000000AB"), e);
}

static void macs_agree_with_an_array_under_random_changes(void **state)
{
	(void)state;
	int macs[IDS] = {0}; /* 0 = no such device, or none */
	char name[24];
	srand(2);
	for (int i = 0; i < 20000; i++) {
		int64_t id = 1 + rand() % (IDS - 1);
		int kind = rand() % 4;
		if (kind == 0) {
			devices_remove(d, id);
			macs[id] = 0;
			continue;
		}
		snprintf(name, sizeof name, kind == 1 ? "00_00_00_00_%02x_%02x" : "n%d", (int)id >> 8, (int)id & 255);
		struct device_entry *e = devices_put(d, id, name, 1);
		assert_non_null(e);
		macs[id] = kind == 3 ? 0 : (int)id + IDS * (rand() % 3);
		snprintf(name, sizeof name, "%012X", macs[id]);
		assert_true(devices_set_mac(d, e, macs[id] ? name : ""));
	}
	for (int64_t id = 1; id < IDS; id++) {
		for (int k = 0; k < 3; k++) {
			snprintf(name, sizeof name, "%012X", (int)id + IDS * k);
			const struct device_entry *e = devices_by_mac(d, name);
			assert_true(macs[id] == (int)id + IDS * k ? e && e->id == id : !e || e->id != id || macs[id] == 0);
		}
	}
}

static void a_record_is_small(void **state)
{
	(void)state;
	assert_true(sizeof(struct device_entry) <= 48);
}

/* More than a block of records and of names, and numbers that outgrow the bits that the small index of MACs began with. */
static void a_serial_number_is_kept_behind_name_and_mac(void **state)
{
	(void)state;
	struct device_entry *lamp = devices_put(d, 5, "lamp", 2);
	struct device_entry *desk = devices_put(d, 6, "desk", 2);
	assert_null(devices_by_serial(d, "SN-1"));
	assert_string_equal(devices_serial(d, lamp), "");
	assert_true(devices_set_serial(d, lamp, "SN-1") && devices_set_serial(d, desk, "SN-2"));
	assert_ptr_equal(devices_by_serial(d, "SN-1"), lamp);
	assert_ptr_equal(devices_by_serial(d, "SN-2"), desk);
	assert_null(devices_by_serial(d, "SN-"));
	assert_null(devices_by_serial(d, ""));
	assert_true(devices_set_mac(d, lamp, "0000000000AA")); /* takes it away */
	assert_null(devices_by_serial(d, "SN-1"));
	assert_true(devices_set_serial(d, lamp, "SN-1") && devices_set_mac(d, lamp, "0000000000AA"));
	assert_ptr_equal(devices_by_serial(d, "SN-1"), lamp);
	assert_ptr_equal(devices_by_mac(d, "0000000000AA"), lamp);
	assert_string_equal(devices_name(d, lamp), "lamp");
	assert_true(devices_set_serial(d, lamp, "SN-1-AND-LONGER") && devices_set_serial(d, desk, ""));
	assert_null(devices_by_serial(d, "SN-1"));
	assert_null(devices_by_serial(d, "SN-2"));
	assert_string_equal(devices_serial(d, by_name("lamp")), "SN-1-AND-LONGER");
	assert_ptr_equal(devices_by_mac(d, "0000000000AA"), lamp);
	devices_remove(d, 5);
	assert_null(devices_by_serial(d, "SN-1-AND-LONGER"));
}

static void serials_agree_with_an_array_under_random_changes(void **state)
{
	(void)state;
	static int serials[IDS]; /* 0 = none */
	static int macs[IDS];
	char text[40];
	srand(3);
	for (int i = 0; i < 40000; i++) {
		int64_t id = 1 + rand() % (IDS - 1);
		int kind = rand() % 4;
		snprintf(text, sizeof text, "d%d", (int)id);
		struct device_entry *e = devices_put(d, id, text, 1);
		assert_non_null(e);
		if (kind == 0) {
			int mac = rand() % 3 ? (int)id + IDS * (rand() % 3) : 0;
			snprintf(text, sizeof text, "%012X", mac);
			assert_true(devices_set_mac(d, e, mac ? text : ""));
			serials[id] = mac == macs[id] ? serials[id] : 0;
			macs[id] = mac;
		} else if (kind == 1) {
			devices_remove(d, id);
			serials[id] = macs[id] = 0;
		} else {
			serials[id] = rand() % 3 ? (int)id + IDS * (rand() % 5) : 0;
			snprintf(text, sizeof text, "serial-%d", serials[id]);
			assert_true(devices_set_serial(d, e, serials[id] ? text : ""));
		}
	}
	for (int id = 1; id < IDS; id++) {
		struct device_entry *e = devices_by_id(d, id);
		snprintf(text, sizeof text, "serial-%d", serials[id]);
		assert_true(!serials[id] || (e && devices_by_serial(d, text) == e));
		assert_true(!e || strcmp(devices_serial(d, e), serials[id] ? text : "") == 0);
		snprintf(text, sizeof text, "%012X", macs[id]);
		assert_true(!macs[id] || (e && devices_by_mac(d, text) == e));
		snprintf(text, sizeof text, "d%d", id);
		assert_true(!e || strcmp(devices_name(d, e), text) == 0);
	}
}

static void a_large_table_finds_all(void **state)
{
	(void)state;
	enum { MANY = 150000 };
	char name[24];
	for (int i = 1; i <= MANY; i++) {
		snprintf(name, sizeof name, "some-device-%07d", i);
		struct device_entry *e = devices_put(d, i, name, 1);
		snprintf(name, sizeof name, "%012X", i);
		assert_true(e && (i % 1000 || devices_set_mac(d, e, name)));
	}
	for (int i = 1; i <= MANY; i++) {
		snprintf(name, sizeof name, "some-device-%07d", i);
		const struct device_entry *e = by_name(name);
		assert_true(e && e->id == i && devices_by_id(d, i) == e);
		snprintf(name, sizeof name, "%012X", i);
		assert_ptr_equal(devices_by_mac(d, name), i % 1000 ? NULL : e);
	}
	for (int i = 1; i <= MANY; i += 2) {
		devices_remove(d, i);
	}
	for (int i = 1; i <= MANY; i++) {
		assert_true((devices_by_id(d, i) != NULL) == (i % 2 == 0));
	}
}

static void components_go_each_by_itself(void **state)
{
	(void)state;
	struct device_entry *e = put(5, "two", 1, "0.9");
	struct device_entry *like = put(6, "too", 1, "0.9");
	assert_true(devices_set_version(d, e, "wifi", "1.1") && devices_set_version(d, e, "mcu", "1.0"));
	assert_true(devices_set_versions(d, like, "0.9",
					 "wifi\x1f"
					 "1.1\x1f"
					 "mcu\x1f"
					 "1.0"));
	assert_int_equal(e->versions, like->versions); /* one set, in whichever order it was told */
	assert_string_equal(runs(e), "0.9");
	assert_string_equal(devices_version(d, e, "mcu"), "1.0");
	assert_string_equal(devices_version(d, e, "wifi"), "1.1");
	assert_string_equal(devices_version(d, e, "wif"), "");
	assert_string_equal(devices_version(d, e, ""), "");
	assert_true(devices_set_version(d, e, "app", "") && devices_set_version(d, e, "mcu", "1.2"));
	assert_string_equal(runs(e), "");
	assert_string_equal(devices_version(d, e, "mcu"), "1.2");
	assert_string_equal(devices_version(d, e, "wifi"), "1.1");
	assert_string_equal(devices_version(d, like, "mcu"), "1.0");
	assert_true(devices_set_version(d, e, "mcu", "") && devices_set_version(d, e, "wifi", ""));
	assert_int_equal(e->versions, 0);
}

static void what_does_not_fit_into_a_set_is_unknown(void **state)
{
	(void)state;
	char text[200];
	char component[3] = "a";
	struct device_entry *e = put(5, "many", 1, "1");
	memset(text, 'x', sizeof text - 1);
	text[sizeof text - 1] = '\0';
	assert_true(devices_set_version(d, e, "mcu", text) && devices_set_version(d, e, text, "1") && devices_set_version(d, e, "", "1"));
	assert_true(devices_set_versions(d, e, "1", "mcu") && devices_set_versions(d, e, "1", "\x1f\x1f\x1f"));
	assert_string_equal(devices_version(d, e, "mcu"), "");
	for (; component[0] < 'j'; component[0]++) {
		assert_true(devices_set_version(d, e, component, "2"));
	}
	assert_string_equal(devices_version(d, e, "a"), "2");
	assert_string_equal(devices_version(d, e, "i"), "");
	assert_string_equal(runs(e), "1");
}

/* Odd devices cannot fill memory with versions. */
static void versions_beyond_the_bound_are_held_as_unknown(void **state)
{
	(void)state;
	char version[24];
	struct device_entry *e = devices_put(d, 1, "a", 1);
	for (int i = 0; i < 70000; i++) {
		snprintf(version, sizeof version, "v%d", i);
		assert_true(devices_set_version(d, e, "app", version));
		assert_string_equal(runs(e), i < 65535 ? version : "");
	}
	assert_true(devices_set_version(d, e, "app", "v8") && devices_set_version(d, e, "mcu", "1"));
	assert_string_equal(runs(e), "v8");                  /* the part of it that is known */
	assert_true(devices_set_version(d, e, "app", "v7")); /* those that are known stay known */
	assert_string_equal(runs(e), "v7");
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(a_device_is_found_by_name_and_by_id),
		TEST(putting_it_again_changes_it_in_place),
		TEST(a_new_name_replaces_the_old_one),
		TEST(a_removed_device_is_gone_and_its_record_used_again),
		TEST(what_does_not_fit_is_refused),
		TEST(records_do_not_move),
		TEST(agrees_with_an_array_under_random_changes),
		TEST(a_name_that_spells_a_mac_is_found_by_it),
		TEST(a_mac_counts_for_more_than_the_name),
		TEST(a_device_is_found_by_what_it_is_called_at_the_broker),
		TEST(a_device_keeps_its_name_when_its_mac_moves_it),
		TEST(macs_agree_with_an_array_under_random_changes),
		TEST(a_record_is_small),
		TEST(a_serial_number_is_kept_behind_name_and_mac),
		TEST(serials_agree_with_an_array_under_random_changes),
		TEST(a_large_table_finds_all),
		TEST(components_go_each_by_itself),
		TEST(what_does_not_fit_into_a_set_is_unknown),
		TEST(versions_beyond_the_bound_are_held_as_unknown),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
