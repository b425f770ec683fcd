#include "dialect/broker_form.h"

#include <stdlib.h>
#include <string.h>

#include "common/text.h"

/* Decodes a name or a value in place; '+' is a blank. */
static bool decode(char *text)
{
	char *out = text;
	for (const char *in = text; *in; in++) {
		unsigned char byte = *in == '+' ? (unsigned char)' ' : (unsigned char)*in;
		if (*in == '%') {
			char pair[3] = {in[1], in[1] ? in[2] : '\0', '\0'};
			if (!text_unhex(pair, &byte, 1) || byte == '\0') {
				return false;
			}
			in += 2;
		}
		*out++ = (char)byte;
	}
	*out = '\0';
	size_t len = (size_t)(out - text);
	return text_is_utf8(text, len) && text_is_printable(text, len);
}

static bool take(struct broker_form *form, char *item)
{
	char *value = strchr(item, '=');
	if (!value || value == item || form->count == BROKER_FORM_FIELDS) {
		return false;
	}
	*value++ = '\0';
	if (!decode(item) || !decode(value) || broker_form_get(form, item)) {
		return false;
	}
	form->field[form->count].name = item;
	form->field[form->count++].value = value;
	return true;
}

bool broker_form_parse(struct broker_form *form, const char *text, size_t len)
{
	*form = (struct broker_form){.count = 0};
	if (len > BROKER_FORM_MAX || memchr(text, '\0', len)) {
		return false;
	}
	form->text = calloc(1, len + 1);
	if (!form->text) {
		return false;
	}
	memcpy(form->text, text, len);
	char *rest = len ? form->text : NULL;
	for (char *item = strsep(&rest, "&"); item; item = strsep(&rest, "&")) {
		if (!take(form, item)) {
			explicit_bzero(form->text, len);
			free(form->text);
			*form = (struct broker_form){.count = 0};
			return false;
		}
	}
	return true;
}

void broker_form_free(struct broker_form *form)
{
	for (size_t i = 0; i < form->count; i++) {
		char *value = form->text + (form->field[i].value - form->text);
		explicit_bzero(value, strlen(value));
	}
	free(form->text);
	*form = (struct broker_form){.count = 0};
}

const char *broker_form_get(const struct broker_form *form, const char *name)
{
	for (size_t i = 0; i < form->count; i++) {
		if (strcmp(form->field[i].name, name) == 0) {
			return form->field[i].value;
		}
	}
	return NULL;
}
