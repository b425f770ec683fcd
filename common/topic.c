#include "common/topic.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "common/text.h"

#define PREFIX "/oc/devices/"
enum { PREFIX_LEN = sizeof PREFIX - 1 };

#define CHUNK "/sys/ota/chunk/"
enum { CHUNK_LEN = sizeof CHUNK - 1 };

/* The whole grammar: what stands behind the device name, and whether devices write there. */
#define ROW(kind, tail, up) [kind] = {tail, sizeof(tail) - 1, up}
static const struct {
	const char *tail;
	size_t len;
	bool up;
} rows[] = {
	[TOPIC_FOREIGN] = {"", 0, false},
	ROW(TOPIC_OTA, "/sys/ota", true),
	ROW(TOPIC_REPORT, "/sys/ota/report", true),
	ROW(TOPIC_PROGRESS, "/sys/ota/progress", true),
	ROW(TOPIC_GET, "/sys/ota/get", true),
	ROW(TOPIC_REPORT_REPLY, "/sys/ota/report_reply", false),
	ROW(TOPIC_GET_REPLY, "/sys/ota/get_reply", false),
	ROW(TOPIC_CHUNK_GET, "/sys/ota/chunk/get", true),
	ROW(TOPIC_CHUNK_GET_REPLY, "/sys/ota/chunk/get_reply", false),
	ROW(TOPIC_CHUNK, CHUNK "+/+", false),
};
enum { ROWS = sizeof rows / sizeof *rows };

static bool is_known(enum topic_kind kind)
{
	return (int)kind > TOPIC_FOREIGN && (int)kind < ROWS;
}

/* A number as topic_make_chunk() writes it. */
static bool is_number(const char *text, size_t len)
{
	char digits[20];
	int64_t value;
	if (len == 0 || len >= sizeof digits || (text[0] == '0' && len > 1)) {
		return false;
	}
	memcpy(digits, text, len);
	digits[len] = '\0';
	return strspn(digits, "0123456789") == len && text_to_i64(digits, &value);
}

/* {taskId}/{offset} */
static bool is_chunk(const char *tail, size_t len)
{
	if (len <= CHUNK_LEN || memcmp(tail, CHUNK, CHUNK_LEN) != 0) {
		return false;
	}
	const char *task = tail + CHUNK_LEN;
	size_t left = len - CHUNK_LEN;
	const char *slash = memchr(task, '/', left);
	if (slash == NULL) {
		return false;
	}
	size_t task_len = (size_t)(slash - task);
	return is_number(task, task_len) && is_number(slash + 1, left - task_len - 1);
}

static enum topic_kind kind_of_tail(const char *tail, size_t len)
{
	for (int i = TOPIC_OTA; i < TOPIC_CHUNK; i++) {
		if (rows[i].len == len && memcmp(rows[i].tail, tail, len) == 0) {
			return (enum topic_kind)i;
		}
	}
	return is_chunk(tail, len) ? TOPIC_CHUNK : TOPIC_FOREIGN;
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
	if (is_known(kind) && kind != TOPIC_CHUNK) {
		snprintf(out, TOPIC_SIZE, PREFIX "%.64s%s", device, rows[kind].tail);
	}
}

void topic_make_chunk(char out[TOPIC_SIZE], const char *device, int64_t task_id, int64_t offset)
{
	snprintf(out, TOPIC_SIZE, PREFIX "%.64s" CHUNK "%" PRId64 "/%" PRId64, device, task_id, offset);
}

bool topic_is_up(enum topic_kind kind)
{
	return is_known(kind) && rows[kind].up;
}
