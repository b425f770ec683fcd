/* Lists and files of ranges, and whom they name. The first line is a device's identifier, the rest the list. */
#include <stdlib.h>
#include <string.h>

#include "common/err.h"
#include "common/scoped.h"
#include "dialect/native_range_csv.h"
#include "fuzz.h"
#include "model/range.h"

/* What is taken reads back as the same entry from its plain spelling, and from the one it had. */
static void check_entry(const struct range *r, const char *id)
{
	char plain[RANGE_TEXT_SIZE];
	struct range again;
	struct range back;
	range_text(r, plain);
	CHECK(range_parse(plain, strlen(plain), &again, NULL) && !again.said && again.kind == r->kind);
	CHECK(strcmp(again.head, r->head) == 0 && strcmp(again.first, r->first) == 0 && strcmp(again.last, r->last) == 0);
	CHECK(range_make(range_kind_name(r->kind), r->head, r->first, r->last, &back) && back.kind == r->kind);
	CHECK(!r->said || (r->said_len <= RANGE_SAID_MAX && range_parse(r->said, r->said_len, &again, NULL)));
	CHECK(r->kind == RANGE_MACS || *r->head);
	if (*id) {
		CHECK(range_names(r, id) == range_names(&back, id));
		CHECK(!range_names(r, id) || strncmp(id, r->head, strlen(r->head)) == 0); /* by which it is found */
	}
}

static void check_identifier(const char *line, char id[RANGE_ID_SIZE])
{
	char twice[RANGE_ID_SIZE];
	size_t len = range_normalise(line, id);
	CHECK(len == strlen(id) && len < RANGE_ID_SIZE);
	CHECK(range_normalise(id, twice) == len && strcmp(twice, id) == 0);
	if (len) {
		struct range itself;
		CHECK(range_parse(id, len, &itself, NULL) && itself.kind == RANGE_EXACT && range_names(&itself, id));
	}
}

/* The same text as a file: as many entries come as were counted, each time. */
static void check_file(const char *text, size_t len)
{
	struct native_range_csv csv;
	struct err err = {0};
	struct range r;
	bool ok = native_range_csv_read(&csv, text, len, &err);
	CHECK(ok == (err.kind == ERR_NONE) && ok == (csv.count > 0));
	for (int twice = 0; ok && twice < 2; twice++) {
		char last[RANGE_ID_SIZE];
		size_t n = 0;
		native_range_csv_rewind(&csv);
		for (; native_range_csv_next(&csv, &r); n++) {
			CHECK(!r.said && (n == 0 || strncmp(last, r.head, NATIVE_RANGE_KEY) <= 0));
			memcpy(last, r.head, sizeof last);
		}
		CHECK(n == csv.count);
	}
	native_range_csv_free(&csv);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fuzz_input in = {data, size};
	scoped_free char *line = fuzz_line(&in);
	size_t len;
	scoped_free char *text = fuzz_rest(&in, &len);
	char id[RANGE_ID_SIZE];
	struct range_list list = {0};
	struct err err = {0};
	check_identifier(line, id);
	bool ok = range_list_parse(&list, text, len, &err);
	CHECK(ok == (err.kind == ERR_NONE) && list.count <= RANGES_MAX);
	for (size_t i = 0; i < list.count; i++) {
		check_entry(&list.rows[i], id);
	}
	range_list_free(&list);
	check_file(text, len);
	return 0;
}
