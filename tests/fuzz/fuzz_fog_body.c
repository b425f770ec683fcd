/* Bodies of the fog dialect. Line 1: the Content-Type; the rest: the body. Whatever is read of it keeps its bounds, and what is taken as a
 * file can be written down again. */
#include <stdlib.h>
#include <string.h>

#include "common/buf.h"
#include "common/json.h"
#include "common/scoped.h"
#include "common/text.h"
#include "dialect/fog_body.h"
#include "dialect/fog_file.h"
#include "fuzz.h"
#include "model/file.h"
#include "model/listing.h"
#include "model/range.h"

enum { ANSWER_MAX = 1 << 20 };

static void check_fields(const struct fog_body *body)
{
	for (size_t i = 0; i < body->form.count; i++) {
		const struct http_field *f = &body->form.at[i];
		CHECK(*f->name && text_is_utf8(f->name, strlen(f->name)) && text_is_utf8(f->value, strlen(f->value)));
	}
	CHECK(!body->json || body->form.count == 0);
}

/* What passes as a file is a JSON object again, and short enough. */
static void check_file(struct file *f)
{
	text_copy(f->firmware.component, sizeof f->firmware.component, "mcu");
	if (!file_check(f, NULL)) {
		return;
	}
	struct buf out;
	buf_init(&out, ANSWER_MAX);
	fog_file_encode(&out, "p", f, NULL, 0);
	CHECK(buf_ok(&out));
	struct cJSON *again = json_parse_object(out.data, out.len, NULL);
	CHECK(again != NULL);
	json_free(&again);
	buf_free(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fuzz_input in = {data, size};
	size_t len;
	scoped_free char *type = fuzz_line(&in);
	scoped_free char *text = fuzz_rest(&in, &len);
	struct fog_body body;
	if (!fog_body_read(&body, type, text, len, NULL)) {
		CHECK(!body.json && !body.form.text);
		return 0;
	}
	check_fields(&body);
	struct range_list ranges = {.count = 0};
	struct fog_file_in wanted = {.id = 1, .ranges = &ranges};
	struct file_edit edit;
	if (fog_file_decode(&body, &wanted, &edit, NULL)) {
		CHECK(wanted.ota_type >= -1 && wanted.ota_type <= 1 && ranges.count <= RANGES_MAX);
		check_file(&edit.to);
	}
	range_list_free(&ranges);
	fog_body_free(&body);
	return 0;
}
