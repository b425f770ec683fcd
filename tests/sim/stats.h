/* Events: counted, and shown as they happen, in words or as JSON lines; and the summary at the end. */
#ifndef SIM_STATS_H
#define SIM_STATS_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct device;
struct offer;
struct sim;

enum stats_event {
	EVENT_CONNECTED,
	EVENT_SUBSCRIBED,
	EVENT_DISCONNECTED,
	EVENT_REFUSED,
	EVENT_PUSH,
	EVENT_OFFER,
	EVENT_DUPLICATE,
	EVENT_IGNORED,
	EVENT_BUSY,
	EVENT_BAD_PUSH,
	EVENT_POLLED,
	EVENT_POLL_FAILED,
	EVENT_DOWNLOAD,
	EVENT_RETRY,
	EVENT_DOWNLOADED,
	EVENT_VERIFIED,
	EVENT_INSTALLED,
	EVENT_PROGRESS,
	EVENT_REPORTED,
	EVENT_ACKNOWLEDGED,
	EVENT_FAILED,
	EVENT_DONE,
	EVENT_BOOT,
	EVENT_CHECKED,
	EVENT_CHECK_FAILED,
	EVENT_CODE,
	EVENT_ACTIVATED,
	EVENT_VALID,
	EVENT_ROLLED_BACK,
	EVENT_POWER_LOST,
	EVENT_CALLED,
	EVENT_HARMED,
	STATS_EVENTS,
};

struct stats {
	uint64_t events[STATS_EVENTS];
	uint64_t bytes;
	int64_t started;                /* monotonic ms */
	int64_t first_ms[STATS_EVENTS]; /* wall ms of the first and the last of each kind */
	int64_t last_ms[STATS_EVENTS];
	int32_t *took; /* ms from offer to done, of each update */
	size_t took_len;
	size_t took_cap;
};

/* Something happened to d. offer, if given, is the task it belongs to. The text completes the line. */
void stats_tell(struct device *d, enum stats_event event, const struct offer *offer, const char *fmt, ...)
	__attribute__((format(printf, 4, 5)));

/* Who it happened to, for devices of any kind; NULL = left out of the line. */
struct stats_who {
	const char *name;
	const char *task;
	const char *version;
	const uint64_t *bytes;
};
void stats_note(struct sim *sim, const struct stats_who *who, enum stats_event event, const char *fmt, va_list args)
	__attribute__((format(printf, 4, 0)));

/* An update took that long. */
void stats_took(struct stats *stats, int64_t ms);

/* The last line(s) of the output. */
void stats_summary(struct sim *sim);
void stats_free(struct stats *stats);

#endif
