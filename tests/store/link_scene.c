#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "broker.h"
#include "common/err.h"
#include "link_scene.h"
#include "mqtt/link.h"

static void on_message(void *ctx, const char *topic, const void *payload, size_t len, bool retained)
{
	struct peer *peer = ctx;
	pthread_mutex_lock(&peer->lock);
	snprintf(peer->topic, sizeof(peer->topic), "%s", topic);
	memcpy(peer->payload, payload, len < sizeof(peer->payload) ? len : sizeof(peer->payload));
	peer->len = len;
	pthread_mutex_unlock(&peer->lock);
	if (len > atomic_load(&peer->longest)) {
		atomic_store(&peer->longest, len);
	}
	atomic_fetch_add(&peer->strange, strncmp(topic, "t/", 2) == 0 ? 0 : 1);
	atomic_fetch_add(&peer->retained, retained ? 1 : 0);
	atomic_fetch_add(&peer->messages, 1);
}

static void on_state(void *ctx, bool up)
{
	struct peer *peer = ctx;
	atomic_fetch_add(up ? &peer->ups : &peer->downs, 1);
}

static void on_writable(void *ctx)
{
	struct peer *peer = ctx;
	atomic_fetch_add(&peer->writable, 1);
}

void on_done(void *ctx, bool acknowledged)
{
	struct sent *sent = ctx;
	atomic_fetch_add(acknowledged ? &sent->acked : &sent->failed, 1);
}

struct link_config config_of(const struct fixture *f, const char *id)
{
	return (struct link_config){.host = "127.0.0.1", .port = f->broker.port, .client_id = id, .username = "", .window = 100, .qos = 1};
}

void begin(struct peer *peer, const struct link_config *config)
{
	struct err err;
	struct link_handlers handlers = {.message = on_message, .state = on_state, .writable = on_writable, .ctx = peer};
	peer->link = link_new(config, &handlers, &err);
	assert_non_null(peer->link);
}

bool publish(struct peer *peer, const char *topic, const char *text, struct sent *sent)
{
	return link_publish(peer->link, topic, text, strlen(text), true, 0, on_done, sent);
}

int count(const struct fixture *f, int first, int last, bool acked)
{
	int n = 0;
	for (int i = first; i < last; i++) {
		n += atomic_load(acked ? &f->sent[i].acked : &f->sent[i].failed);
	}
	return n;
}

void assert_once_each(const struct fixture *f, int first, int last)
{
	for (int i = first; i < last; i++) {
		assert_int_equal(atomic_load(&f->sent[i].acked) + atomic_load(&f->sent[i].failed), 1);
	}
}

int link_scene_setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));
	if (f == NULL) {
		return -1;
	}
	pthread_mutex_init(&f->a.lock, NULL);
	pthread_mutex_init(&f->b.lock, NULL);
	broker_init(&f->broker);
	*state = f;
	return 0;
}

int link_scene_teardown(void **state)
{
	struct fixture *f = *state;
	link_free(&f->a.link);
	link_free(&f->b.link);
	broker_end(&f->broker);
	free(f);
	return 0;
}

const char *const ALL[] = {"t/#", NULL};
