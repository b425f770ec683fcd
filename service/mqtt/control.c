#include "mqtt/control.h"

#include <cjson/cJSON.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/buf.h"
#include "common/clock.h"
#include "common/cond.h"
#include "common/err.h"
#include "common/json.h"
#include "common/log.h"
#include "common/scoped.h"
#include "common/text.h"
#include "engine/presence.h"
#include "engine/revocation.h"
#include "metrics/metrics.h"
#include "mqtt/link.h"
#include "mqtt/told.h"

#define ASK "$CONTROL/otad/v1"
#define TOLD "otad/v1/presence"
#define ANSWERS "otad/v1/reply/"

enum {
	PAGE = 1000, /* revocations in one request */
	PAGE_BYTES = 120 * 1024,
	ANSWER_MS = 5000,     /* no answer for this long: asked again from the start */
	ABSENT_MS = 10000,    /* no plugin: asked again after this */
	LOOK_EVERY_MS = 5000, /* for revocations that another replica wrote and could not tell */
	DUMP_EVERY_MS = 5000,
	DISK_MS = 100,
	ID_SIZE = 32,
};

enum asking { ASKING_NOTHING, ASKING_STATUS, ASKING_DUMP, ASKING_REVOKE };

struct control {
	struct engine *engine;
	struct link *link;
	pthread_t thread;
	pthread_mutex_t lock; /* of what follows */
	pthread_cond_t wake;
	bool ask_up, hear_up, halted, stop;
	enum asking asking;
	char id[ID_SIZE]; /* of the request under way */
	uint64_t last_id;
	int64_t asked_ms;
	bool present;     /* the plugin has answered since the links came up */
	bool told_absent; /* logged */
	bool poked;
	bool reset;       /* the broker's revocations are of another history */
	int64_t revision; /* the broker's */
	int64_t newest;   /* the database's, as read last */
	int64_t look_at, status_at, dump_at;
	struct told told; /* what the plugin told; the lock does not cover it: Paho's thread only, but for told_wants_dump() */
	char answers[sizeof ANSWERS + 160];
	const char *filters[3];
	struct revocation page[PAGE]; /* the thread's */
};

/* --- asking; with the lock, released while publishing --- */

static bool ask(struct control *c, enum asking what, const struct buf *payload)
{
	c->asking = what;
	c->asked_ms = clock_mono_ms();
	pthread_mutex_unlock(&c->lock);
	bool taken = buf_ok(payload) && link_publish(c->link, ASK, payload->data, payload->len, true, 0, NULL, NULL);
	pthread_mutex_lock(&c->lock);
	if (!taken) {
		c->asking = ASKING_NOTHING;
	}
	return taken;
}

static void begin_request(struct control *c, struct buf *out, const char *command)
{
	snprintf(c->id, sizeof c->id, "%" PRIu64, ++c->last_id);
	buf_putf(out, "{\"id\":\"%s\",\"cmd\":\"%s\"", c->id, command);
}

static void ask_plainly(struct control *c, enum asking what, const char *command)
{
	char mem[128];
	struct buf out;
	buf_init_fixed(&out, mem, sizeof mem);
	begin_request(c, &out, command);
	buf_putc(&out, '}');
	ask(c, what, &out);
}

static void put_page(struct control *c, struct buf *out, int64_t from, size_t count, bool reset)
{
	buf_putf(out, ",\"from\":%" PRId64 ",\"to\":%" PRId64 "%s,\"entries\":[", from, count ? c->page[count - 1].rev : from,
		 reset ? ",\"reset\":true" : "");
	for (size_t i = 0; i < count; i++) {
		const struct revocation *r = &c->page[i];
		buf_putf(out, "%s[\"%s\",%" PRId64 ",%s]", i ? "," : "", r->device, r->epoch, r->blocked ? "true" : "false");
	}
	buf_puts(out, "]}");
}

/* Reads what the broker does not have yet and tells it. With the lock; the database is asked without it. */
static void tell_revocations(struct control *c)
{
	struct err err = {0};
	size_t count = 0;
	int64_t newest = 0;
	bool reset = c->reset;
	int64_t from = reset ? 0 : c->revision;
	c->poked = false;
	c->look_at = clock_mono_ms() + LOOK_EVERY_MS;
	pthread_mutex_unlock(&c->lock);
	bool ok = revocation_read(c->engine, from, c->page, PAGE, &count, &newest, &err);
	if (!ok) {
		log_warn("revocations not read; tried again", LOG_S("error", err.text));
	}
	pthread_mutex_lock(&c->lock);
	if (!ok || !c->present) {
		return;
	}
	c->newest = newest;
	c->reset = reset || c->revision > newest; /* a backup was restored */
	if (c->reset && !reset) {
		c->look_at = 0;
		return;
	}
	if (count == 0 && !reset) {
		revocation_confirmed(c->engine, c->revision);
		return;
	}
	scoped(buf_free) struct buf out;
	buf_init(&out, PAGE_BYTES);
	begin_request(c, &out, "revoke");
	put_page(c, &out, from, count, reset);
	ask(c, ASKING_REVOKE, &out);
}

/* --- the thread --- */

static void lose(struct control *c)
{
	c->asking = ASKING_NOTHING;
	c->present = false;
	presence_complete(c->engine, false);
	revocation_confirmed(c->engine, -1);
	metrics_set(METRIC_BROKER_PLUGIN, 0);
}

static void check_answer(struct control *c, int64_t now)
{
	if (c->asking == ASKING_NOTHING || now - c->asked_ms < ANSWER_MS) {
		return;
	}
	if (!c->told_absent) {
		log_warn("the broker's plugin does not answer: presence is not known, revocations are not enforced there");
		c->told_absent = true;
	}
	lose(c);
	c->status_at = now + ABSENT_MS;
}

/* What is to be done now, or when to look again. With the lock. */
static int64_t step(struct control *c)
{
	int64_t now = clock_mono_ms();
	if (!c->ask_up || !c->hear_up || c->halted) {
		return now + ABSENT_MS;
	}
	check_answer(c, now);
	if (c->asking != ASKING_NOTHING) {
		return c->asked_ms + ANSWER_MS;
	}
	if (!c->present) {
		if (now < c->status_at) {
			return c->status_at;
		}
		c->status_at = now + ABSENT_MS;
		ask_plainly(c, ASKING_STATUS, "status");
	} else if (told_wants_dump(&c->told) && now >= c->dump_at) {
		c->dump_at = now + DUMP_EVERY_MS;
		ask_plainly(c, ASKING_DUMP, "dump");
	} else if (c->poked || now >= c->look_at) {
		tell_revocations(c);
	} else {
		return told_wants_dump(&c->told) ? c->dump_at : c->look_at;
	}
	return now;
}

static void *control_main(void *arg)
{
	struct control *c = arg;
	pthread_mutex_lock(&c->lock);
	while (!c->stop) {
		int64_t at = step(c);
		if (!c->stop && at > clock_mono_ms()) {
			cond_wait_until(&c->wake, &c->lock, at);
		}
	}
	pthread_mutex_unlock(&c->lock);
	return NULL;
}

static void wake(struct control *c)
{
	pthread_cond_signal(&c->wake);
}

static void poked(void *ctx)
{
	struct control *c = ctx;
	pthread_mutex_lock(&c->lock);
	c->poked = true;
	wake(c);
	pthread_mutex_unlock(&c->lock);
}

/* --- what comes in --- */

/* With the lock. */
static void greet(struct control *c, const struct cJSON *json)
{
	int64_t revision = 0;
	int64_t entries = 0;
	if (!json_int(json, "revision", true, 0, INT64_MAX, &revision, NULL) ||
	    !json_int(json, "entries", true, 0, INT64_MAX, &entries, NULL)) {
		return;
	}
	c->present = true;
	c->told_absent = false;
	c->revision = revision;
	c->look_at = 0;
	told_forget(&c->told);
	metrics_set(METRIC_BROKER_PLUGIN, 1);
	metrics_set(METRIC_BROKER_REVOCATIONS, entries);
	log_info("the broker's plugin answers", LOG_I("revision", revision), LOG_I("revocations", entries));
}

/* With the lock. */
static void settle_revoke(struct control *c, const struct cJSON *json, bool ok)
{
	int64_t revision = -1;
	char why[128] = "";
	json_int(json, "revision", false, 0, INT64_MAX, &revision, NULL);
	json_text(json, "error", false, why, sizeof why, NULL);
	if (ok && revision >= 0) {
		c->revision = revision;
		c->reset = false;
		c->look_at = 0; /* is there more? */
	} else if (revision >= 0 && strcmp(why, "gap") == 0) {
		/* another replica was faster (and if that is not on disk yet, the number is the old one), or the plugin knows less than we
		 * thought */
		c->look_at = revision == c->revision ? clock_mono_ms() + DISK_MS : 0;
		c->revision = revision;
	} else {
		log_error("the broker's plugin did not take revocations; tried again", LOG_S("error", why));
		c->look_at = clock_mono_ms() + LOOK_EVERY_MS;
	}
}

static void answered(struct control *c, const struct cJSON *json)
{
	char id[ID_SIZE];
	bool ok = false;
	if (!json_text(json, "id", true, id, sizeof id, NULL) || !json_bool(json, "ok", true, &ok, NULL)) {
		return;
	}
	pthread_mutex_lock(&c->lock);
	if (c->asking != ASKING_NOTHING && strcmp(id, c->id) == 0) {
		enum asking what = c->asking;
		c->asking = ASKING_NOTHING;
		if (what == ASKING_STATUS && ok) {
			greet(c, json);
		} else if (what == ASKING_REVOKE) {
			settle_revoke(c, json, ok);
		}
		wake(c);
	}
	pthread_mutex_unlock(&c->lock);
}

bool control_message(struct control *c, const char *topic, const void *payload, size_t len)
{
	bool told = strcmp(topic, TOLD) == 0;
	if (!told && strcmp(topic, c->answers) != 0) {
		return false;
	}
	scoped_json struct cJSON *json = json_parse_object(payload, len, NULL);
	if (!json) {
		metrics_add(METRIC_MQTT_REJECTED, 1);
	} else if (!told) {
		answered(c, json);
	} else if (told_take(&c->told, c->engine, json)) { /* something is missing, or the broker began anew */
		pthread_mutex_lock(&c->lock);
		if (told_new_boot(&c->told)) {
			lose(c);
			c->status_at = 0;
		}
		wake(c);
		pthread_mutex_unlock(&c->lock);
	}
	return true;
}

static void set_up(struct control *c, bool *which, bool up)
{
	pthread_mutex_lock(&c->lock);
	*which = up;
	lose(c);
	told_forget(&c->told);
	c->status_at = 0;
	wake(c);
	pthread_mutex_unlock(&c->lock);
}

void control_can_ask(struct control *c, bool up)
{
	set_up(c, &c->ask_up, up);
}

void control_can_hear(struct control *c, bool up)
{
	set_up(c, &c->hear_up, up);
}

/* --- life --- */

const char *const *control_filters(const struct control *c)
{
	return c->filters;
}

void control_attach(struct control *c, struct link *link)
{
	pthread_mutex_lock(&c->lock);
	c->link = link;
	c->halted = false;
	wake(c);
	pthread_mutex_unlock(&c->lock);
}

struct control *control_start(struct engine *engine, const char *client_id, struct err *err)
{
	struct control *c = calloc(1, sizeof *c);
	if (!c) {
		err_set(err, ERR_INTERNAL, "out of memory");
		return NULL;
	}
	c->engine = engine;
	c->halted = true;
	snprintf(c->answers, sizeof c->answers, ANSWERS "%s", client_id);
	c->filters[0] = TOLD;
	c->filters[1] = c->answers;
	cond_init(&c->wake);
	pthread_mutex_init(&c->lock, NULL);
	if (pthread_create(&c->thread, NULL, control_main, c) != 0) {
		err_set(err, ERR_INTERNAL, "cannot start a thread");
		free(c);
		return NULL;
	}
	revocation_attach(engine, poked, c);
	return c;
}

void control_halt(struct control *c)
{
	revocation_attach(c->engine, NULL, NULL);
	pthread_mutex_lock(&c->lock);
	c->stop = true;
	wake(c);
	pthread_mutex_unlock(&c->lock);
	pthread_join(c->thread, NULL);
}

void control_stop(struct control **cp)
{
	struct control *c = *cp;
	if (c) {
		pthread_mutex_destroy(&c->lock);
		pthread_cond_destroy(&c->wake);
		free(c);
		*cp = NULL;
	}
}
