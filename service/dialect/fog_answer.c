#include "dialect/fog_answer.h"

#include <stdio.h>
#include <string.h>

#include "common/buf.h"
#include "dialect/fog_envelope.h"
#include "dialect/fog_file.h"
#include "engine/parts.h"

static void put_file(struct buf *out, const struct parts_offer *o, const char *url)
{
	buf_puts(out, "{\"file_url\":");
	buf_put_json(out, url);
	buf_puts(out, ",\"md5\":");
	buf_put_json(out, o->md5);
	buf_puts(out, ",\"version\":");
	buf_put_json(out, o->version);
	buf_puts(out, ",\"ota_type\":");
	buf_put_i64(out, fog_ota_type(o->component));
	buf_puts(out, ",\"customize\":");
	buf_put_json(out, o->customize);
	buf_putc(out, '}');
}

/* "" = there is none that a client could take. */
static void url_of(const struct parts_offer *o, const char *base, char out[FOG_URL_MAX + 1])
{
	int n = *o->url ? snprintf(out, FOG_URL_MAX + 1, "%s", o->url)
			: snprintf(out, FOG_URL_MAX + 1, "%s/api/v2/micro/%s", base, o->alias);
	if (n > FOG_URL_MAX) {
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
		char url[FOG_URL_MAX + 1] = "";
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
