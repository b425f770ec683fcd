#include "unit.h"

#include <fcntl.h>
#include <malloc.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/err.h"
#include "plugin/journal.h"
#include "plugin/journal_file.h"

struct place {
	char directory[64];
	char path[96];
	struct revocations kept;
	uint64_t revision;
	struct err err;
};

static int make_place(void **state)
{
	char directory[] = "/tmp/otad-journal-XXXXXX";
	struct place *p = mkdtemp(directory) ? calloc(1, sizeof *p) : NULL;
	if (!p) {
		return -1;
	}
	snprintf(p->directory, sizeof p->directory, "%s", directory);
	snprintf(p->path, sizeof p->path, "%s/revocations", directory);
	*state = p;
	return 0;
}

static int remove_place(void **state)
{
	struct place *p = *state;
	revocations_clear(&p->kept);
	unlink(p->path);
	rmdir(p->directory);
	free(p);
	return 0;
}

static struct journal *open_again(struct place *p)
{
	revocations_clear(&p->kept);
	p->err = (struct err){0};
	return journal_open(p->path, &p->kept, &p->revision, &p->err);
}

static void write_file(const struct place *p, const char *text, size_t len)
{
	FILE *file = fopen(p->path, "wb");
	assert_non_null(file);
	assert_int_equal(fwrite(text, 1, len, file), len);
	assert_int_equal(fclose(file), 0);
}

static size_t read_file(const struct place *p, char *out, size_t size)
{
	FILE *file = fopen(p->path, "rb");
	assert_non_null(file);
	size_t len = fread(out, 1, size - 1, file);
	fclose(file);
	out[len] = '\0';
	return len;
}

static struct journal_page *page(uint64_t from, uint64_t to, const char *device, uint32_t epoch, bool blocked)
{
	struct journal_page *out = calloc(1, sizeof *out + sizeof *out->rows);
	assert_non_null(out);
	out->from = from;
	out->to = to;
	out->ticket = to;
	if (device) {
		out->count = 1;
		out->rows[0].epoch = epoch;
		out->rows[0].blocked = blocked;
		snprintf(out->rows[0].device, sizeof out->rows[0].device, "%s", device);
	}
	return out;
}

/* The next result; the caller frees. */
static struct journal_page *result(struct journal *journal)
{
	struct journal_page *done;
	int64_t until = clock_mono_ms() + 10000;
	while (!(done = journal_collect(journal))) {
		assert_true(clock_mono_ms() < until);
		usleep(500);
	}
	return done;
}

static bool write_page(struct journal *journal, struct journal_page *p)
{
	journal_submit(journal, p);
	struct journal_page *done = result(journal);
	bool ok = done->ok;
	assert_ptr_equal(done, p);
	free(done);
	return ok;
}

static void a_new_file_is_made_at_once_and_only_ours_to_read(void **state)
{
	struct place *p = *state;
	struct stat st;
	struct journal *journal = open_again(p);
	assert_non_null(journal);
	assert_int_equal(p->revision, 0);
	assert_int_equal(stat(p->path, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
	journal_close(&journal);
	assert_null(journal);
}

static void what_was_written_is_read_again(void **state)
{
	struct place *p = *state;
	struct journal *journal = open_again(p);
	assert_true(write_page(journal, page(0, 4, "lamp-1", 2, false)));
	assert_true(write_page(journal, page(4, 5, "lamp-2", 1, true)));
	assert_true(write_page(journal, page(5, 9, NULL, 0, false)));
	journal_close(&journal);
	journal = open_again(p);
	assert_non_null(journal);
	assert_int_equal(p->revision, 9);
	assert_int_equal(revocations_count(&p->kept), 2);
	assert_true(revocations_refuses(&p->kept, "lamp-1", 1));
	assert_true(revocations_is_blocked(&p->kept, "lamp-2"));
	journal_close(&journal);
}

static void what_was_submitted_is_written_before_the_end(void **state)
{
	struct place *p = *state;
	struct journal *journal = open_again(p);
	for (uint64_t i = 0; i < 50; i++) {
		journal_submit(journal, page(i, i + 1, "lamp-1", (uint32_t)i + 2, false));
	}
	journal_close(&journal);
	journal = open_again(p);
	assert_int_equal(p->revision, 50);
	assert_true(revocations_refuses(&p->kept, "lamp-1", 50));
	journal_close(&journal);
}

static void results_come_in_order(void **state)
{
	struct place *p = *state;
	struct journal *journal = open_again(p);
	for (uint64_t i = 0; i < 50; i++) {
		journal_submit(journal, page(i, i + 1, "lamp-1", 2, false));
	}
	for (uint64_t i = 0; i < 50; i++) {
		struct journal_page *done = result(journal);
		assert_int_equal(done->ticket, i + 1);
		assert_true(done->ok);
		free(done);
	}
	assert_null(journal_collect(journal));
	journal_close(&journal);
}

static void a_reset_forgets_the_rest(void **state)
{
	struct place *p = *state;
	struct journal *journal = open_again(p);
	assert_true(write_page(journal, page(0, 400, "lamp-1", 2, true)));
	struct journal_page *reset = page(0, 3, "lamp-2", 5, false);
	reset->reset = true;
	assert_true(write_page(journal, reset));
	journal_close(&journal);
	journal = open_again(p);
	assert_int_equal(p->revision, 3);
	assert_int_equal(revocations_count(&p->kept), 1);
	assert_false(revocations_is_blocked(&p->kept, "lamp-1"));
	assert_true(revocations_refuses(&p->kept, "lamp-2", 4));
	journal_close(&journal);
}

static const char three_pages[] = "otad-revocations 1\n= 0\nlamp-1 2 0\nlamp-2 3 1\n= 7\nlamp-1 9 0\n= 12\nlamp-3 4 1\nlamp-2 3 0\n= 15\n";

/* What must be in force when the file ends at len. */
static uint64_t revision_at(size_t len)
{
	uint64_t revision = 0;
	for (const char *at = three_pages; (at = strstr(at, "\n= ")); at++) {
		const char *end = strchr(at + 1, '\n');
		if (end < three_pages + len) {
			revision = strtoull(at + 3, NULL, 10);
		}
	}
	return revision;
}

static void a_crash_at_any_byte_leaves_whole_pages(void **state)
{
	struct place *p = *state;
	for (size_t len = 0; len <= strlen(three_pages); len++) {
		write_file(p, three_pages, len);
		struct journal *journal = open_again(p);
		assert_non_null(journal);
		uint64_t revision = revision_at(len);
		assert_int_equal(p->revision, revision);
		assert_int_equal(revocations_refuses(&p->kept, "lamp-1", 1), revision >= 7);
		assert_int_equal(revocations_refuses(&p->kept, "lamp-1", 8), revision >= 12);
		assert_int_equal(revocations_is_blocked(&p->kept, "lamp-2"), revision >= 7 && revision < 15);
		assert_int_equal(revocations_is_blocked(&p->kept, "lamp-3"), revision >= 15);
		/* what comes now stands behind the cut */
		assert_true(write_page(journal, page(revision, 99, "lamp-4", 2, true)));
		journal_close(&journal);
		journal = open_again(p);
		assert_non_null(journal);
		assert_int_equal(p->revision, 99);
		assert_true(revocations_is_blocked(&p->kept, "lamp-4"));
		assert_int_equal(revocations_refuses(&p->kept, "lamp-1", 8), revision >= 12);
		journal_close(&journal);
	}
}

static void a_file_that_is_not_ours_is_refused_and_left_alone(void **state)
{
	struct place *p = *state;
	static const char *const texts[] = {
		"something else\n",
		"otad-revocations 2\n= 0\n",
		"otad-revocations 1\nlamp-1 2 0\nlamp 1 2 0\n= 4\n",
		"otad-revocations 1\nlamp-1 2\n= 4\n",
		"otad-revocations 1\nlamp-1 2 2\n= 4\n",
		"otad-revocations 1\nlamp-1 -2 0\n= 4\n",
		"otad-revocations 1\nlamp-1 99999999999 0\n= 4\n",
		"otad-revocations 1\n= 9\nlamp-1 2 0\n= 4\n",
		"otad-revocations 1\n= x\n",
		"otad-revocations 1\n\n= 4\n",
		"otad-revocations 1\nla/mp 2 0\n= 4\n",
	};
	char after[256];
	for (size_t i = 0; i < COUNT(texts); i++) {
		write_file(p, texts[i], strlen(texts[i]));
		assert_null(open_again(p));
		assert_non_null(strstr(p->err.text, p->path));
		assert_int_equal(revocations_count(&p->kept), 0);
		read_file(p, after, sizeof after);
		assert_string_equal(after, texts[i]);
	}
}

static void a_nul_in_the_middle_is_refused(void **state)
{
	struct place *p = *state;
	static const char text[] = "otad-revocations 1\nlamp-1 2 0\0\n= 4\n";
	write_file(p, text, sizeof text - 1);
	assert_null(open_again(p));
}

static void what_cannot_be_opened_is_refused(void **state)
{
	struct place *p = *state;
	assert_int_equal(mkdir(p->path, 0700), 0);
	assert_null(open_again(p));
	assert_int_not_equal(p->err.kind, ERR_NONE);
	assert_int_equal(rmdir(p->path), 0);
	snprintf(p->path, sizeof p->path, "%s/none/revocations", p->directory);
	assert_null(open_again(p));
	assert_int_not_equal(p->err.kind, ERR_NONE);
}

static void a_file_that_has_grown_is_written_anew(void **state)
{
	struct place *p = *state;
	struct journal *journal = open_again(p);
	for (uint64_t i = 0; i < 2000; i++) {
		journal_submit(journal, page(i, i + 1, i % 2 ? "lamp-1" : "lamp-2", (uint32_t)i + 2, false));
		if (i % 50 == 0) {
			usleep(1000); /* so that not all go in one write */
		}
	}
	journal_close(&journal);
	static char text[1 << 20];
	assert_in_range(read_file(p, text, sizeof text), 1, 300 * 16);
	journal = open_again(p);
	assert_int_equal(p->revision, 2000);
	assert_false(revocations_refuses(&p->kept, "lamp-1", 2001));
	assert_true(revocations_refuses(&p->kept, "lamp-1", 2000));
	assert_true(revocations_refuses(&p->kept, "lamp-2", 1999));
	journal_close(&journal);
}

static void what_refuses_nothing_is_dropped_when_it_is(void **state)
{
	struct place *p = *state;
	struct err err = {0};
	struct journal_file file;
	assert_true(journal_file_open(&file, p->path, &p->kept, &p->revision, &err));
	const struct revocation_row rows[] = {{"lamp-1", false, 1}, {"lamp-2", true, 1}};
	assert_true(revocations_apply(&p->kept, rows, COUNT(rows)));
	assert_true(journal_file_rewrite(&file, &p->kept, 5, &err));
	journal_file_close(&file);
	char text[256];
	read_file(p, text, sizeof text);
	assert_string_equal(text, "otad-revocations 1\nlamp-2 1 1\n= 5\n");
}

/* The size of files is limited, so a write fails as on a full disk. */
static void a_full_disk_is_told_and_the_next_page_brings_all(void **state)
{
	struct place *p = *state;
	struct journal *journal = open_again(p);
	assert_true(write_page(journal, page(0, 1, "lamp-1", 2, true)));
	struct rlimit before;
	assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
	signal(SIGXFSZ, SIG_IGN);
	const struct rlimit full = {.rlim_cur = 40, .rlim_max = before.rlim_max};
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &full), 0);
	journal_submit(journal, page(1, 2, "lamp-2", 2, true));
	struct journal_page *done = result(journal);
	assert_false(done->ok);
	assert_non_null(strstr(done->err.text, p->path));
	free(done);
	assert_false(write_page(journal, page(1, 2, "lamp-2", 2, true)));
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
	assert_true(write_page(journal, page(1, 3, "lamp-3", 2, true)));
	journal_close(&journal);
	journal = open_again(p);
	assert_non_null(journal);
	assert_int_equal(p->revision, 3);
	assert_true(revocations_is_blocked(&p->kept, "lamp-1"));
	assert_true(revocations_is_blocked(&p->kept, "lamp-2"));
	assert_true(revocations_is_blocked(&p->kept, "lamp-3"));
	journal_close(&journal);
}

static void a_page_behind_a_gap_is_not_written(void **state)
{
	struct place *p = *state;
	struct journal *journal = open_again(p);
	assert_false(write_page(journal, page(5, 6, "lamp-1", 2, true)));
	journal_close(&journal);
	journal = open_again(p);
	assert_int_equal(p->revision, 0);
	journal_close(&journal);
}

static void a_hundred_thousand_entries_are_read_in_half_a_second(void **state)
{
	struct place *p = *state;
	FILE *file = fopen(p->path, "wb");
	assert_non_null(file);
	fputs("otad-revocations 1\n", file);
	for (int i = 0; i < 100000; i++) {
		fprintf(file, "aa_bb_cc_dd_%06d %d %d\n", i, i % 9 + 2, i % 2);
		if (i % 1000 == 999) {
			fprintf(file, "= %d\n", i);
		}
	}
	fclose(file);
	int64_t begin = clock_mono_ms();
	struct journal *journal = open_again(p);
	int64_t took = clock_mono_ms() - begin;
	assert_non_null(journal);
	assert_int_equal(revocations_count(&p->kept), 100000);
	assert_true(took < (mallinfo2().uordblks > 0 ? 500 : 5000)); /* sanitizers count no memory, and take longer */
	print_message("read in %d ms\n", (int)took);
	journal_close(&journal);
}

#define AT_A_PLACE(test) cmocka_unit_test_setup_teardown(test, make_place, remove_place)

int main(void)
{
	const struct CMUnitTest tests[] = {
		AT_A_PLACE(a_new_file_is_made_at_once_and_only_ours_to_read),
		AT_A_PLACE(what_was_written_is_read_again),
		AT_A_PLACE(what_was_submitted_is_written_before_the_end),
		AT_A_PLACE(results_come_in_order),
		AT_A_PLACE(a_reset_forgets_the_rest),
		AT_A_PLACE(a_crash_at_any_byte_leaves_whole_pages),
		AT_A_PLACE(a_file_that_is_not_ours_is_refused_and_left_alone),
		AT_A_PLACE(a_nul_in_the_middle_is_refused),
		AT_A_PLACE(what_cannot_be_opened_is_refused),
		AT_A_PLACE(a_file_that_has_grown_is_written_anew),
		AT_A_PLACE(what_refuses_nothing_is_dropped_when_it_is),
		AT_A_PLACE(a_full_disk_is_told_and_the_next_page_brings_all),
		AT_A_PLACE(a_page_behind_a_gap_is_not_written),
		AT_A_PLACE(a_hundred_thousand_entries_are_read_in_half_a_second),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
