/* What is offered to devices that tell what board they are, rule by rule. */
#include "suit_scene.h"

#include "common/buf.h"

static void assert_refused(struct scene *s, enum reason_id why)
{
	for (int kind = 0; kind < KINDS; kind++) {
		struct decision d = scene_decide(s, kind);
		assert_null(d.offer);
		assert_false(d.force);
		assert_string_equal(reason_name(d.reason.id), reason_name(why));
		assert_int_equal(d.reason.number, ROLLOUT);
	}
}

static void assert_offered(struct scene *s)
{
	static const enum reason_id reasons[KINDS] = {[CANDIDATE_TASK] = REASON_LIVE_TASK,
						      [CANDIDATE_ASSIGNMENT] = REASON_ASSIGNED,
						      [CANDIDATE_STANDING] = REASON_STANDING,
						      [KIND_PUSH] = REASON_LIVE_TASK};
	for (int kind = 0; kind < KINDS; kind++) {
		struct decision d = scene_decide(s, kind);
		assert_string_equal(reason_name(d.reason.id), reason_name(reasons[kind]));
		assert_ptr_equal(d.offer, &s->candidate);
		assert_false(d.force);
		assert_int_equal(d.reason.number, reasons[kind] == REASON_LIVE_TASK ? TASK : ROLLOUT);
	}
}

/* Not newer: nothing, but a push is forced. */
static void assert_only_forced(struct scene *s)
{
	for (int kind = 0; kind < KINDS; kind++) {
		struct decision d = scene_decide(s, kind);
		assert_int_equal(d.offer != NULL, kind == KIND_PUSH);
		assert_int_equal(d.force, kind == KIND_PUSH);
		assert_string_equal(reason_name(d.reason.id), kind == KIND_PUSH ? "live_task" : "not_newer");
	}
}

static void assert_says(const struct scene *s, bool chinese, const char *sentence)
{
	char text[256];
	struct buf b;
	struct decision d = decide(&s->facts, &s->candidate, 1, 0, NULL);
	buf_init_fixed(&b, text, sizeof text);
	reason_print(&d.reason, chinese, &b);
	assert_string_equal(buf_cstr(&b), sentence);
}

/* --- what keeps an offer back, whatever the image --- */

static void what_suits_is_offered(void **state)
{
	(void)state;
	assert_offered(scene_fresh());
}

static void a_check_that_could_not_be_read_is_offered_nothing(void **state)
{
	(void)state;
	struct scene *s = scene_fresh();
	s->told.read = false;
	s->board.forced_fix = true; /* User-Agent alone is no ground */
	assert_refused(s, REASON_UNREAD);
}

static void a_device_that_runs_the_image_is_on_target(void **state)
{
	(void)state;
	struct scene *s = scene_fresh();
	memcpy(s->told.elf_sha256, s->firmware.image.elf_sha256, sizeof s->told.elf_sha256);
	assert_refused(s, REASON_ON_TARGET); /* also while it calls itself otherwise */
	s->facts.version = "2.4.2";
	s->board.bound = s->board.auto_update = false;
	assert_refused(s, REASON_ON_TARGET);
	s->told.has_elf = false;
	s->board.bound = s->board.auto_update = true;
	assert_only_forced(s);
}

static void an_image_without_a_build_is_never_taken_for_the_one_that_runs(void **state)
{
	(void)state;
	struct scene *s = scene_fresh();
	memset(s->told.elf_sha256, 0, sizeof s->told.elf_sha256);
	memset(s->firmware.image.elf_sha256, 0, sizeof s->firmware.image.elf_sha256);
	assert_offered(s);
}

static void an_unbound_device_gets_firmware_only_if_its_product_says_so(void **state)
{
	(void)state;
	struct scene *s = scene_fresh();
	s->board.bound = false;
	assert_refused(s, REASON_UNBOUND);
	s->needs.unbound_updates = true;
	assert_offered(s);
}

static void automatic_updates_switched_off_stop_every_kind(void **state)
{
	(void)state;
	struct scene *s = scene_fresh();
	s->board.auto_update = false;
	assert_refused(s, REASON_AUTO_UPDATE_OFF);
	s->needs.unbound_updates = true;
	assert_refused(s, REASON_AUTO_UPDATE_OFF);
}

static void a_forced_fix_overrides_binding_and_auto_update_and_nothing_else(void **state)
{
	(void)state;
	struct scene *s = scene_fresh();
	s->board = (struct board_facts){.told = &s->told, .forced_fix = true};
	assert_offered(s);
	s->facts.version = "2.4.2";
	assert_only_forced(s);
	s->facts.version = "2.0.4";
	text_copy(s->told.chip, sizeof s->told.chip, "esp32c3");
	assert_refused(s, REASON_OTHER_CHIP);
	s->told.partition_count = 0;
	text_copy(s->told.chip, sizeof s->told.chip, "esp32s3");
	assert_refused(s, REASON_NO_SLOTS);
}

static void a_blocked_device_and_one_asking_for_another_component_are_told_apart_first(void **state)
{
	(void)state;
	struct scene *s = scene_fresh();
	s->told.read = false;
	s->facts.component = "mcu";
	assert_refused(s, REASON_OTHER_COMPONENT);
	s->facts.blocked = true;
	assert_int_equal(scene_decide(s, CANDIDATE_STANDING).reason.id, REASON_BLOCKED);
}

/* --- the image and the board --- */

static void only_app_images_are_offered(void **state)
{
	(void)state;
	struct scene *s = scene_fresh();
	s->firmware.image.chip[0] = '\0';
	assert_refused(s, REASON_NO_IMAGE);
	s->candidate.firmware = NULL;
	assert_refused(s, REASON_NO_IMAGE);
}

static void a_product_is_found_by_the_boards_name_or_type(void **state)
{
	(void)state;
	static const char boards[][NAME_SIZE] = {"kevin-box", "xingzhi-cube-1.54tft-wifi"};
	static const struct {
		const char *name;
		const char *type;
		bool listed;
	} devices[] = {
		{"bread", "", true},
		{"", "bread", true}, /* 0.9.8 tells a type only */
		{"my-own", "bread", true},
		{"bread", "my-own", true},
		{"xingzhi-cube-1.54tft-wifi", "wifi", true},
		{"wifi", "kevin-box", true},
		{"Bread", "bread-compact", false}, /* exactly */
		{"kevin", "kevin-box-2", false},
		{"", "", false},
	};
	for (size_t i = 0; i < COUNT(devices); i++) {
		struct scene *s = scene_fresh();
		s->needs = (struct product_needs){.key = "bread", .boards = boards, .board_count = COUNT(boards)};
		text_copy(s->told.board_name, sizeof s->told.board_name, devices[i].name);
		text_copy(s->told.board_type, sizeof s->told.board_type, devices[i].type);
		if (devices[i].listed) {
			assert_offered(s);
		} else {
			assert_refused(s, REASON_OTHER_BOARD);
		}
	}
	struct scene *s = scene_fresh();
	s->needs.key = ""; /* nothing is told on either side */
	s->told.board_name[0] = s->told.board_type[0] = '\0';
	assert_refused(s, REASON_OTHER_BOARD);
	s = scene_fresh();
	s->candidate.needs = NULL; /* nobody knows the product */
	assert_refused(s, REASON_OTHER_BOARD);
}

static void an_unlisted_board_is_named_with_the_product(void **state)
{
	(void)state;
	struct scene *s = scene_fresh();
	s->needs.key = "kevin-box";
	assert_says(s, false, "the device's board is bread-compact-ml307, which product kevin-box of rollout 9 does not list");
	s->told.board_name[0] = '\0';
	text_copy(s->told.board_type, sizeof s->told.board_type, "ml307");
	assert_says(s, true, "设备的开发板为 ml307,不在发布 9 所属产品 kevin-box 的列表中");
}

static void a_version_that_would_abort_the_device_is_never_compared(void **state)
{
	(void)state;
	static const char *const odd[] = {"2.0.4-dirty", "v1", "", "latest", "1..0", "2.4.2147483648"};
	for (size_t i = 0; i < COUNT(odd); i++) {
		struct scene *s = scene_fresh();
		s->facts.version = odd[i];
		assert_refused(s, REASON_ODD_VERSION);
		s = scene_fresh();
		text_copy(s->firmware.image.version, sizeof s->firmware.image.version, odd[i]);
		assert_refused(s, REASON_ODD_IMAGE); /* not even forced */
	}
}

static void the_chip_must_be_told_and_the_same(void **state)
{
	(void)state;
	struct scene *s = scene_fresh();
	text_copy(s->told.chip, sizeof s->told.chip, "esp32");
	assert_refused(s, REASON_OTHER_CHIP);
	assert_says(s, false, "the device has chip esp32, the image of rollout 9 is for esp32s3");
	s->told.chip[0] = '\0';
	assert_refused(s, REASON_OTHER_CHIP);
	assert_says(s, false, "the device has chip unknown, the image of rollout 9 is for esp32s3");
	assert_says(s, true, "设备芯片为 未知,发布 9 的镜像适用于 esp32s3");
}

/* --- slots and partitions --- */

static void two_app_slots_must_exist(void **state)
{
	(void)state;
	static const struct told_partition tables[][3] = {
		{{"ota_0", 0, 16, 4 * MB}, {"nvs", 1, 2, 4096}, {"assets", 1, 130, MB}},
		{{"factory", 0, 0, 4 * MB}, {"ota_0", 0, 16, 4 * MB}, {"nvs", 1, 2, 4096}},
		{{"ota_0", 0, 16, 4 * MB}, {"ota_1", 1, 17, 4 * MB}, {"nvs", 1, 2, 4096}}, /* of type data */
		{{"ota_0", 0, 16, 4 * MB}, {"ota_2", 0, 18, 4 * MB}, {"nvs", 1, 2, 4096}},
		{{"", 0, 0, 0}, {"", 0, 0, 0}, {"", 0, 0, 0}}, /* the web test client's */
	};
	for (size_t i = 0; i < COUNT(tables); i++) {
		struct scene *s = scene_fresh();
		scene_set_partitions(s, tables[i], COUNT(tables[i]));
		assert_refused(s, REASON_NO_SLOTS);
	}
	struct scene *s = scene_fresh();
	s->told.partition_count = 0; /* a 4G or Ethernet board that tells none */
	assert_refused(s, REASON_NO_SLOTS);
}

/* The running slot, and whether an image of 3 MB fits beside it. */
static void assert_fits(const struct told_partition *table, size_t count, const char *slot, bool fits)
{
	struct scene *s = scene_fresh();
	scene_set_partitions(s, table, count);
	text_copy(s->told.slot, sizeof s->told.slot, slot);
	if (fits) {
		assert_offered(s);
	} else {
		assert_refused(s, REASON_SLOT_TOO_SMALL);
	}
}

static void the_slot_that_does_not_run_must_hold_the_image(void **state)
{
	(void)state;
	static const struct told_partition uneven[] = {{"factory", 0, 0, MB}, {"ota_0", 0, 16, 2 * MB}, {"ota_1", 0, 17, 4 * MB}};
	assert_fits(uneven, 3, "ota_0", true);
	assert_fits(uneven, 3, "ota_1", false);
	assert_fits(uneven, 3, "factory", false); /* the first is next */
	assert_fits(uneven, 3, "", false);        /* either may be */
	assert_fits(uneven, 3, "xiaoling-web-test", false);
	static const struct told_partition large_first[] = {{"ota_1", 0, 17, 2 * MB}, {"ota_0", 0, 16, 4 * MB}, {"factory", 0, 0, MB}};
	assert_fits(large_first, 3, "ota_0", false);
	assert_fits(large_first, 3, "ota_1", true);
	assert_fits(large_first, 3, "factory", true);
	assert_fits(large_first, 3, "", false);
	static const struct told_partition odd[] = {
		{"factory", 0, 0, MB}, {"x", 0, 3, 8 * MB}, {"ota_0", 0, 16, 2 * MB}, {"ota_1", 0, 17, 4 * MB}};
	assert_fits(odd, 4, "factory", false); /* x is no slot */
	static const struct told_partition data[] = {{"A", 0, 16, 4 * MB}, {"B", 0, 17, 2 * MB}, {"ota_1", 1, 17, MB}};
	assert_fits(data, 3, "B", true);
	assert_fits(data, 3, "ota_1", false); /* no app: it is not known which one runs */
	static const struct told_partition named[] = {{"A", 0, 16, 2 * MB}, {"B", 0, 17, 3 * MB}};
	assert_fits(named, 2, "A", true); /* exactly */
	assert_fits(named, 2, "B", false);
}

static void of_three_slots_the_next_one_is_taken(void **state)
{
	(void)state;
	static const struct told_partition three[] = {{"ota_0", 0, 16, 4 * MB}, {"ota_1", 0, 17, 4 * MB}, {"ota_2", 0, 18, 2 * MB}};
	assert_fits(three, 3, "ota_0", true);
	assert_fits(three, 3, "ota_1", false);
	assert_fits(three, 3, "ota_2", true); /* round again */
	assert_fits(three, 3, "", false);
}

static void a_slot_that_is_too_small_is_told_with_its_size(void **state)
{
	(void)state;
	struct scene *s = scene_fresh();
	s->firmware.artifact.size = SLOT_SIZE + 1;
	assert_says(s, false, "the image of rollout 9 has 4128769 bytes, the app slot for it 4128768");
	assert_says(s, true, "发布 9 的镜像为 4128769 字节,设备的目标应用分区只有 4128768 字节");
	s->firmware.artifact.size = SLOT_SIZE;
	assert_offered(s);
}

static void required_partitions_must_be_there(void **state)
{
	(void)state;
	static const char labels[][PARTITION_SIZE] = {"assets", "model", "other"};
	struct scene *s = scene_fresh();
	s->needs.partitions = labels;
	s->needs.partition_count = 1;
	assert_offered(s);
	s->needs.partition_count = 3;
	assert_refused(s, REASON_NO_PARTITION);
	assert_says(s, false, "the device has no partition model, which the product of rollout 9 requires"); /* the first that is missing */
}

/* --- newer --- */

static void versions_compare_as_the_device_does(void **state)
{
	(void)state;
	static const struct {
		const char *own;
		const char *image;
		bool newer;
	} pairs[] = {
		{"2.0.4", "2.4.2", true},    {"2.4.2", "2.4.2", false},     {"2.4.2", "2.4.1", false}, {"2.4.2", "2.4.2.0", true},
		{"2.4.2.0", "2.4.2", false}, {"2.9", "2.10", true},         {"10.0", "9.9.9", false},  {"0.9.8", "1.0", true},
		{"2.4.2", "2.04.2", false},  {"1.0", "2147483647.0", true},
	};
	for (size_t i = 0; i < COUNT(pairs); i++) {
		struct scene *s = scene_fresh();
		s->facts.version = pairs[i].own;
		text_copy(s->firmware.image.version, sizeof s->firmware.image.version, pairs[i].image);
		if (pairs[i].newer) {
			assert_offered(s);
		} else {
			assert_only_forced(s);
		}
	}
}

static void another_build_of_the_same_version_is_not_newer(void **state)
{
	(void)state;
	struct scene *s = scene_fresh();
	s->facts.version = "2.4.2";
	assert_only_forced(s);
	s->candidate.push = false;
	assert_says(s, false, "the device runs 2.4.2; rollout 9 brings 2.4.2, which is not newer");
}

static void only_a_push_order_forces(void **state)
{
	(void)state;
	struct scene *s = scene_fresh();
	s->facts.version = "2.5.0";
	s->candidate.push = true;
	for (int kind = CANDIDATE_ASSIGNMENT; kind <= CANDIDATE_STANDING; kind++) {
		s->candidate.kind = (enum candidate_kind)kind;
		assert_null(decide(&s->facts, &s->candidate, 1, 0, NULL).offer);
	}
}

/* What an operator typed is not what the device will compare at its next start: that would be an upgrade at every boot. */
static void typed_versions_do_not_count(void **state)
{
	(void)state;
	struct scene *s = scene_fresh();
	s->candidate.called = "2.0.4";
	text_copy(s->firmware.version, sizeof s->firmware.version, "2.0.4");
	assert_offered(s);
	s->candidate.called = "9.9.9";
	text_copy(s->firmware.version, sizeof s->firmware.version, "9.9.9");
	s->facts.version = "2.4.2";
	assert_only_forced(s);
}

/* Its version is no ground either, where firmware has none but its image does. */
static void a_device_that_has_left_its_target_is_offered_it_again(void **state)
{
	(void)state;
	struct scene *s = scene_fresh();
	s->firmware.version[0] = '\0';
	s->candidate.offers = 1;
	s->candidate.state = TASK_SUCCEEDED;
	assert_offered(s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_suits_is_offered),
		cmocka_unit_test(a_check_that_could_not_be_read_is_offered_nothing),
		cmocka_unit_test(a_device_that_runs_the_image_is_on_target),
		cmocka_unit_test(an_image_without_a_build_is_never_taken_for_the_one_that_runs),
		cmocka_unit_test(an_unbound_device_gets_firmware_only_if_its_product_says_so),
		cmocka_unit_test(automatic_updates_switched_off_stop_every_kind),
		cmocka_unit_test(a_forced_fix_overrides_binding_and_auto_update_and_nothing_else),
		cmocka_unit_test(a_blocked_device_and_one_asking_for_another_component_are_told_apart_first),
		cmocka_unit_test(only_app_images_are_offered),
		cmocka_unit_test(a_product_is_found_by_the_boards_name_or_type),
		cmocka_unit_test(an_unlisted_board_is_named_with_the_product),
		cmocka_unit_test(a_version_that_would_abort_the_device_is_never_compared),
		cmocka_unit_test(the_chip_must_be_told_and_the_same),
		cmocka_unit_test(two_app_slots_must_exist),
		cmocka_unit_test(the_slot_that_does_not_run_must_hold_the_image),
		cmocka_unit_test(of_three_slots_the_next_one_is_taken),
		cmocka_unit_test(a_slot_that_is_too_small_is_told_with_its_size),
		cmocka_unit_test(required_partitions_must_be_there),
		cmocka_unit_test(versions_compare_as_the_device_does),
		cmocka_unit_test(another_build_of_the_same_version_is_not_newer),
		cmocka_unit_test(only_a_push_order_forces),
		cmocka_unit_test(typed_versions_do_not_count),
		cmocka_unit_test(a_device_that_has_left_its_target_is_offered_it_again),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
