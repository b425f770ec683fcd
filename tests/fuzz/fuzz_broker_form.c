/* A form as RabbitMQ sends it, against a reading that decodes each piece once; then its routing key as a topic. */
#include <stdlib.h>
#include <string.h>

#include "common/scoped.h"
#include "common/text.h"
#include "dialect/broker_form.h"
#include "dialect/broker_rabbit_rule.h"
#include "fuzz.h"

/* Encodes a decoded text as its sender would have; what comes out decodes to the same. */
static size_t encode(const char *text, char *out)
{
	static const char hex[] = "0123456789abcdef";
	char *at = out;
	for (; *text; text++) {
		*at++ = '%';
		*at++ = hex[(unsigned char)*text >> 4];
		*at++ = hex[(unsigned char)*text & 15];
	}
	*at = '\0';
	return (size_t)(at - out);
}

static void check_fields(const struct broker_form *form)
{
	CHECK(form->count <= BROKER_FORM_FIELDS);
	for (size_t i = 0; i < form->count; i++) {
		const char *name = form->field[i].name;
		const char *value = form->field[i].value;
		CHECK(*name && text_is_utf8(name, strlen(name)) && text_is_printable(name, strlen(name)));
		CHECK(text_is_utf8(value, strlen(value)) && text_is_printable(value, strlen(value)));
		CHECK(broker_form_get(form, name) == value);
	}
}

/* What was read, written by us, is read as the same. */
static void read_back(const struct broker_form *form)
{
	struct broker_form again;
	char text[BROKER_FORM_MAX + 1];
	size_t len = 0;
	for (size_t i = 0; i < form->count; i++) {
		size_t more = 3 * (strlen(form->field[i].name) + strlen(form->field[i].value)) + 2;
		if (len + more > BROKER_FORM_MAX) {
			return;
		}
		len += encode(form->field[i].name, text + len);
		text[len++] = '=';
		len += encode(form->field[i].value, text + len);
		text[len++] = '&';
	}
	len -= len > 0;
	CHECK(broker_form_parse(&again, text, len) && again.count == form->count);
	for (size_t i = 0; i < form->count; i++) {
		CHECK(strcmp(again.field[i].name, form->field[i].name) == 0 && strcmp(again.field[i].value, form->field[i].value) == 0);
	}
	broker_form_free(&again);
}

static void check_topic(const char *key)
{
	char topic[256];
	bool fits = broker_rabbit_rule_topic(key, topic, sizeof topic);
	CHECK(fits == (strlen(key) < sizeof topic));
	if (fits) {
		CHECK(strlen(topic) == strlen(key) && !strchr(topic, '.'));
		broker_rabbit_rule_resource(topic, "queue", key, "read");
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fuzz_input in = {data, size};
	struct broker_form form;
	size_t len;
	scoped_free char *text = fuzz_rest(&in, &len);
	if (!broker_form_parse(&form, text, len)) {
		return 0;
	}
	check_fields(&form);
	read_back(&form);
	const char *key = broker_form_get(&form, "routing_key");
	if (key) {
		check_topic(key);
	}
	broker_form_free(&form);
	return 0;
}
