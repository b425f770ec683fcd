/* Bodies of /api/v3. Line 1: a new row; line 2: a change to it. Both are read as a product, a device and a forced fix; what is then shown
 * must read back as the same row. */
#include <cjson/cJSON.h>
#include <stdlib.h>
#include <string.h>

#include "common/buf.h"
#include "common/err.h"
#include "common/json.h"
#include "common/scoped.h"
#include "common/text.h"
#include "dialect/native_noun.h"
#include "fuzz.h"

enum { SHOWN_MAX = 64 * 1024 };

struct kind {
	const struct native_noun *noun;
	const char *writable[12]; /* NULL-terminated */
	void (*check)(const union native_row *row);
};

static bool fits(const char *s, size_t size)
{
	return memchr(s, '\0', size) && text_is_utf8(s, strlen(s)) && text_is_printable(s, strlen(s));
}

static void check_product(const union native_row *row)
{
	const struct product *p = &row->product;
	CHECK(text_is_key(p->key) && fits(p->name, sizeof p->name) && fits(p->description, sizeof p->description));
	CHECK(p->id == 0 && p->rev == 0 && p->created_ms == 0);
	CHECK(p->board_count <= BOARDS_MAX && p->partition_count <= PARTITIONS_MAX);
	for (size_t i = 0; i < p->board_count; i++) {
		CHECK(*p->boards[i] && fits(p->boards[i], sizeof p->boards[i]));
	}
	for (size_t i = 0; i < p->partition_count; i++) {
		CHECK(*p->partitions[i] && fits(p->partitions[i], sizeof p->partitions[i]));
	}
}

static void check_device(const union native_row *row)
{
	const struct device *d = &row->device;
	CHECK(text_is_device_name(d->name) && fits(d->client_id, sizeof d->client_id) && d->product_id >= 1);
	CHECK(strlen(d->mac) == (*d->mac ? 12 : 0) && strspn(d->mac, "0123456789ABCDEF") == strlen(d->mac));
	CHECK(d->id == 0 && d->rev == 0 && !*d->version && d->last_seen_ms == 0);
}

static void check_fix(const union native_row *row)
{
	const struct fix *f = &row->fix;
	CHECK(*f->from_version && fits(f->from_version, sizeof f->from_version) && *f->board && fits(f->board, sizeof f->board));
	CHECK(f->id == 0 && !fix_matches(f, "", f->board, f->board));
}

static const struct kind kinds[] = {
	{&native_product,
	 {"key", "name", "description", "boards", "partitions", "unboundUpdates", "autoRegister", "autoRegisterMax", "deviceToken",
	  "bundle", NULL},
	 check_product},
	{&native_device, {"name", "productId", "clientId", "mac", NULL}, check_device},
	{&native_fix, {"fromVersion", "board", NULL}, check_fix},
};

static cJSON *show(const struct native_noun *noun, const union native_row *row)
{
	struct buf out;
	buf_init(&out, SHOWN_MAX);
	noun->put(&out, row);
	CHECK(buf_ok(&out));
	cJSON *json = json_parse_object(out.data, out.len, NULL);
	CHECK(json != NULL);
	buf_free(&out);
	return json;
}

/* Drops what only the service writes, and what is empty or 0 (where a client would leave it out). */
static void keep_writable(cJSON *json, const char *const *writable)
{
	cJSON *next;
	for (cJSON *member = json->child; member; member = next) {
		bool keep = false;
		next = member->next;
		for (const char *const *name = writable; *name; name++) {
			keep |= strcmp(*name, member->string) == 0;
		}
		bool unset = (cJSON_IsString(member) && !*member->valuestring) || (cJSON_IsNumber(member) && member->valuedouble == 0);
		if (!keep || unset) {
			cJSON_Delete(cJSON_DetachItemViaPointer(json, member));
		}
	}
}

static void read_back(const struct kind *kind, const union native_row *row)
{
	union native_row again;
	memset(&again, 0, sizeof again);
	scoped_json cJSON *json = show(kind->noun, row);
	keep_writable(json, kind->writable);
	const cJSON *product = cJSON_GetObjectItem(json, "productId");
	if (product && product->valuedouble > 9e15) {
		return; /* beyond what a JSON number holds */
	}
	CHECK(kind->noun->decode(json, true, &again, NULL));
	scoped_json cJSON *other = show(kind->noun, &again);
	keep_writable(other, kind->writable);
	char *first = cJSON_PrintUnformatted(json);
	char *second = cJSON_PrintUnformatted(other);
	CHECK(first && second && strcmp(first, second) == 0);
	cJSON_free(first);
	cJSON_free(second);
}

static bool take(const struct kind *kind, const char *text, bool fresh, union native_row *row)
{
	struct err err = {0};
	scoped_json cJSON *json = json_parse_object(text, strlen(text), &err);
	bool ok = json && kind->noun->decode(json, fresh, row, &err);
	CHECK(ok == (err.kind == ERR_NONE));
	if (ok) {
		kind->check(row);
		read_back(kind, row);
	}
	return ok;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fuzz_input in = {data, size};
	scoped_free char *body = fuzz_line(&in);
	scoped_free char *change = fuzz_line(&in);
	for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
		union native_row row;
		memset(&row, 0, sizeof row);
		if (take(&kinds[i], body, true, &row)) {
			take(&kinds[i], change, false, &row);
		}
	}
	int64_t id = 5;
	CHECK(native_noun_parse_id(body, &id, NULL) ? id >= 1 : id == 5);
	return 0;
}
