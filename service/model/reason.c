#include "model/reason.h"

#include <string.h>

#include "common/buf.h"

static const struct {
	const char *name;
	const char *en;
	const char *zh;
} sentences[REASON_COUNT] = {
#define R(symbol, name, en, zh) [REASON_##symbol] = {name, en, zh},
	REASON_TABLE(R)
#undef R
};

const char *reason_name(enum reason_id id)
{
	return sentences[id].name;
}

static void print_value(const struct reason_value *value, bool chinese, struct buf *out)
{
	if (!value->text) {
		buf_put_i64(out, value->number);
	} else if (*value->text) {
		buf_puts(out, value->text);
	} else {
		buf_puts(out, chinese ? "未知" : "unknown");
	}
}

void reason_print(const struct reason *reason, bool chinese, struct buf *out)
{
	const char *text = chinese ? sentences[reason->id].zh : sentences[reason->id].en;
	const struct {
		const char *place;
		struct reason_value value;
	} values[] = {{"{n}", {.number = reason->number}}, {"{has}", reason->has}, {"{wants}", reason->wants}};
	while (*text) {
		size_t plain = strcspn(text, "{");
		buf_put(out, text, plain);
		text += plain;
		for (size_t i = 0; i < sizeof values / sizeof *values; i++) {
			size_t len = strlen(values[i].place);
			if (strncmp(text, values[i].place, len) == 0) {
				print_value(&values[i].value, chinese, out);
				text += len;
				break;
			}
		}
	}
}
