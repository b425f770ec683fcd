#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "http/form.h"
#include "unit.h"

/* What the calls told, as "name(file_name)=data;". */
struct record {
	char text[4096];
	size_t len;
	bool refuse_part, refuse_data;
};

static void note(struct record *r, const char *data, size_t len)
{
	assert_true(r->len + len < sizeof(r->text));
	memcpy(r->text + r->len, data, len);
	r->len += len;
}

static bool on_part(void *ctx, const char *name, const char *file_name)
{
	struct record *r = ctx;
	if (r->len) {
		note(r, ";", 1);
	}
	note(r, name, strlen(name));
	if (file_name) {
		note(r, "(", 1);
		note(r, file_name, strlen(file_name));
		note(r, ")", 1);
	}
	note(r, "=", 1);
	return !r->refuse_part;
}

static bool on_data(void *ctx, const char *data, size_t len)
{
	assert_true(len > 0);
	note(ctx, data, len);
	return !((struct record *)ctx)->refuse_data;
}

static const struct http_form_calls calls = {.part = on_part, .data = on_data};

/* Feeds text in pieces of at most `piece` bytes, each in memory of its own size so that a sanitizer sees any step beyond. */
static bool feed(struct http_form *form, const char *text, size_t len, size_t piece)
{
	bool ok = true;
	for (size_t at = 0; at < len; at += piece) {
		size_t n = len - at < piece ? len - at : piece;
		char *copy = malloc(n);
		assert_non_null(copy);
		memcpy(copy, text + at, n);
		ok = http_form_feed(form, copy, n);
		free(copy);
	}
	return ok;
}

enum outcome { WHOLE, CUT_OFF, MALFORMED };

static enum outcome parse(const char *type, const char *text, size_t len, size_t piece, struct record *r)
{
	struct http_form *form = http_form_new(type, &calls, r);
	assert_non_null(form);
	bool ok = feed(form, text, len, piece);
	enum outcome outcome = !ok ? MALFORMED : http_form_is_whole(form) ? WHOLE : CUT_OFF;
	http_form_free(&form);
	assert_null(form);
	return outcome;
}

/* The same for every way to cut the text into pieces of equal size. */
static void expect(const char *text, enum outcome wanted, const char *calls_made)
{
	size_t len = strlen(text);
	for (size_t piece = 1; piece <= len; piece++) {
		struct record r = {.len = 0};
		enum outcome outcome = parse("multipart/form-data; boundary=BB", text, len, piece, &r);
		if (outcome != wanted || (wanted == WHOLE && (r.len != strlen(calls_made) || memcmp(r.text, calls_made, r.len) != 0))) {
			fail_msg("%s\nin pieces of %zu: outcome %d, %.*s", text, piece, (int)outcome, (int)r.len, r.text);
		}
	}
}

#define PART(head, data) "--BB\r\n" head "\r\n\r\n" data "\r\n"
#define FIELD(name, data) PART("Content-Disposition: form-data; name=\"" name "\"", data)
#define FILE_PART(name, data) PART("Content-Disposition: form-data; name=\"file\"; filename=\"" name "\"", data)
#define END "--BB--\r\n"

static void parts_of_a_form(void **state)
{
	(void)state;
	expect(FIELD("a", "1") END, WHOLE, "a=1");
	expect(FIELD("a", "") FILE_PART("x.bin", "data") FIELD("b", "2") END, WHOLE, "a=;file(x.bin)=data;b=2");
	expect(FILE_PART("", "") END, WHOLE, "file()=");
	expect("preamble\r\n--B\r\n" FIELD("a", "1") END "epilogue\r\n--BB\r\n", WHOLE, "a=1");
	expect(FIELD("a", "1") "--BB--", WHOLE, "a=1");
	expect("--BB  \t\r\nContent-Disposition: form-data; name=a\r\n\r\n1\r\n" END, WHOLE, "a=1");
	expect("--BB--", WHOLE, "");
}

static void data_that_looks_like_a_boundary(void **state)
{
	(void)state;
	expect(FIELD("a", "\r\n--B") END, WHOLE, "a=\r\n--B");
	expect(FIELD("a", "\r\r\n--B\r\n-\r\n--\r\n\r\n--BA--BB") END, WHOLE, "a=\r\r\n--B\r\n-\r\n--\r\n\r\n--BA--BB");
	expect(FIELD("a", "\n--BB\n\r") END, WHOLE, "a=\n--BB\n\r");
	expect(FIELD("a", "\r\n\r\n") END, WHOLE, "a=\r\n\r\n");
}

static void heads_of_parts(void **state)
{
	(void)state;
	expect(PART("content-type: text/plain\r\nCONTENT-DISPOSITION:form-data;name=a;filename=b", "1") END, WHOLE, "a(b)=1");
	expect(PART("Content-Disposition: form-data; filename=\"a;b=\\\"c\\\" \\d\\\\\" ; name=\"n\"", "1") END, WHOLE,
	       "n(a;b=\"c\" \\d\\)=1");
	expect(PART("Content-Disposition: form-data; name=\"caf\xc3\xa9\"; filename*=UTF-8''x", "1") END, WHOLE, "caf\xc3\xa9=1");
	expect(PART("Content-Disposition: form-data; xname=\"a\"; name=\"b\"", "1") END, WHOLE, "b=1");
}

static void malformed_forms(void **state)
{
	(void)state;
	expect(PART("Content-Type: text/plain", "1") END, MALFORMED, NULL);
	expect(PART("Content-Disposition: attachment; name=\"a\"", "1") END, MALFORMED, NULL);
	expect(PART("Content-Disposition: form-data", "1") END, MALFORMED, NULL);
	expect(PART("Content-Disposition: form-data; name=\"a", "1") END, MALFORMED, NULL);
	expect("--BB\r\n\r\n1\r\n" END, MALFORMED, NULL);
	expect("--BBx\r\n", MALFORMED, NULL);
	expect("--BB-x\r\n", MALFORMED, NULL);
	expect("--BB\rx\r\n", MALFORMED, NULL);
	expect(FIELD("a", "1") "--BB\n", MALFORMED, NULL);
}

static void forms_that_end_too_soon(void **state)
{
	(void)state;
	static const char text[] = FIELD("a", "1") FILE_PART("x", "data") "--BB--";
	for (size_t len = 0; len < sizeof(text) - 1; len++) {
		struct record r = {.len = 0};
		assert_int_equal(parse("multipart/form-data; boundary=BB", text, len, 7, &r), CUT_OFF);
	}
}

static void a_nul_and_a_long_head_are_refused(void **state)
{
	(void)state;
	static const char nul[] = "--BB\r\nContent-Disposition: form-data; name=\"a\0\"\r\n\r\n";
	struct record r = {.len = 0};
	assert_int_equal(parse("multipart/form-data; boundary=BB", nul, sizeof(nul) - 1, 100, &r), MALFORMED);
	static char large[10000];
	memset(large, 'x', sizeof(large));
	memcpy(large, "--BB\r\n", 6);
	assert_int_equal(parse("multipart/form-data; boundary=BB", large, sizeof(large), 100, &r), MALFORMED);
}

static void a_call_can_end_it(void **state)
{
	(void)state;
	static const char text[] = FIELD("a", "1") END;
	struct record r = {.refuse_part = true};
	assert_int_equal(parse("multipart/form-data; boundary=BB", text, sizeof(text) - 1, 1000, &r), MALFORMED);
	struct record s = {.refuse_data = true};
	assert_int_equal(parse("multipart/form-data; boundary=BB", text, sizeof(text) - 1, 3, &s), MALFORMED);
	assert_int_equal(s.len, 3);
}

static void the_boundary_comes_from_the_content_type(void **state)
{
	(void)state;
	static const char text[] = "--a b\"c\r\nContent-Disposition: form-data; name=x\r\n\r\n1\r\n--a b\"c--";
	struct record r = {.len = 0};
	assert_int_equal(parse("multipart/form-data; charset=utf-8; BOUNDARY=\"a b\\\"c\"", text, sizeof(text) - 1, 1000, &r), WHOLE);
	static const char *const bad[] = {
		"multipart/form-data",
		"multipart/form-data; boundary",
		"multipart/form-data; boundary=",
		"multipart/form-data; boundary=\"\"",
		"multipart/form-data; boundary=\"a",
		"multipart/form-data; boundary=\"a\tb\"",
		"multipart/form-data; xboundary=a",
		"multipart/form-data; boundary=12345678901234567890123456789012345678901234567890123456789012345678901"};
	assert_null(http_form_new(NULL, &calls, &r));
	for (size_t i = 0; i < COUNT(bad); i++) {
		assert_null(http_form_new(bad[i], &calls, &r));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(parts_of_a_form),         cmocka_unit_test(data_that_looks_like_a_boundary),
		cmocka_unit_test(heads_of_parts),          cmocka_unit_test(malformed_forms),
		cmocka_unit_test(forms_that_end_too_soon), cmocka_unit_test(a_nul_and_a_long_head_are_refused),
		cmocka_unit_test(a_call_can_end_it),       cmocka_unit_test(the_boundary_comes_from_the_content_type),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
