#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "common/clock.h"
#include "common/text.h"
#include "sim.h"

static bool sends_failures(const struct device *d)
{
	return d->sim->opt.reports && !d->offer.polled;
}

/* The actions of the table. A row's next state is set before its action runs: an action may make the next thing happen. */

static void begin(struct device *d)
{
	if (d->sim->opt.fail == STEP_DOWNLOAD_FAILED) {
		device_fail(d, STEP_DOWNLOAD_FAILED, "pretends that it cannot download");
	} else if (d->sim->opt.receive_only) {
		device_happen(d, DEVICE_TAKEN);
	} else {
		fetch_start(d);
	}
}

static void note_busy(struct device *d)
{
	(void)d;
} /* told by device_offer, which knows the other offer */

static void install(struct device *d)
{
	loop_arm(d->sim->loop, &d->timer, d->sim->opt.install_ms);
}

static void finish_install(struct device *d)
{
	if (d->sim->opt.fail == STEP_WRITE_FAILED) {
		device_fail(d, STEP_WRITE_FAILED, "pretends that it cannot write the flash");
	} else {
		device_happen(d, DEVICE_INSTALLED);
	}
}

static void repeat_report(struct device *d)
{
	report_version(d);
	loop_arm(d->sim->loop, &d->timer, d->sim->opt.report_every_ms);
}

static void complete(struct device *d)
{
	loop_disarm(d->sim->loop, &d->timer);
	d->updates++;
	int64_t took = clock_mono_ms() - d->offered_ms;
	stats_took(&d->sim->stats, took);
	stats_tell(d, EVENT_DONE, &d->offer, "update %lld in %lld ms", (long long)d->updates, (long long)took);
	device_judge(d);
}

static void boot(struct device *d)
{
	const struct options *opt = &d->sim->opt;
	if (opt->rollback) {
		stats_tell(d, EVENT_INSTALLED, &d->offer, "version %s did not start: back to %s", d->offer.version, d->version);
	} else {
		snprintf(d->version, sizeof d->version, "%s%s", d->offer.version, opt->wrong_version ? "-wrong" : "");
		stats_tell(d, EVENT_INSTALLED, &d->offer, "version %s", d->version);
	}
	if (opt->reports) {
		repeat_report(d);
	} else {
		device_happen(d, DEVICE_ANSWERED);
	}
}

static void repeat_failure(struct device *d)
{
	d->sent_mid = report_progress(d, d->step, d->why);
	loop_arm(d->sim->loop, &d->timer, d->sim->opt.report_every_ms);
}

static void give_up(struct device *d)
{
	stats_tell(d, EVENT_FAILED, &d->offer, "%s", d->why);
	if (sends_failures(d)) {
		repeat_failure(d);
	} else {
		device_happen(d, DEVICE_SENT);
	}
}

/* A pretended failure was what was asked for; after a real one the same task may come again. */
static void rest(struct device *d)
{
	loop_disarm(d->sim->loop, &d->timer);
	d->sent_mid = 0;
	if (d->sim->opt.fail == d->step) {
		complete(d);
	} else {
		d->handled_next = (d->handled_next + DEVICE_REMEMBERED - 1) % DEVICE_REMEMBERED;
		d->handled[d->handled_next] = 0;
	}
}

static void greet(struct device *d)
{
	if (d->sim->opt.hello) {
		d->hellos = 1;
		report_version(d);
	}
}

/* What a device does, complete: what is not in here does nothing. */
static const struct {
	enum device_state state;
	enum device_event event;
	void (*action)(struct device *d);
	enum device_state next;
	const char *sentence;
} TABLE[] = {
	{DEVICE_IDLE, DEVICE_LINK_UP, greet, DEVICE_IDLE, "connected: a talkative device says what it runs"},
	{DEVICE_IDLE, DEVICE_OFFERED, begin, DEVICE_DOWNLOADING, "something new: fetch it"},
	{DEVICE_DOWNLOADING, DEVICE_OFFERED, note_busy, DEVICE_DOWNLOADING, "one update at a time; the service sends again"},
	{DEVICE_DOWNLOADING, DEVICE_FETCHED, install, DEVICE_INSTALLING, "all bytes are here and verified: install them"},
	{DEVICE_DOWNLOADING, DEVICE_TAKEN, complete, DEVICE_IDLE, "a device that only receives is done with the push"},
	{DEVICE_DOWNLOADING, DEVICE_FAILED, give_up, DEVICE_FAILING, "no bytes, or the wrong ones: say so"},
	{DEVICE_INSTALLING, DEVICE_OFFERED, note_busy, DEVICE_INSTALLING, "one update at a time; the service sends again"},
	{DEVICE_INSTALLING, DEVICE_TIMER, finish_install, DEVICE_INSTALLING, "the install time is over: see how it went"},
	{DEVICE_INSTALLING, DEVICE_INSTALLED, boot, DEVICE_REPORTING, "boot it and report what runs"},
	{DEVICE_INSTALLING, DEVICE_FAILED, give_up, DEVICE_FAILING, "the flash did not take it: say so"},
	{DEVICE_REPORTING, DEVICE_OFFERED, note_busy, DEVICE_REPORTING, "one update at a time; the service sends again"},
	{DEVICE_REPORTING, DEVICE_TIMER, repeat_report, DEVICE_REPORTING, "no answer yet: report again"},
	{DEVICE_REPORTING, DEVICE_LINK_UP, repeat_report, DEVICE_REPORTING, "connected again: report again"},
	{DEVICE_REPORTING, DEVICE_ANSWERED, complete, DEVICE_IDLE, "the service knows: done"},
	{DEVICE_FAILING, DEVICE_OFFERED, note_busy, DEVICE_FAILING, "one update at a time; the service sends again"},
	{DEVICE_FAILING, DEVICE_TIMER, repeat_failure, DEVICE_FAILING, "the broker has not taken the message: again"},
	{DEVICE_FAILING, DEVICE_LINK_UP, repeat_failure, DEVICE_FAILING, "connected again: say it again"},
	{DEVICE_FAILING, DEVICE_SENT, rest, DEVICE_IDLE, "the failure is told: wait for the next push"},
};

void device_happen(struct device *d, enum device_event event)
{
	for (size_t i = 0; i < sizeof TABLE / sizeof TABLE[0]; i++) {
		if (TABLE[i].state == d->state && TABLE[i].event == event) {
			d->state = TABLE[i].next;
			TABLE[i].action(d);
			return;
		}
	}
}

void device_fail(struct device *d, int step, const char *fmt, ...)
{
	va_list args;
	va_start(args, fmt);
	vsnprintf(d->why, sizeof d->why, fmt, args);
	va_end(args);
	d->step = step;
	device_happen(d, DEVICE_FAILED);
}

/* A task has an id; for a device that knows none, the alias is one. 0 is never returned. */
static uint64_t identity(const struct offer *offer)
{
	const char *key = offer->task[0] ? offer->task : offer->file;
	return text_hash(key, strlen(key)) | 1;
}

static bool handled(const struct device *d, uint64_t id)
{
	for (size_t i = 0; i < DEVICE_REMEMBERED; i++) {
		if (d->handled[i] == id) {
			return true;
		}
	}
	return false;
}

void device_offer(struct device *d, const struct offer *offer)
{
	uint64_t id = identity(offer);
	const char *task = offer->task[0] ? offer->task : "-";
	if (!offer->polled && d->ignored < d->sim->opt.ignore) {
		d->ignored++;
		stats_tell(d, EVENT_IGNORED, offer, "task %s: push %lld of the %lld to overlook", task, (long long)d->ignored,
			   (long long)d->sim->opt.ignore);
	} else if (!offer->polled && handled(d, id)) {
		stats_tell(d, EVENT_DUPLICATE, offer, "task %s is known: nothing to do", task);
	} else if (d->state != DEVICE_IDLE) {
		stats_tell(d, EVENT_BUSY, offer, "task %s comes while task %s is under way", task, d->offer.task);
		device_happen(d, DEVICE_OFFERED);
	} else {
		stats_tell(d, offer->polled ? EVENT_OFFER : EVENT_PUSH, offer, "task %s: version %s, file %s", task, offer->version,
			   offer->file);
		d->handled[d->handled_next] = id;
		d->handled_next = (d->handled_next + 1) % DEVICE_REMEMBERED;
		d->offer = *offer;
		d->offered_ms = clock_mono_ms();
		device_happen(d, DEVICE_OFFERED);
	}
}

static bool ready(const struct device *d)
{
	return d->sim->opt.mqtt_host[0] ? d->link.was_up : d->poll.answered;
}

void device_judge(struct device *d)
{
	struct sim *sim = d->sim;
	int64_t asked = sim->opt.exit_after;
	if (d->finished || asked < 0 || (asked == 0 ? !ready(d) : d->updates < asked)) {
		return;
	}
	d->finished = true;
	if (++sim->finished == sim->count) {
		loop_arm(sim->loop, &sim->over, sim->opt.linger_ms);
	}
}

static const char *missing_link(const struct device *d)
{
	if (!d->sim->opt.mqtt_host[0]) {
		return d->poll.answered ? "found nothing new by polling" : "has no answer to its polls";
	}
	if (d->link.state != LINK_UP) {
		return d->link.state == LINK_SUBSCRIBING ? "is not subscribed" : "is not connected";
	}
	return d->ignored ? "got no further push" : "got no push";
}

void device_missing(const struct device *d, char *out, size_t size)
{
	static const char *const BUSY[] = {
		[DEVICE_DOWNLOADING] = "is still downloading",
		[DEVICE_INSTALLING] = "is still installing",
		[DEVICE_REPORTING] = "has no answer to its report",
		[DEVICE_FAILING] = "could not tell its failure",
	};
	if (d->state != DEVICE_IDLE) {
		snprintf(out, size, "%s", BUSY[d->state]);
	} else if (d->why[0]) {
		snprintf(out, size, "failed: %s", d->why);
	} else {
		snprintf(out, size, "%s", missing_link(d));
	}
}

static void on_timer(void *ctx)
{
	device_happen(ctx, DEVICE_TIMER);
}

void device_start(struct device *d, struct sim *sim, size_t i)
{
	const struct options *opt = &sim->opt;
	d->sim = sim;
	d->timer = (struct loop_timer){.fn = on_timer, .ctx = d};
	if (opt->device) {
		snprintf(d->name, sizeof d->name, "%s", opt->device);
	} else {
		snprintf(d->name, sizeof d->name, "%s%lld", opt->prefix, (long long)(opt->first + (int64_t)i));
	}
	snprintf(d->version, sizeof d->version, "%s", opt->initial_version);
	d->fetch.retry.ctx = d;
	link_start(d);
	poll_start(d);
}

void device_stop(struct device *d)
{
	loop_disarm(d->sim->loop, &d->timer);
	fetch_stop(d);
	poll_stop(d);
	link_stop(d);
}
