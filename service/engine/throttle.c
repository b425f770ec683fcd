#include "engine/throttle.h"

#include <arpa/inet.h>
#include <pthread.h>
#include <string.h>

#include "common/text.h"

enum { SETS = 512, WAYS = 8, PREFIX_LEN = 8 };

/* A window begins with its first failure. */
struct slot {
	uint64_t who;     /* keyed hash: an outsider cannot aim at one set */
	int64_t since_ms; /* 0 = free */
	int64_t used_ms;
	int failures;
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct slot tables[THROTTLE_KINDS][SETS][WAYS];

static const struct {
	int attempts;
	int64_t window_ms;
} limits[THROTTLE_KINDS] = {
	[THROTTLE_LOGIN] = {THROTTLE_FAILURES, THROTTLE_WINDOW_MS},
	[THROTTLE_CONTACT] = {6000, 60 * 1000}, /* a room of 200 devices, each asking every 3 s */
	[THROTTLE_CODE] = {30, THROTTLE_WINDOW_MS},
	[THROTTLE_PROOF_DEVICE] = {THROTTLE_FAILURES, THROTTLE_WINDOW_MS},
	[THROTTLE_PROOF_ADDRESS] = {100, THROTTLE_WINDOW_MS},
	[THROTTLE_REGISTER] = {0, 3600 * 1000},
	[THROTTLE_REGISTER_SHUT] = {1, 1000},
	[THROTTLE_REGISTER_TOLD] = {1, 3600 * 1000},
};

static uint64_t identify(const char *address) /* or whatever else names who */
{
	struct in6_addr v6;
	if (inet_pton(AF_INET6, address, &v6) == 1 && !IN6_IS_ADDR_V4MAPPED(&v6)) {
		return text_hash((const char *)&v6, PREFIX_LEN);
	}
	return text_hash(address, strlen(address));
}

static struct slot *find(enum throttle_kind kind, uint64_t who)
{
	struct slot *set = tables[kind][who % SETS];
	for (int i = 0; i < WAYS; i++) {
		if (set[i].since_ms && set[i].who == who) {
			return &set[i];
		}
	}
	return NULL;
}

/* A free slot, else the one longest unused. */
static struct slot *claim(enum throttle_kind kind, uint64_t who)
{
	struct slot *set = tables[kind][who % SETS];
	struct slot *best = &set[0];
	for (int i = 1; i < WAYS; i++) {
		if (set[i].used_ms < best->used_ms) {
			best = &set[i];
		}
	}
	*best = (struct slot){.who = who};
	return best;
}

bool throttle_take(enum throttle_kind kind, const char *name, int64_t now_ms)
{
	return throttle_take_of(kind, name, limits[kind].attempts, now_ms);
}

bool throttle_take_of(enum throttle_kind kind, const char *name, int64_t attempts, int64_t now_ms)
{
	uint64_t who = identify(name);
	pthread_mutex_lock(&lock);
	struct slot *slot = find(kind, who);
	if (!slot) {
		slot = claim(kind, who);
	}
	if (!slot->since_ms || now_ms - slot->since_ms >= limits[kind].window_ms) {
		slot->since_ms = now_ms;
		slot->failures = 0;
	}
	slot->used_ms = now_ms;
	bool granted = slot->failures < attempts;
	slot->failures += granted;
	pthread_mutex_unlock(&lock);
	return granted;
}

bool throttle_counts(enum throttle_kind kind, const char *name, int64_t now_ms)
{
	uint64_t who = identify(name);
	pthread_mutex_lock(&lock);
	const struct slot *slot = find(kind, who);
	bool counts = slot && slot->failures > 0 && now_ms - slot->since_ms < limits[kind].window_ms;
	pthread_mutex_unlock(&lock);
	return counts;
}

void throttle_give_back(enum throttle_kind kind, const char *name)
{
	uint64_t who = identify(name);
	pthread_mutex_lock(&lock);
	struct slot *slot = find(kind, who);
	if (slot && slot->failures > 0) {
		slot->failures--;
	}
	pthread_mutex_unlock(&lock);
}

void throttle_forgive(enum throttle_kind kind, const char *name)
{
	uint64_t who = identify(name);
	pthread_mutex_lock(&lock);
	struct slot *slot = find(kind, who);
	if (slot) {
		*slot = (struct slot){0};
	}
	pthread_mutex_unlock(&lock);
}

void throttle_reset(void)
{
	pthread_mutex_lock(&lock);
	memset(tables, 0, sizeof tables);
	pthread_mutex_unlock(&lock);
}
