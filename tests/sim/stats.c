#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "common/buf.h"
#include "common/clock.h"
#include "sim.h"

enum { LINE_MAX_BYTES = 4096, TEXT_MAX_BYTES = 768 };

static const struct {
	const char *name;
	bool silent; /* counted only: too many of them to read */
} EVENTS[STATS_EVENTS] = {
	[EVENT_CONNECTED] = {"connected", false},
	[EVENT_SUBSCRIBED] = {"subscribed", false},
	[EVENT_DISCONNECTED] = {"disconnected", false},
	[EVENT_REFUSED] = {"refused", false},
	[EVENT_PUSH] = {"push", false},
	[EVENT_OFFER] = {"offer", false},
	[EVENT_DUPLICATE] = {"duplicate", false},
	[EVENT_IGNORED] = {"ignored", false},
	[EVENT_BUSY] = {"busy", false},
	[EVENT_BAD_PUSH] = {"bad-push", false},
	[EVENT_POLLED] = {"polled", true},
	[EVENT_POLL_FAILED] = {"poll-failed", false},
	[EVENT_DOWNLOAD] = {"download", false},
	[EVENT_RETRY] = {"retry", false},
	[EVENT_DOWNLOADED] = {"downloaded", false},
	[EVENT_VERIFIED] = {"verified", false},
	[EVENT_INSTALLED] = {"installed", false},
	[EVENT_PROGRESS] = {"progress", false},
	[EVENT_REPORTED] = {"reported", false},
	[EVENT_ACKNOWLEDGED] = {"acknowledged", false},
	[EVENT_FAILED] = {"failed", false},
	[EVENT_DONE] = {"done", false},
	[EVENT_BOOT] = {"boot", false},
	[EVENT_CHECKED] = {"checked", false},
	[EVENT_CHECK_FAILED] = {"check-failed", false},
	[EVENT_CODE] = {"code", false},
	[EVENT_ACTIVATED] = {"activated", false},
	[EVENT_VALID] = {"valid", false},
	[EVENT_ROLLED_BACK] = {"rolled-back", false},
	[EVENT_POWER_LOST] = {"power-lost", false},
	[EVENT_CALLED] = {"called", false},
	[EVENT_HARMED] = {"harmed", false},
};

static void show_json(const struct stats_who *who, enum stats_event event, const char *text)
{
	char mem[LINE_MAX_BYTES];
	struct buf line;
	buf_init_fixed(&line, mem, sizeof mem);
	buf_puts(&line, "{\"event\":");
	buf_put_json(&line, EVENTS[event].name);
	buf_puts(&line, ",\"device\":");
	buf_put_json(&line, who->name);
	if (who->task) {
		buf_puts(&line, ",\"task\":");
		buf_put_json(&line, who->task);
	}
	if (who->version) {
		buf_puts(&line, ",\"version\":");
		buf_put_json(&line, who->version);
	}
	if (who->bytes) {
		buf_puts(&line, ",\"bytes\":");
		buf_put_u64(&line, *who->bytes);
	}
	buf_puts(&line, ",\"ms\":");
	buf_put_i64(&line, clock_wall_ms());
	buf_puts(&line, ",\"text\":");
	buf_put_json(&line, text);
	buf_puts(&line, "}\n");
	if (buf_ok(&line)) {
		fwrite(line.data, 1, line.len, stdout);
	}
}

static void show_words(const struct stats_who *who, enum stats_event event, const char *text)
{
	int64_t now = clock_wall_ms();
	time_t seconds = (time_t)(now / 1000);
	struct tm local;
	char stamp[16];
	localtime_r(&seconds, &local);
	strftime(stamp, sizeof stamp, "%H:%M:%S", &local);
	printf("%s.%03d %s  %-12s  ", stamp, (int)(now % 1000), who->name, EVENTS[event].name);
	for (const char *s = text; *s; s++) {
		putchar((unsigned char)*s < 0x20 || *s == 0x7f ? '?' : *s); /* texts of peers must not drive the terminal */
	}
	putchar('\n');
}

void stats_note(struct sim *sim, const struct stats_who *who, enum stats_event event, const char *fmt, va_list args)
{
	struct stats *stats = &sim->stats;
	stats->last_ms[event] = clock_wall_ms();
	if (stats->events[event]++ == 0) {
		stats->first_ms[event] = stats->last_ms[event];
	}
	if (sim->opt.quiet || EVENTS[event].silent) {
		return;
	}
	char text[TEXT_MAX_BYTES];
	vsnprintf(text, sizeof text, fmt, args);
	if (sim->opt.json) {
		show_json(who, event, text);
	} else {
		show_words(who, event, text);
	}
}

void stats_tell(struct device *d, enum stats_event event, const struct offer *offer, const char *fmt, ...)
{
	struct stats_who who = {.name = d->name};
	if (offer) {
		who.task = offer->task;
		who.version = event >= EVENT_INSTALLED ? d->version : offer->version;
	}
	if (event == EVENT_DOWNLOADED) {
		who.bytes = &d->fetch.received;
	}
	va_list args;
	va_start(args, fmt);
	stats_note(d->sim, &who, event, fmt, args);
	va_end(args);
}

void stats_took(struct stats *stats, int64_t ms)
{
	if (stats->took_len == stats->took_cap) {
		size_t more = stats->took_cap ? 2 * stats->took_cap : 1024;
		int32_t *grown = reallocarray(stats->took, more, sizeof *grown);
		if (!grown) {
			return; /* one sample less */
		}
		stats->took = grown;
		stats->took_cap = more;
	}
	stats->took[stats->took_len++] = ms > INT32_MAX ? INT32_MAX : (int32_t)ms;
}

static int by_size(const void *a, const void *b)
{
	int32_t x = *(const int32_t *)a;
	int32_t y = *(const int32_t *)b;
	return (x > y) - (x < y);
}

static int32_t percentile(const struct stats *stats, size_t percent)
{
	return stats->took_len ? stats->took[(stats->took_len - 1) * percent / 100] : 0;
}

static void summary_json(const struct sim *sim, int64_t ms)
{
	const struct stats *stats = &sim->stats;
	printf("{\"event\":\"summary\",\"devices\":%zu,\"finished\":%zu,\"took_ms\":%" PRId64 ",\"bytes\":%" PRIu64, sim->count,
	       sim->finished, ms, stats->bytes);
	for (size_t i = 0; i < STATS_EVENTS; i++) {
		printf(",\"%s\":%" PRIu64, EVENTS[i].name, stats->events[i]);
	}
	printf(",\"update_ms\":{\"p50\":%" PRId32 ",\"p99\":%" PRId32 ",\"max\":%" PRId32 "},\"first_last_ms\":{", percentile(stats, 50),
	       percentile(stats, 99), percentile(stats, 100));
	const char *comma = "";
	for (size_t i = 0; i < STATS_EVENTS; i++) {
		if (stats->events[i]) {
			printf("%s\"%s\":[%" PRId64 ",%" PRId64 "]", comma, EVENTS[i].name, stats->first_ms[i], stats->last_ms[i]);
			comma = ",";
		}
	}
	puts("}}");
}

static void summary_words(const struct sim *sim, int64_t ms)
{
	const struct stats *stats = &sim->stats;
	printf("%zu of %zu device%s finished in %" PRId64 ".%03d s; %" PRIu64 " bytes downloaded", sim->finished, sim->count,
	       sim->count == 1 ? "" : "s", ms / 1000, (int)(ms % 1000), stats->bytes);
	bool shown = sim->count == 1 && !sim->opt.quiet; /* every event was on the screen */
	for (size_t i = 0; i < STATS_EVENTS && !shown; i++) {
		if (stats->events[i]) {
			printf(", %s %" PRIu64, EVENTS[i].name, stats->events[i]);
		}
	}
	if (stats->took_len > 1) {
		printf("; an update took %" PRId32 " ms (median), %" PRId32 " (99 %%), %" PRId32 " (slowest)", percentile(stats, 50),
		       percentile(stats, 99), percentile(stats, 100));
	}
	putchar('\n');
}

void stats_summary(struct sim *sim)
{
	struct stats *stats = &sim->stats;
	int64_t ms = clock_mono_ms() - stats->started;
	if (stats->took_len) {
		qsort(stats->took, stats->took_len, sizeof *stats->took, by_size);
	}
	if (sim->opt.json) {
		summary_json(sim, ms);
	} else {
		summary_words(sim, ms);
	}
	fflush(stdout);
}

void stats_free(struct stats *stats)
{
	free(stats->took);
	stats->took = NULL;
}
