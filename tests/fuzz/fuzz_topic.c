/* Topics. Line 1: a topic as it arrives. Line 2: a device name. */
#include <stdlib.h>
#include <string.h>

#include "common/scoped.h"
#include "common/text.h"
#include "common/topic.h"
#include "fuzz.h"

/* The numbers of a chunk's topic, written anew. */
static void make_chunk_again(char again[TOPIC_SIZE], const char *text, size_t len, const char *device)
{
	char copy[TOPIC_SIZE];
	CHECK(len < sizeof copy);
	memcpy(copy, text, len);
	copy[len] = '\0';
	char *offset = strrchr(copy, '/');
	*offset++ = '\0';
	topic_make_chunk(again, device, strtoll(strrchr(copy, '/') + 1, NULL, 10), strtoll(offset, NULL, 10));
}

static void any_topic(const char *text, size_t len)
{
	char device[TOPIC_DEVICE_SIZE];
	char again[TOPIC_SIZE];
	enum topic_kind kind = topic_parse(text, len, device);
	if (kind == TOPIC_FOREIGN) {
		CHECK(*device == '\0');
		return;
	}
	CHECK(text_is_device_name(device));
	if (kind == TOPIC_CHUNK) {
		make_chunk_again(again, text, len, device);
	} else {
		topic_make(again, kind, device);
	}
	CHECK(strlen(again) == len && memcmp(again, text, len) == 0);
}

/* Exactly the names that may be devices have topics. */
static void any_device(const char *name)
{
	bool fit = text_is_device_name(name);
	for (int kind = TOPIC_OTA; kind < TOPIC_CHUNK; kind++) {
		char topic[TOPIC_SIZE];
		char device[TOPIC_DEVICE_SIZE];
		topic_make(topic, (enum topic_kind)kind, name);
		enum topic_kind back = topic_parse(topic, strlen(topic), device);
		CHECK(!fit || (back == (enum topic_kind)kind && strcmp(device, name) == 0));
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fuzz_input in = {data, size};
	struct fuzz_input raw = in;
	size_t len;
	scoped_free char *bytes = fuzz_rest(&raw, &len); /* with NULs and newlines */
	scoped_free char *topic = fuzz_line(&in);
	scoped_free char *name = fuzz_line(&in);
	any_topic(bytes, len);
	any_topic(topic, strlen(topic));
	any_device(name);
	return 0;
}
