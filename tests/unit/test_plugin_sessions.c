#include "unit.h"

#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "alloc.h"
#include "plugin/sessions.h"

/* The broker's clients, of which only the address counts. */
struct mosquitto {
	int unused[4];
};
static struct mosquitto clients[40000];

static size_t connections(const struct sessions *s, const char *device)
{
	size_t count = 0;
	for (const struct session *at = sessions_of(s, device); at; at = sessions_next_of(at)) {
		assert_string_equal(at->device, device);
		count++;
	}
	return count;
}

static void a_session_is_found_by_client_and_by_device(void **state)
{
	(void)state;
	struct sessions s = {0};
	struct session *one = sessions_add(&s, &clients[0], "lamp-1", 3);
	assert_ptr_equal(sessions_get(&s, &clients[0]), one);
	assert_ptr_equal(sessions_of(&s, "lamp-1"), one);
	assert_int_equal(one->epoch, 3);
	assert_int_equal(one->subs_before, -1);
	assert_null(sessions_get(&s, &clients[1]));
	assert_null(sessions_of(&s, "lamp-2"));
	sessions_remove(&s, one);
	assert_null(sessions_get(&s, &clients[0]));
	assert_null(sessions_of(&s, "lamp-1"));
	sessions_clear(&s);
}

static void a_device_is_online_until_its_last_connection(void **state)
{
	(void)state;
	struct sessions s = {0};
	for (int i = 0; i < 3; i++) {
		assert_non_null(sessions_add(&s, &clients[i], "lamp-1", 1));
	}
	assert_non_null(sessions_add(&s, &clients[3], "", 0));
	assert_int_equal(s.devices, 1);
	static const int order[] = {1, 2, 0};
	for (size_t i = 0; i < COUNT(order); i++) {
		assert_int_equal(connections(&s, "lamp-1"), 3 - i);
		assert_int_equal(s.devices, 1);
		sessions_remove(&s, sessions_get(&s, &clients[order[i]]));
	}
	assert_int_equal(connections(&s, "lamp-1"), 0);
	assert_int_equal(s.devices, 0);
	assert_ptr_equal(s.oldest, s.newest);
	assert_ptr_equal(s.oldest, sessions_get(&s, &clients[3]));
	sessions_clear(&s);
}

/* Every way of coming and going, against a table that cannot be wrong. */
static void random_comings_and_goings_keep_the_order(void **state)
{
	(void)state;
	enum { CLIENTS = 60, DEVICES = 7 };
	struct sessions s = {0};
	int device_of[CLIENTS];
	unsigned random = 1;
	memset(device_of, -1, sizeof device_of);
	for (int step = 0; step < 20000; step++) {
		random = random * 1103515245 + 12345;
		int at = (int)(random >> 16) % CLIENTS;
		char name[16];
		if (device_of[at] < 0) {
			device_of[at] = (int)(random >> 8) % DEVICES;
			snprintf(name, sizeof name, "d%d", device_of[at]);
			assert_non_null(sessions_add(&s, &clients[at], name, 1));
		} else {
			sessions_remove(&s, sessions_get(&s, &clients[at]));
			device_of[at] = -1;
		}
		size_t online = 0;
		for (int d = 0; d < DEVICES; d++) {
			size_t wanted = 0;
			for (int c = 0; c < CLIENTS; c++) {
				wanted += device_of[c] == d;
			}
			snprintf(name, sizeof name, "d%d", d);
			assert_int_equal(connections(&s, name), wanted);
			online += wanted > 0;
		}
		assert_int_equal(s.devices, online);
		size_t forward = 0;
		for (const struct session *i = s.oldest; i; i = i->newer) {
			assert_true(!i->newer || i->newer->older == i);
			forward++;
		}
		assert_int_equal(forward, s.by_client.count);
	}
	sessions_clear(&s);
}

static void without_memory_nobody_is_half_there(void **state)
{
	(void)state;
	for (unsigned n = 1;; n++) {
		struct sessions s = {0};
		alloc_fail_nth(n);
		struct session *session = sessions_add(&s, &clients[0], "lamp-1", 1);
		bool failed = alloc_failed();
		alloc_fail_nth(0);
		assert_int_equal(session == NULL, failed);
		assert_ptr_equal(sessions_get(&s, &clients[0]), session);
		assert_ptr_equal(sessions_of(&s, "lamp-1"), session);
		assert_int_equal(s.devices, session != NULL);
		sessions_clear(&s);
		if (!failed) {
			assert_true(n > 3);
			return;
		}
	}
}

static size_t in_use(void)
{
	return mallinfo2().uordblks + mallinfo2().hblkhd;
}

static void a_connection_takes_about_150_bytes(void **state)
{
	(void)state;
	struct sessions s = {0};
	size_t before = in_use();
	for (size_t i = 0; i < COUNT(clients); i++) {
		char name[32];
		snprintf(name, sizeof name, "aa_bb_cc_%02zx_%02zx_ff", i >> 8, i & 255);
		assert_non_null(sessions_add(&s, &clients[i], name, 1));
	}
	size_t each = (in_use() - before) / COUNT(clients);
	print_message("%zu bytes a connection\n", each);
	assert_true(each <= 160);
	assert_true(each >= 60 || in_use() == 0); /* sanitizers do not say */
	sessions_clear(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_session_is_found_by_client_and_by_device),
		cmocka_unit_test(a_device_is_online_until_its_last_connection),
		cmocka_unit_test(random_comings_and_goings_keep_the_order),
		cmocka_unit_test(without_memory_nobody_is_half_there),
		cmocka_unit_test(a_connection_takes_about_150_bytes),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
