/* application/x-www-form-urlencoded, taken apart strictly: what is odd is refused as a whole. Pure. */
#ifndef DIALECT_BROKER_FORM_H
#define DIALECT_BROKER_FORM_H

#include <stdbool.h>
#include <stddef.h>

enum { BROKER_FORM_FIELDS = 32, BROKER_FORM_MAX = 16 * 1024 };

/* Names and values point into text and are NUL-terminated UTF-8 without control characters. */
struct broker_form {
	char *text;
	size_t count;
	struct {
		const char *name, *value;
	} field[BROKER_FORM_FIELDS];
};

/* "a=1&b=%2F+x". False, with nothing to free: more than BROKER_FORM_MAX bytes or BROKER_FORM_FIELDS fields, one without "=" or without a
 * name, a name twice, a malformed escape, a NUL, a control character, no UTF-8; or memory is out. "" has no fields. */
bool broker_form_parse(struct broker_form *form, const char *text, size_t len);
void broker_form_free(struct broker_form *form); /* wipes: it may hold a password */

/* NULL when there is none of that name. */
const char *broker_form_get(const struct broker_form *form, const char *name);

#endif
