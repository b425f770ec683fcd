/* What is offered to devices that tell what board they are: the generations of firmware, and all rules together. */
#include "suit_scene.h"

#include "common/buf.h"
#include "model/version.h"

/* --- the generations --- */

static void each_generation_of_firmware_is_offered_what_it_can_take(void **state)
{
	(void)state;
	static const struct {
		const char *version;
		const char *name;
		const char *type;
		bool bound, auto_update, forced, elf, table;
		enum reason_id expected; /* of a standing rollout */
	} devices[] = {
		{"0.9.8", "", "bread-compact-wifi", false, false, true, true, true, REASON_STANDING}, /* knows no activation */
		{"0.9.8", "", "bread-compact-wifi", false, true, false, true, true, REASON_UNBOUND},  /* an operator took the fix away */
		{"0.9.9", "", "bread-compact-wifi", false, true, false, true, true, REASON_UNBOUND},
		{"1.0.1", "xingzhi-cube-1.54tft-wifi", "xingzhi-cube-1.54tft-wifi", true, true, false, false, true, REASON_STANDING},
		{"1.0.1", "xingzhi-cube-1.54tft-wifi", "xingzhi-cube-1.54tft-wifi", true, true, false, true, false, REASON_NO_SLOTS},
		{"1.5.8", "bread-compact-ml307", "ml307", true, true, false, true, true, REASON_STANDING},
		{"1.7.7", "bread-compact-ml307", "bread-compact-ml307", true, false, false, true, true, REASON_AUTO_UPDATE_OFF},
		{"2.0.4", "bread-compact-ml307", "bread-compact-ml307", true, true, false, true, true, REASON_STANDING},
		{"2.0.4", "bread-compact-ml307", "bread-compact-ml307", false, true, false, true, true, REASON_UNBOUND},
		{"2.0.4-dirty", "bread-compact-ml307", "bread-compact-ml307", true, true, false, true, true, REASON_ODD_VERSION},
		{"2.4.2", "bread-compact-ml307", "bread-compact-ml307", true, true, false, true, true, REASON_NOT_NEWER},
		{"1.0.0", "xiaoling-web-test", "xiaoling-web-test", true, true, false, false, false, REASON_OTHER_BOARD},
	};
	static const char boards[][NAME_SIZE] = {"bread-compact-wifi", "xingzhi-cube-1.54tft-wifi"};
	for (size_t i = 0; i < COUNT(devices); i++) {
		struct scene *s = scene_fresh();
		s->facts.version = devices[i].version;
		text_copy(s->told.board_name, sizeof s->told.board_name, devices[i].name);
		text_copy(s->told.board_type, sizeof s->told.board_type, devices[i].type);
		s->told.has_elf = devices[i].elf;
		s->told.partition_count = devices[i].table ? USUAL_PARTITIONS : 0;
		s->board = (struct board_facts){&s->told, devices[i].bound, devices[i].auto_update, devices[i].forced};
		s->needs.boards = boards;
		s->needs.board_count = COUNT(boards);
		struct decision d = scene_decide(s, CANDIDATE_STANDING);
		if (d.reason.id != devices[i].expected) {
			fail_msg("row %zu, %s: %s", i, devices[i].version, reason_name(d.reason.id));
		}
	}
}

/* --- all rules together --- */

static void break_read(struct scene *s)
{
	s->told.read = false;
}

static void break_build(struct scene *s)
{
	memcpy(s->told.elf_sha256, s->firmware.image.elf_sha256, sizeof s->told.elf_sha256);
}

static void break_bound(struct scene *s)
{
	s->board.bound = false;
}

static void break_auto_update(struct scene *s)
{
	s->board.auto_update = false;
}

static void break_image(struct scene *s)
{
	s->firmware.image.chip[0] = '\0';
}

static void break_board(struct scene *s)
{
	s->needs.key = "kevin-box";
}

static void break_version(struct scene *s)
{
	s->facts.version = "2.0.4-dirty";
}

static void break_image_version(struct scene *s)
{
	text_copy(s->firmware.image.version, sizeof s->firmware.image.version, "v2.4.2");
}

static void break_chip(struct scene *s)
{
	text_copy(s->told.chip, sizeof s->told.chip, "esp32");
}

static void break_slots(struct scene *s)
{
	s->told.partitions[3].type = 1;
}

static void break_size(struct scene *s)
{
	s->firmware.artifact.size = 5 * MB;
}

static void break_partition(struct scene *s)
{
	static const char labels[][PARTITION_SIZE] = {"model"};
	s->needs.partitions = labels;
	s->needs.partition_count = 1;
}

static void break_newer(struct scene *s)
{
	text_copy(s->firmware.image.version, sizeof s->firmware.image.version, "2.0.4");
}

static const struct {
	enum reason_id id;
	void (*apply)(struct scene *s);
} breaks[] = {
	{REASON_UNREAD, break_read},         {REASON_ON_TARGET, break_build},
	{REASON_UNBOUND, break_bound},       {REASON_AUTO_UPDATE_OFF, break_auto_update},
	{REASON_NO_IMAGE, break_image},      {REASON_OTHER_BOARD, break_board},
	{REASON_ODD_VERSION, break_version}, {REASON_ODD_IMAGE, break_image_version},
	{REASON_OTHER_CHIP, break_chip},     {REASON_NO_SLOTS, break_slots},
	{REASON_SLOT_TOO_SMALL, break_size}, {REASON_NO_PARTITION, break_partition},
	{REASON_NOT_NEWER, break_newer},
};
enum { BREAKS = COUNT(breaks) };

/* The first rule that a set of breaks hurts; STANDING: none. */
static enum reason_id expected_of(const struct scene *s, unsigned set)
{
	for (size_t i = 0; i < BREAKS; i++) {
		bool hurt = set & 1u << i;
		if (breaks[i].id == REASON_ON_TARGET) {
			hurt = hurt && *s->firmware.image.chip; /* what is no image has no build */
		} else if (breaks[i].id == REASON_UNBOUND) {
			hurt = hurt && !s->board.forced_fix && !s->needs.unbound_updates;
		} else if (breaks[i].id == REASON_AUTO_UPDATE_OFF) {
			hurt = hurt && !s->board.forced_fix;
		}
		if (hurt) {
			return breaks[i].id;
		}
	}
	return REASON_STANDING;
}

static void assert_as_expected(struct scene *s, unsigned set)
{
	enum reason_id expected = expected_of(s, set);
	for (int kind = 0; kind < KINDS; kind++) {
		struct decision d = scene_decide(s, kind);
		bool forced = expected == REASON_NOT_NEWER && kind == KIND_PUSH;
		bool offered = expected == REASON_STANDING || forced;
		if ((d.offer != NULL) != offered || d.force != forced || (!offered && d.reason.id != expected)) {
			fail_msg("set %x, kind %d: %s instead of %s", set, kind, reason_name(d.reason.id), reason_name(expected));
		}
	}
}

/* Every set of rules that refuse, with and without what lifts some: the reason is the first of them, and nothing is offered but what hurts
 * none. */
static void the_first_rule_that_refuses_is_the_reason(void **state)
{
	(void)state;
	for (unsigned set = 0; set < 1u << BREAKS; set++) {
		for (unsigned lifted = 0; lifted < 4; lifted++) {
			struct scene *s = scene_fresh();
			s->board.forced_fix = lifted & 1;
			s->needs.unbound_updates = lifted & 2;
			for (size_t i = BREAKS; i-- > 0;) {
				if (set & 1u << i) {
					breaks[i].apply(s);
				}
			}
			assert_as_expected(s, set);
		}
	}
}

static unsigned next_random(void)
{
	static uint64_t x = 88172645463325252u;
	x ^= x << 13;
	x ^= x >> 7;
	x ^= x << 17;
	return (unsigned)(x >> 32);
}

static void a_version_that_is_not_newer_is_never_offered_unforced(void **state)
{
	(void)state;
	static const char *const parts[] = {"0", "1", "2", "9", "10", "04", "2147483647", "2147483648", "4-dirty", "", "v1"};
	size_t offers = 0;
	for (int turn = 0; turn < 20000; turn++) {
		char texts[2][IMAGE_TEXT_SIZE];
		for (int side = 0; side < 2; side++) {
			struct buf b;
			buf_init_fixed(&b, texts[side], sizeof texts[side]);
			for (unsigned n = next_random() % 3 + 1; n > 0; n--) {
				unsigned odd = next_random() % 16 == 0 ? 4 : 0;
				buf_puts(&b, parts[next_random() % (7 + odd)]);
				buf_puts(&b, n > 1 ? "." : "");
			}
			assert_non_null(buf_cstr(&b));
		}
		struct scene *s = scene_fresh();
		s->facts.version = texts[0];
		text_copy(s->firmware.image.version, sizeof s->firmware.image.version, texts[1]);
		bool safe = version_is_dotted(texts[0]) && version_is_dotted(texts[1]);
		bool newer = safe && version_compare(texts[1], texts[0]) > 0;
		for (int kind = 0; kind < KINDS; kind++) {
			struct decision d = scene_decide(s, kind);
			assert_int_equal(d.offer != NULL, newer || (safe && kind == KIND_PUSH));
			assert_int_equal(d.force, d.offer && !newer);
			offers += d.offer != NULL;
		}
	}
	assert_true(offers > 1000);
}

/* Whatever table a device tells: an image that is offered fits into every app slot that may be the next. */
static void an_image_never_goes_where_it_does_not_fit(void **state)
{
	(void)state;
	static const char *const labels[] = {"ota_0", "ota_1", "factory", "nvs", ""};
	static const uint8_t subtypes[] = {0, 2, 16, 16, 17, 17, 18, 32};
	size_t offers = 0;
	for (int turn = 0; turn < 20000; turn++) {
		struct scene *s = scene_fresh();
		s->told.partition_count = next_random() % 6;
		text_copy(s->told.slot, sizeof s->told.slot, labels[next_random() % COUNT(labels)]);
		for (size_t i = 0; i < s->told.partition_count; i++) {
			struct told_partition *p = &s->told.partitions[i];
			*p = (struct told_partition){.type = next_random() % 5 == 0,
						     .subtype = subtypes[next_random() % COUNT(subtypes)],
						     .size = (next_random() % 4 + 1) * MB};
			text_copy(p->label, sizeof p->label, labels[next_random() % COUNT(labels)]);
		}
		if (!scene_decide(s, KIND_PUSH).offer) {
			continue;
		}
		offers++;
		bool slots[2] = {false, false};
		bool room = false;
		for (size_t i = 0; i < s->told.partition_count; i++) {
			const struct told_partition *p = &s->told.partitions[i];
			bool app = p->type == 0 && p->subtype >= 16 && p->subtype < 32;
			slots[0] = slots[0] || (app && p->subtype == 16);
			slots[1] = slots[1] || (app && p->subtype == 17);
			room = room || (app && p->size >= s->firmware.artifact.size && p != told_find(&s->told, s->told.slot));
		}
		assert_true(slots[0] && slots[1] && room);
	}
	assert_true(offers > 100);
}

/* --- several candidates --- */

/* Another one that would be offered for itself. */
static struct candidate suiting(const struct scene *s, enum candidate_kind kind, int64_t id)
{
	struct candidate c = s->candidate;
	c.kind = kind;
	c.rollout_id = id;
	c.created_ms = id;
	return c;
}

/* The rollout offered among these two, whatever their order; 0 = none, because of `why`. */
static int64_t offered_of(const struct scene *s, struct candidate a, struct candidate b, enum reason_id why)
{
	const struct candidate both[] = {a, b};
	const struct candidate turned[] = {b, a};
	struct decision d = decide(&s->facts, both, 2, 0, NULL);
	struct decision e = decide(&s->facts, turned, 2, 0, NULL);
	assert_int_equal(d.offer ? d.offer->rollout_id : 0, e.offer ? e.offer->rollout_id : 0);
	assert_string_equal(reason_name(d.reason.id), reason_name(why));
	assert_string_equal(reason_name(e.reason.id), reason_name(why));
	assert_int_equal(d.force, e.force);
	return d.offer ? d.offer->rollout_id : 0;
}

/* There is one task at a time, and an assignment stands above what is for all: nothing is begun beside one that has to wait. */
static void a_task_or_an_assignment_that_does_not_suit_keeps_its_place(void **state)
{
	(void)state;
	struct scene *s = scene_fresh();
	struct firmware other = s->firmware;
	text_copy(other.image.chip, sizeof other.image.chip, "esp32c3");
	struct candidate task = suiting(s, CANDIDATE_TASK, 1);
	struct candidate assignment = suiting(s, CANDIDATE_ASSIGNMENT, 2);
	struct candidate standing = suiting(s, CANDIDATE_STANDING, 3);
	task.firmware = assignment.firmware = &other;
	assert_int_equal(offered_of(s, task, standing, REASON_OTHER_CHIP), 0);
	assert_int_equal(offered_of(s, assignment, standing, REASON_OTHER_CHIP), 0);
	assignment.firmware = &s->firmware;
	assert_int_equal(offered_of(s, task, assignment, REASON_OTHER_CHIP), 0);
	task.component = "mcu";
	assignment.ended_ms = 1;
	assert_int_equal(offered_of(s, task, standing, REASON_STANDING), 3); /* neither concerns it */
	assert_int_equal(offered_of(s, assignment, standing, REASON_STANDING), 3);
}

static void a_standing_rollout_that_does_not_suit_hides_nothing(void **state)
{
	(void)state;
	struct scene *s = scene_fresh();
	struct firmware other = s->firmware;
	text_copy(other.image.chip, sizeof other.image.chip, "esp32c3");
	struct candidate unsuited = suiting(s, CANDIDATE_STANDING, 9);
	unsuited.firmware = &other;
	assert_int_equal(offered_of(s, unsuited, suiting(s, CANDIDATE_STANDING, 3), REASON_STANDING), 3);
	assert_int_equal(offered_of(s, unsuited, suiting(s, CANDIDATE_ASSIGNMENT, 3), REASON_ASSIGNED), 3);
}

static void a_rollback_or_three_offers_still_end_a_standing_rollout(void **state)
{
	(void)state;
	struct scene *s = scene_fresh();
	s->candidate.offers = 1;
	s->candidate.state = TASK_FAILED;
	s->candidate.code = "rolled_back";
	assert_int_equal(scene_decide(s, CANDIDATE_STANDING).reason.id, REASON_ROLLED_BACK);
	s->candidate.code = "interrupted";
	assert_int_equal(scene_decide(s, CANDIDATE_STANDING).reason.id, REASON_STANDING);
	s->candidate.offers = STANDING_OFFERS_MAX;
	assert_int_equal(scene_decide(s, CANDIDATE_STANDING).reason.id, REASON_OFFER_CAP);
	s->candidate.outranked = true;
	assert_int_equal(scene_decide(s, CANDIDATE_STANDING).reason.id, REASON_OUTRANKED);
	text_copy(s->told.chip, sizeof s->told.chip, "esp32c3");
	assert_int_equal(scene_decide(s, CANDIDATE_STANDING).reason.id, REASON_OTHER_CHIP); /* what the device is comes first */
}

static void force_is_of_the_candidate_that_is_offered(void **state)
{
	(void)state;
	struct scene *s = scene_fresh();
	struct firmware older = s->firmware;
	text_copy(older.image.version, sizeof older.image.version, "1.0");
	struct candidate push = suiting(s, CANDIDATE_TASK, 1);
	push.firmware = &older;
	push.push = true;
	const struct candidate both[] = {suiting(s, CANDIDATE_STANDING, 3), push};
	struct decision d = decide(&s->facts, both, 2, 0, NULL);
	assert_ptr_equal(d.offer, &both[1]);
	assert_true(d.force);
	push.firmware = &s->firmware;
	const struct candidate newer[] = {suiting(s, CANDIDATE_STANDING, 3), push};
	assert_false(decide(&s->facts, newer, 2, 0, NULL).force);
}

static void the_trace_says_what_was_compared_for_each(void **state)
{
	(void)state;
	struct scene *s = scene_fresh();
	struct firmware other = s->firmware;
	struct decision_trace trace = {0};
	text_copy(other.image.chip, sizeof other.image.chip, "esp32c3");
	struct candidate both[] = {suiting(s, CANDIDATE_STANDING, 3), suiting(s, CANDIDATE_STANDING, 4)};
	both[0].firmware = &other;
	decide(&s->facts, both, 2, 0, &trace);
	assert_int_equal(trace.count, 2);
	assert_int_equal(trace.reasons[0].id, REASON_OTHER_CHIP);
	assert_ptr_equal(trace.reasons[0].has.text, s->told.chip);
	assert_ptr_equal(trace.reasons[0].wants.text, other.image.chip);
	assert_int_equal(trace.reasons[1].id, REASON_STANDING);
}

/* Other dialects tell no board: then its image, its product and its push are not looked at. */
static void without_board_facts_only_versions_and_names_count(void **state)
{
	(void)state;
	struct scene *s = scene_fresh();
	s->facts.board = NULL;
	s->facts.version = "9.0";
	text_copy(s->firmware.image.chip, sizeof s->firmware.image.chip, "esp32c3");
	s->candidate.needs = NULL;
	for (int kind = 0; kind < KINDS; kind++) {
		struct decision d = scene_decide(s, kind);
		assert_non_null(d.offer);
		assert_false(d.force);
	}
	s->facts.version = "2.4.2";
	assert_int_equal(scene_decide(s, CANDIDATE_STANDING).reason.id, REASON_ON_TARGET);
	s->candidate.called = "9.0";
	s->facts.version = "9.0";
	assert_int_equal(scene_decide(s, CANDIDATE_STANDING).reason.id, REASON_ON_TARGET);
}

/* The group commit decides again, on the rows, after the snapshot has found that the image suits. */
static void what_was_found_to_suit_is_not_refused_for_a_name(void **state)
{
	(void)state;
	struct scene *s = scene_fresh();
	s->facts.board = NULL;
	s->facts.suited = true;
	s->candidate.called = s->facts.version;
	assert_int_equal(scene_decide(s, CANDIDATE_STANDING).reason.id, REASON_STANDING);
	s->candidate.offers = STANDING_OFFERS_MAX;
	assert_int_equal(scene_decide(s, CANDIDATE_STANDING).reason.id, REASON_OFFER_CAP);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_generation_of_firmware_is_offered_what_it_can_take),
		cmocka_unit_test(the_first_rule_that_refuses_is_the_reason),
		cmocka_unit_test(a_version_that_is_not_newer_is_never_offered_unforced),
		cmocka_unit_test(an_image_never_goes_where_it_does_not_fit),
		cmocka_unit_test(a_task_or_an_assignment_that_does_not_suit_keeps_its_place),
		cmocka_unit_test(a_standing_rollout_that_does_not_suit_hides_nothing),
		cmocka_unit_test(a_rollback_or_three_offers_still_end_a_standing_rollout),
		cmocka_unit_test(force_is_of_the_candidate_that_is_offered),
		cmocka_unit_test(the_trace_says_what_was_compared_for_each),
		cmocka_unit_test(without_board_facts_only_versions_and_names_count),
		cmocka_unit_test(what_was_found_to_suit_is_not_refused_for_a_name),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
