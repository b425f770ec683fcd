/* Links to a broker of their own, and what each has heard and sent. */
#ifndef TESTS_STORE_LINK_SCENE_H
#define TESTS_STORE_LINK_SCENE_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <unistd.h>

#include "broker.h"
#include "common/clock.h"
#include "mqtt/link.h"

struct link;

#define SENT 6000
#define PATIENCE_MS 20000

/* Polls, for what happens on other threads. */
#define eventually(condition)                                 \
	do {                                                  \
		int64_t end_ = clock_mono_ms() + PATIENCE_MS; \
		while (!(condition)) {                        \
			assert_true(clock_mono_ms() < end_);  \
			usleep(2000);                         \
		}                                             \
	} while (0)

struct peer {
	struct link *link;
	atomic_int messages;
	atomic_int retained;
	atomic_int strange; /* on a topic that nobody publishes on */
	atomic_int ups;
	atomic_int downs;
	atomic_int writable;
	atomic_size_t longest;
	pthread_mutex_t lock; /* of the last message: */
	char topic[64];
	char payload[64]; /* its first bytes */
	size_t len;
};

/* One publish. */
struct sent {
	atomic_int acked;
	atomic_int failed;
};

struct fixture {
	struct broker broker;
	struct peer a;
	struct peer b;
	struct sent sent[SENT];
};

void on_done(void *ctx, bool acknowledged);
struct link_config config_of(const struct fixture *f, const char *id);
void begin(struct peer *peer, const struct link_config *config);
bool publish(struct peer *peer, const char *topic, const char *text, struct sent *sent);
int count(const struct fixture *f, int first, int last, bool acked);
void assert_once_each(const struct fixture *f, int first, int last);
int link_scene_setup(void **state);
int link_scene_teardown(void **state);

extern const char *const ALL[];

#endif
