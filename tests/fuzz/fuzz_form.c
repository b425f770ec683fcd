/* Multipart forms, taken apart as they stream by. Line 1: the Content-Type; line 2: letters that say where to cut; the rest: the body.
 * Wherever it is cut, it must be told the same way. */
#include <stdlib.h>
#include <string.h>

#include "common/buf.h"
#include "common/scoped.h"
#include "fuzz.h"
#include "http/form.h"

enum { TOLD_MAX = 4 << 20 };

struct told {
	struct buf text;
	bool in_data;
};

static bool on_part(void *ctx, const char *name, const char *file_name)
{
	struct told *t = ctx;
	CHECK(!strpbrk(name, "\r\n") && (!file_name || !strpbrk(file_name, "\r\n")));
	buf_puts(&t->text, "\n<");
	buf_puts(&t->text, name);
	buf_puts(&t->text, file_name ? "> file <" : "> field");
	buf_puts(&t->text, file_name ? file_name : "");
	buf_putc(&t->text, '\n');
	t->in_data = true;
	return strcmp(name, "stop") != 0;
}

static bool on_data(void *ctx, const char *data, size_t len)
{
	struct told *t = ctx;
	CHECK(t->in_data && len > 0);
	buf_put(&t->text, data, len);
	return true;
}

static const struct http_form_calls calls = {.part = on_part, .data = on_data};

/* Feeds the body in pieces, each in memory of its own size; false when the form said no. cuts NULL: all at once. */
static bool feed(struct http_form *form, const char *body, size_t len, const char *cuts)
{
	size_t count = cuts ? strlen(cuts) : 0;
	bool ok = true;
	for (size_t at = 0, i = 0; at < len; i++) {
		size_t n = cuts && count ? 1 + (size_t)(unsigned char)(cuts[i % count] - 1) % 32 : len;
		n = n < len - at ? n : len - at;
		scoped_free char *piece = malloc(n);
		CHECK(piece != NULL);
		memcpy(piece, body + at, n);
		CHECK(ok || !http_form_feed(form, piece, n)); /* once refused, always refused */
		ok = ok && http_form_feed(form, piece, n);
		at += n;
	}
	return ok;
}

/* 0 = malformed, 1 = cut off, 2 = whole */
static int take_apart(const char *type, const char *body, size_t len, const char *cuts, struct told *told)
{
	*told = (struct told){.in_data = false};
	buf_init(&told->text, TOLD_MAX);
	struct http_form *form = http_form_new(type, &calls, told);
	CHECK(form != NULL);
	bool ok = feed(form, body, len, cuts);
	int outcome = !ok ? 0 : 1 + http_form_is_whole(form);
	http_form_free(&form);
	CHECK(!form && buf_ok(&told->text));
	return outcome;
}

static void any_form(const char *type, const char *body, size_t len, const char *cuts)
{
	struct told whole;
	struct told pieces;
	int outcome = take_apart(type, body, len, NULL, &whole);
	CHECK(take_apart(type, body, len, cuts, &pieces) == outcome);
	CHECK(whole.text.len == pieces.text.len && (!whole.text.len || memcmp(whole.text.data, pieces.text.data, whole.text.len) == 0));
	buf_free(&whole.text);
	buf_free(&pieces.text);
}

/* A file of any bytes arrives unaltered. */
static void any_file(const char *data, size_t len, const char *cuts)
{
	static const char head[] = "--BB\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a.bin\"\r\n\r\n";
	static const char delimiter[] = "\r\n--BB";
	static const char wanted[] = "\n<file> file <a.bin\n";
	if ((len >= 4 && memcmp(data, delimiter + 2, 4) == 0) || memmem(data, len, delimiter, sizeof delimiter - 1)) {
		return; /* that would be its end */
	}
	struct buf body;
	struct told told;
	buf_init(&body, TOLD_MAX);
	buf_puts(&body, head);
	buf_put(&body, data, len);
	buf_puts(&body, "\r\n--BB--\r\n");
	CHECK(buf_ok(&body));
	CHECK(take_apart("multipart/form-data; boundary=BB", body.data, body.len, cuts, &told) == 2);
	size_t before = sizeof wanted - 1;
	CHECK(told.text.len == before + len && memcmp(told.text.data, wanted, before) == 0 &&
	      memcmp(told.text.data + before, data, len) == 0);
	buf_free(&told.text);
	buf_free(&body);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fuzz_input in = {data, size};
	size_t len;
	scoped_free char *type = fuzz_line(&in);
	scoped_free char *cuts = fuzz_line(&in);
	scoped_free char *body = fuzz_rest(&in, &len);
	struct told nothing = {.in_data = false};
	struct http_form *form = http_form_new(type, &calls, &nothing);
	if (form) {
		http_form_free(&form);
		any_form(type, body, len, cuts);
	}
	any_file(body, len, cuts);
	return 0;
}
