#include "plugin/presence.h"

#include <stdlib.h>
#include <string.h>

#include "common/buf.h"
#include "common/clock.h"
#include "common/credential.h"
#include "common/text.h"
#include "plugin/broker.h"
#include "plugin/sessions.h"
#include "plugin/tell.h"

enum {
	FIRST_CAP = 256,
	MESSAGES_AT_ONCE = 64,
};

enum event_kind {
	CONNECTED = 'c',
	SUBSCRIBED = 's',
	DISCONNECTED = 'd',
	NOBODY = 'n',
	FORGED = 'f',
};

struct event {
	int64_t at_ms;
	const struct mosquitto *client; /* of a CONNECTED one that is still there */
	uint32_t count;
	enum event_kind kind;
	bool resumed;
	char device[CREDENTIAL_DEVICE_SIZE];
};

void presence_init(struct presence *p)
{
	*p = (struct presence){.base = 1};
}

void presence_free(struct presence *p)
{
	free(p->events);
	presence_init(p);
}

/* --- the queue --- */

/* Events that were told make room for new ones. */
static void close_up(struct presence *p)
{
	memmove(p->events, p->events + p->head, (p->count - p->head) * sizeof *p->events);
	p->base += (uint32_t)p->head;
	p->count -= p->head;
	p->head = 0;
}

static bool has_room(struct presence *p)
{
	if (p->count - p->head >= PRESENCE_PENDING) {
		return false;
	}
	if (p->count == p->cap && p->head > p->cap / 2) {
		close_up(p);
	}
	if (p->count < p->cap) {
		return true;
	}
	size_t cap = p->cap ? p->cap * 2 : FIRST_CAP;
	struct event *bigger = reallocarray(p->events, cap, sizeof *bigger);
	if (!bigger) {
		return false;
	}
	p->events = bigger;
	p->cap = cap;
	return true;
}

/* The event's number, or 0: dropped. */
static uint32_t push(struct presence *p, enum event_kind kind, const char *device, bool resumed)
{
	if (!has_room(p)) {
		p->lost = true;
		return 0;
	}
	struct event *event = &p->events[p->count];
	*event = (struct event){.at_ms = clock_mono_ms(), .kind = kind, .resumed = resumed, .count = 1};
	text_copy(event->device, sizeof event->device, device);
	return p->base + (uint32_t)p->count++;
}

/* The event of that number while it is pending and about that device. Numbers wrap around; so the rest is compared. */
static struct event *pending(const struct presence *p, uint32_t number, enum event_kind kind, const char *device)
{
	uint32_t at = number - p->base;
	if (number == 0 || at < p->head || at >= p->count) {
		return NULL;
	}
	struct event *event = &p->events[at];
	return event->kind == kind && strcmp(event->device, device) == 0 ? event : NULL;
}

/* --- what happens --- */

void presence_connected(struct presence *p, struct session *session)
{
	session->connected = push(p, CONNECTED, session->device, false);
	if (session->connected != 0) {
		p->events[p->count - 1].client = session->client;
	}
}

void presence_disconnected(struct presence *p, const struct sessions *sessions, const struct session *session)
{
	struct event *connected = pending(p, session->connected, CONNECTED, session->device);
	if (connected) {
		connected->client = NULL;
	}
	const struct session *other = sessions_of(sessions, session->device);
	if (other == session) {
		other = sessions_next_of(session);
	}
	if (!other) {
		push(p, DISCONNECTED, session->device, false);
	}
}

void presence_subscribed(struct presence *p, struct session *session, bool resumed)
{
	if (!pending(p, session->subscribed, SUBSCRIBED, session->device)) {
		session->subscribed = push(p, SUBSCRIBED, session->device, resumed);
	}
}

void presence_forged(struct presence *p, struct session *session, const char *device)
{
	struct event *event = session ? pending(p, session->forged, FORGED, device) : NULL;
	if (event) {
		event->count++;
		return;
	}
	uint32_t number = push(p, FORGED, device, false);
	if (session) {
		session->forged = number;
	}
}

void presence_absent(struct presence *p, const char *device)
{
	push(p, NOBODY, device, false);
}

/* --- telling --- */

/* Known only when the connection stands: the broker hands the old subscriptions over after it has asked us. */
static bool has_resumed(const struct event *event, const struct sessions *sessions)
{
	const struct session *session = event->client ? sessions_get(sessions, event->client) : NULL;
	if (!session) {
		return false;
	}
	return session->subs_before >= 0 ? session->subs_before > 0 : mosquitto_client_sub_count(session->client) > 0;
}

static void write_event(const struct event *event, const struct sessions *sessions, int64_t now_ms, struct buf *out)
{
	buf_putf(out, "[\"%c\",\"%s\"", (char)event->kind, event->device);
	if (event->kind == CONNECTED || event->kind == SUBSCRIBED) {
		bool resumed = event->kind == CONNECTED ? has_resumed(event, sessions) : event->resumed;
		buf_puts(out, resumed ? ",1," : ",0,");
		buf_put_i64(out, now_ms - event->at_ms);
	} else if (event->kind == FORGED) {
		buf_putc(out, ',');
		buf_put_u64(out, event->count);
	}
	buf_putc(out, ']');
}

static void send_some(struct presence *p, const struct sessions *sessions, struct tell *tell, int64_t now_ms)
{
	struct buf out;
	tell_begin(tell, &out);
	buf_puts(&out, "\"events\":[");
	for (size_t i = 0; i < PRESENCE_MESSAGE && p->head < p->count; i++) {
		if (i > 0) {
			buf_putc(&out, ',');
		}
		write_event(&p->events[p->head++], sessions, now_ms, &out);
	}
	buf_putc(&out, ']');
	tell_send(&out);
}

/* A crowd's queue is given back. */
static void start_over(struct presence *p)
{
	p->base += (uint32_t)p->count;
	p->head = p->count = 0;
	if (p->cap > 16 * FIRST_CAP) {
		free(p->events);
		p->events = NULL;
		p->cap = 0;
	}
}

void presence_flush(struct presence *p, const struct sessions *sessions, struct tell *tell)
{
	int64_t now_ms = clock_mono_ms();
	for (int i = 0; i < MESSAGES_AT_ONCE && p->head < p->count; i++) {
		send_some(p, sessions, tell, now_ms);
	}
	if (p->head < p->count) {
		return;
	}
	start_over(p);
	if (p->lost) {
		p->lost = false;
		tell_skip(tell);
	}
}
