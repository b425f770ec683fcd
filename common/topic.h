/* The topic grammar of the oc dialect (protocols/oc.md): who a topic belongs to and what it is for. Used by daemon and broker plugin alike.
 */
#ifndef COMMON_TOPIC_H
#define COMMON_TOPIC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum topic_kind {
	TOPIC_FOREIGN = 0,     /* not ours */
	TOPIC_OTA,             /* /oc/devices/{d}/sys/ota             pushes down, answers up */
	TOPIC_REPORT,          /* /oc/devices/{d}/sys/ota/report      up */
	TOPIC_PROGRESS,        /* /oc/devices/{d}/sys/ota/progress    up */
	TOPIC_GET,             /* /oc/devices/{d}/sys/ota/get         up */
	TOPIC_REPORT_REPLY,    /* .../report_reply                    down */
	TOPIC_GET_REPLY,       /* .../get_reply                       down */
	TOPIC_CHUNK_GET,       /* .../chunk/get                       up */
	TOPIC_CHUNK_GET_REPLY, /* .../chunk/get_reply                 down: why there is no chunk */
	TOPIC_CHUNK,           /* .../chunk/{taskId}/{offset}         down: the bytes */
};

enum { TOPIC_DEVICE_SIZE = 65, TOPIC_SIZE = 160 };

/* Parses a concrete topic (no wildcards). device[] is set for every kind but TOPIC_FOREIGN. The device name must be a valid one. */
enum topic_kind topic_parse(const char *topic, size_t len, char device[TOPIC_DEVICE_SIZE]);

/* Writes the topic of that kind for a device; "" for TOPIC_FOREIGN and for TOPIC_CHUNK, which needs more. */
void topic_make(char out[TOPIC_SIZE], enum topic_kind kind, const char *device);

/* The topic of a chunk of a task's file. Both numbers are 0 or more, written without leading zeros. */
void topic_make_chunk(char out[TOPIC_SIZE], const char *device, int64_t task_id, int64_t offset);

/* Do devices write to topics of that kind? */
bool topic_is_up(enum topic_kind kind);

#endif
