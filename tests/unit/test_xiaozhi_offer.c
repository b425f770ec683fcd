/* The seeds' devices, read from their requests byte for byte, and what they are offered. */
#include "suit_scene.h"

#include <stdio.h>

#include "common/err.h"
#include "dialect/xiaozhi_check.h"
#include "xiaozhi_request.h"

static struct xiaozhi_check check;

static void read_request(const char *name)
{
	static char text[4096];
	char path[512];
	struct xiaozhi_headers headers;
	struct err err = {0};
	size_t body_len;
	snprintf(path, sizeof path, "%s/%s", REQUESTS, name);
	FILE *file = fopen(path, "rb");
	assert_non_null(file);
	size_t len = fread(text, 1, sizeof text - 1, file);
	fclose(file);
	text[len] = '\0';
	const char *body = xiaozhi_request_split(text, len, &headers, &body_len);
	if (!xiaozhi_check_decode(&headers, body, body_len, &check, &err)) {
		fail_msg("%s: %s", name, err.text);
	}
}

/* A bound device that sends the request; 2.4.2 stands for its product. */
static struct scene *scene_of(const char *name, const char *product)
{
	read_request(name);
	struct scene *s = scene_fresh();
	s->told = check.told;
	s->facts.version = check.version;
	s->needs.key = product;
	return s;
}

static void the_seeds_devices_are_offered_what_they_can_take(void **state)
{
	(void)state;
	static const struct {
		const char *request;
		const char *product;
		enum reason_id expected;
	} requests[] = {
		{"seed_000_esp32", "xingzhi-cube-1.54tft-wifi", REASON_STANDING},
		{"seed_000_esp32", "bread-compact-wifi", REASON_OTHER_BOARD},
		{"seed_000_wifi", "bread-compact-wifi", REASON_OTHER_CHIP}, /* tells neither chip nor partitions */
		{"seed_000_4g", "kevin-box", REASON_OTHER_CHIP},
		{"seed_000_4g", "kevin-box-2", REASON_OTHER_CHIP},
		{"seed_001_web", "xiaoling-web-test", REASON_OTHER_CHIP},
		{"seed_004_4g_1", "bread-compact-ml307", REASON_STANDING},
		{"seed_004_4g_2", "bread-compact-ml307", REASON_STANDING},
		{"seed_004_4g_3", "bread-compact-ml307", REASON_STANDING},
		{"seed_004_4g_4", "bread-compact-ml307", REASON_STANDING},
		{"ssid_quote", "bread-compact-wifi", REASON_UNREAD},
	};
	for (size_t i = 0; i < COUNT(requests); i++) {
		struct decision d = scene_decide(scene_of(requests[i].request, requests[i].product), CANDIDATE_STANDING);
		if (d.reason.id != requests[i].expected) {
			fail_msg("%s: %s", requests[i].request, reason_name(d.reason.id));
		}
	}
}

static void the_build_in_a_request_is_the_images(void **state)
{
	(void)state;
	struct scene *s = scene_of("seed_004_4g_1", "bread-compact-ml307");
	memcpy(s->firmware.image.elf_sha256, check.told.elf_sha256, sizeof check.told.elf_sha256);
	assert_int_equal(scene_decide(s, KIND_PUSH).reason.id, REASON_ON_TARGET);
}

static void the_slot_in_a_request_says_where_an_image_must_fit(void **state)
{
	(void)state;
	struct scene *s = scene_of("seed_004_4g_1", "bread-compact-ml307");
	s->firmware.artifact.size = 4128768;
	assert_non_null(scene_decide(s, CANDIDATE_STANDING).offer);
	s->firmware.artifact.size++;
	assert_int_equal(scene_decide(s, CANDIDATE_STANDING).reason.id, REASON_SLOT_TOO_SMALL);
	s = scene_of("seed_000_esp32", "xingzhi-cube-1.54tft-wifi");
	s->firmware.artifact.size = 6291456;
	assert_non_null(scene_decide(s, CANDIDATE_STANDING).offer);
	s->firmware.artifact.size++;
	assert_int_equal(scene_decide(s, CANDIDATE_STANDING).reason.id, REASON_SLOT_TOO_SMALL);
}

static void assets_are_required_of_those_that_have_none(void **state)
{
	(void)state;
	static const char labels[][PARTITION_SIZE] = {"assets"};
	struct scene *s = scene_of("seed_004_4g_1", "bread-compact-ml307");
	s->needs.partitions = labels;
	s->needs.partition_count = 1;
	assert_non_null(scene_decide(s, CANDIDATE_STANDING).offer);
	s = scene_of("seed_000_esp32", "xingzhi-cube-1.54tft-wifi");
	s->needs.partitions = labels;
	s->needs.partition_count = 1;
	assert_int_equal(scene_decide(s, CANDIDATE_STANDING).reason.id, REASON_NO_PARTITION);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_seeds_devices_are_offered_what_they_can_take),
		cmocka_unit_test(the_build_in_a_request_is_the_images),
		cmocka_unit_test(the_slot_in_a_request_says_where_an_image_must_fit),
		cmocka_unit_test(assets_are_required_of_those_that_have_none),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
