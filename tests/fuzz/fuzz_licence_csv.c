/* Files of licences: what is taken is well-formed and reads back as the same rows from a file of our own. */
#include <stdlib.h>
#include <string.h>

#include "common/buf.h"
#include "common/err.h"
#include "common/text.h"
#include "dialect/native_licence_csv.h"
#include "fuzz.h"
#include "model/gateway.h"
#include "model/licence.h"

enum { FILE_MAX = 64 << 20 };

static void write_row(struct buf *out, const struct licence_new *row)
{
	buf_putc(out, '"');
	for (const char *c = row->licence.serial; *c; c++) {
		buf_put(out, *c == '"' ? "\"\"" : c, *c == '"' ? 2 : 1);
	}
	buf_puts(out, "\",");
	if (row->licence.encoding == LICENCE_RAW) {
		buf_put_hex(out, row->key.bytes, row->key.len);
	} else {
		buf_put(out, row->key.bytes, row->key.len);
	}
	buf_putf(out, ",%s\r\n", licence_encoding_name(row->licence.encoding));
}

static void check_row(const struct licence_new *row, size_t earlier_line)
{
	size_t len = strlen(row->licence.serial);
	CHECK(len >= 1 && len < SERIAL_SIZE && text_is_printable(row->licence.serial, len));
	CHECK(row->key.len == (row->licence.encoding == LICENCE_RAW ? 32 : 64));
	CHECK(row->line > earlier_line && row->licence.product_id == 3 && row->licence.id == 0 && row->licence.device_id == 0);
}

static void read_back(const struct licence_new *rows, size_t count)
{
	struct buf out;
	struct licence_new *again;
	size_t again_count;
	buf_init(&out, FILE_MAX);
	buf_puts(&out, "serial,key,encoding\n");
	for (size_t i = 0; i < count; i++) {
		check_row(&rows[i], i ? rows[i - 1].line : 0);
		write_row(&out, &rows[i]);
	}
	CHECK(buf_ok(&out) && native_licence_csv(out.data, out.len, 0, &again, &again_count, NULL) && again_count == count);
	for (size_t i = 0; i < count; i++) {
		CHECK(strcmp(again[i].licence.serial, rows[i].licence.serial) == 0 &&
		      again[i].licence.encoding == rows[i].licence.encoding);
		CHECK(again[i].key.len == rows[i].key.len && memcmp(again[i].key.bytes, rows[i].key.bytes, rows[i].key.len) == 0);
	}
	native_licence_csv_free(&again, again_count);
	buf_free(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fuzz_input in = {data, size};
	struct licence_new *rows;
	struct err err = {0};
	size_t count = 9;
	size_t len;
	char *text = fuzz_rest(&in, &len);
	bool ok = native_licence_csv(text, len, 3, &rows, &count, &err);
	CHECK(ok == (err.kind == ERR_NONE) && ok == (count > 0) && ok == (rows != NULL));
	CHECK(!ok || count <= NATIVE_LICENCE_ROWS_MAX);
	if (ok) {
		read_back(rows, count);
		native_licence_csv_free(&rows, count);
	}
	free(text);
	in = (struct fuzz_input){data, size};
	char *line = fuzz_line(&in);
	struct err why = {0};
	CHECK(gateway_check_endpoint(line, &why) == (why.kind == ERR_NONE));
	CHECK(why.kind != ERR_NONE || (strlen(line) < ENDPOINT_SIZE && !strpbrk(line, "/ []@")));
	free(line);
	return 0;
}
