#include "dialect/fog_answer.h"

#include <stdio.h>
#include <string.h>

#include "common/buf.h"
#include "common/text.h"
#include "dialect/fog_envelope.h"
#include "dialect/fog_file.h"
#include "engine/parts.h"
#include "model/file.h"

/* Whole characters of what a client has room for. */
static void put_text(struct buf *out, const char *key, const char *text, size_t max)
{
	size_t whole = strlen(text);
	size_t len = 0;
	for (size_t n; len < whole && (n = text_utf8_char(text + len, whole - len)) > 0 && len + n <= max;) {
		len += n;
	}
	buf_puts(out, key);
	buf_put_json_len(out, text, len);
}

static void put_file(struct buf *out, const struct parts_offer *o, const char *url)
{
	buf_puts(out, "{\"file_url\":");
	buf_put_json(out, url);
	put_text(out, ",\"md5\":", o->md5, FILE_MD5_MAX);
	put_text(out, ",\"version\":", o->version, FILE_VERSION_MAX);
	buf_puts(out, ",\"ota_type\":");
	buf_put_i64(out, fog_ota_type(o->component));
	put_text(out, ",\"customize\":", o->customize, FILE_CUSTOMIZE_MAX);
	buf_putc(out, '}');
}

/* "" = there is none that a client could take. */
static void url_of(const struct parts_offer *o, const char *base, char out[FILE_URL_MAX + 1])
{
	int n = *o->url ? snprintf(out, FILE_URL_MAX + 1, "%s", o->url)
			: snprintf(out, FILE_URL_MAX + 1, "%s/api/v2/micro/%s", base, o->alias);
	if (n > FILE_URL_MAX) {
		out[0] = '\0';
	}
}

static void put(struct buf *out, const struct parts_answer *answer, const char *base, size_t max)
{
	size_t files = 0;
	fog_begin(out, FOG_CODE_FIRST, "ota file info");
	char mem[2 * FOG_ANSWER_MAX];
	struct buf list;
	buf_init_fixed(&list, mem, sizeof mem);
	for (size_t i = 0; i < PARTS_MAX && files < max; i++) {
		char url[FILE_URL_MAX + 1] = "";
		if (answer->offers[i].offered) {
			url_of(&answer->offers[i], base, url);
		}
		if (*url) {
			buf_puts(&list, files++ ? "," : "");
			put_file(&list, &answer->offers[i], url);
		}
	}
	buf_puts(out, files ? "{\"need_ota\":true,\"files\":[" : "{\"need_ota\":false,\"files\":[");
	buf_puts(out, buf_cstr(&list));
	buf_puts(out, "]}");
}

void fog_answer(struct buf *out, const struct parts_answer *answer, const char *base)
{
	char mem[2 * FOG_ANSWER_MAX];
	struct buf whole;
	size_t max = PARTS_MAX;
	do {
		buf_init_fixed(&whole, mem, sizeof mem);
		put(&whole, answer, base, max);
	} while ((!buf_ok(&whole) || whole.len + 1 > FOG_ANSWER_MAX) && max-- > 0);
	buf_put(out, whole.data, whole.len);
}
