#include "common/topic.h"

#include <stdio.h>
#include <string.h>

#include "common/text.h"

#define PREFIX "/oc/devices/"
enum { PREFIX_LEN = sizeof PREFIX - 1 };

/* The whole grammar: what stands behind the device name. */
#define ROW(kind, tail) [kind] = {tail, sizeof(tail) - 1, PREFIX "+" tail}
static const struct {
	const char *tail;
	size_t len;
	const char *filter;
} rows[] = {
	[TOPIC_FOREIGN] = {"", 0, ""},
	ROW(TOPIC_OTA, "/sys/ota"),
	ROW(TOPIC_REPORT, "/sys/ota/report"),
	ROW(TOPIC_PROGRESS, "/sys/ota/progress"),
	ROW(TOPIC_GET, "/sys/ota/get"),
	ROW(TOPIC_REPORT_REPLY, "/sys/ota/report_reply"),
	ROW(TOPIC_GET_REPLY, "/sys/ota/get_reply"),
};
enum { ROWS = sizeof rows / sizeof *rows };

static enum topic_kind kind_of_tail(const char *tail, size_t len)
{
	for (int i = TOPIC_OTA; i < ROWS; i++) {
		if (rows[i].len == len && memcmp(rows[i].tail, tail, len) == 0) {
			return (enum topic_kind)i;
		}
	}
	return TOPIC_FOREIGN;
}

enum topic_kind topic_parse(const char *topic, size_t len, char device[TOPIC_DEVICE_SIZE])
{
	device[0] = '\0';
	if (len <= PREFIX_LEN || memcmp(topic, PREFIX, PREFIX_LEN) != 0) {
		return TOPIC_FOREIGN;
	}
	const char *name = topic + PREFIX_LEN;
	const char *tail = memchr(name, '/', len - PREFIX_LEN);
	if (tail == NULL || tail - name >= TOPIC_DEVICE_SIZE) {
		return TOPIC_FOREIGN;
	}
	size_t name_len = (size_t)(tail - name);
	enum topic_kind kind = kind_of_tail(tail, len - PREFIX_LEN - name_len);
	if (kind == TOPIC_FOREIGN) {
		return TOPIC_FOREIGN;
	}
	memcpy(device, name, name_len);
	device[name_len] = '\0';
	if (!text_is_device_name(device) || strlen(device) != name_len) { /* the second: a NUL inside */
		device[0] = '\0';
		return TOPIC_FOREIGN;
	}
	return kind;
}

void topic_make(char out[TOPIC_SIZE], enum topic_kind kind, const char *device)
{
	out[0] = '\0';
	if ((int)kind > TOPIC_FOREIGN && (int)kind < ROWS) {
		snprintf(out, TOPIC_SIZE, PREFIX "%.64s%s", device, rows[kind].tail);
	}
}

const char *topic_filter(enum topic_kind kind)
{
	return (int)kind >= 0 && (int)kind < ROWS ? rows[kind].filter : "";
}
