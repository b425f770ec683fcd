#include "loop.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/err.h"

enum { EVENTS_A_TURN = 512 };

struct watch {
	void (*fn)(void *ctx, int fd, uint32_t events);
	void *ctx;
	uint32_t events;
};

struct loop {
	int epoll;
	bool stopped;
	struct watch *watches; /* by descriptor: an event of a descriptor forgotten in the same turn finds nothing here */
	size_t watches_cap;
	struct loop_timer **heap; /* heap[0] is unused, heap[1] the soonest */
	size_t timers;
	size_t heap_cap;
};

struct loop *loop_new(struct err *err)
{
	struct loop *loop = calloc(1, sizeof *loop);
	if (!loop) {
		err_set(err, ERR_INTERNAL, "out of memory");
		return NULL;
	}
	loop->epoll = epoll_create1(EPOLL_CLOEXEC);
	if (loop->epoll < 0) {
		err_set(err, ERR_INTERNAL, "epoll_create1: %s", strerror(errno));
		free(loop);
		return NULL;
	}
	return loop;
}

void loop_free(struct loop **loop)
{
	if (!*loop) {
		return;
	}
	close((*loop)->epoll);
	free((*loop)->watches);
	free((*loop)->heap);
	free(*loop);
	*loop = NULL;
}

/* Room for index in an array that grows by doubling; running out of memory ends a test tool. */
static void *grow(void *array, size_t *cap, size_t index, size_t item)
{
	if (index < *cap) {
		return array;
	}
	size_t more = *cap ? *cap : 64;
	while (more <= index) {
		more *= 2;
	}
	char *grown = reallocarray(array, more, item);
	if (!grown) {
		abort();
	}
	memset(grown + *cap * item, 0, (more - *cap) * item);
	*cap = more;
	return grown;
}

bool loop_watch(struct loop *loop, int fd, uint32_t events, void (*fn)(void *ctx, int fd, uint32_t events), void *ctx)
{
	loop->watches = grow(loop->watches, &loop->watches_cap, (size_t)fd, sizeof *loop->watches);
	struct watch *watch = &loop->watches[fd];
	bool known = watch->fn != NULL;
	watch->fn = fn;
	watch->ctx = ctx;
	if (known && watch->events == events) {
		return true;
	}
	watch->events = events;
	struct epoll_event event = {.events = events, .data.fd = fd};
	return epoll_ctl(loop->epoll, known ? EPOLL_CTL_MOD : EPOLL_CTL_ADD, fd, &event) == 0;
}

void loop_forget(struct loop *loop, int fd)
{
	if (fd < 0 || (size_t)fd >= loop->watches_cap || !loop->watches[fd].fn) {
		return;
	}
	memset(&loop->watches[fd], 0, sizeof loop->watches[fd]);
	epoll_ctl(loop->epoll, EPOLL_CTL_DEL, fd, NULL); /* fails if it is closed: then the kernel has forgotten it */
}

static void place(struct loop *loop, size_t i, struct loop_timer *timer)
{
	loop->heap[i] = timer;
	timer->place = i;
}

static void sift_up(struct loop *loop, size_t i, struct loop_timer *timer)
{
	for (; i > 1 && loop->heap[i / 2]->at > timer->at; i /= 2) {
		place(loop, i, loop->heap[i / 2]);
	}
	place(loop, i, timer);
}

static void sift_down(struct loop *loop, size_t i, struct loop_timer *timer)
{
	for (size_t child = 2 * i; child <= loop->timers; i = child, child = 2 * i) {
		if (child < loop->timers && loop->heap[child + 1]->at < loop->heap[child]->at) {
			child++;
		}
		if (loop->heap[child]->at >= timer->at) {
			break;
		}
		place(loop, i, loop->heap[child]);
	}
	place(loop, i, timer);
}

void loop_disarm(struct loop *loop, struct loop_timer *timer)
{
	if (!timer->place) {
		return;
	}
	size_t hole = timer->place;
	struct loop_timer *last = loop->heap[loop->timers--];
	timer->place = 0;
	if (last != timer) {
		sift_down(loop, hole, last);
		sift_up(loop, last->place, last);
	}
}

void loop_arm(struct loop *loop, struct loop_timer *timer, int64_t delay_ms)
{
	loop_disarm(loop, timer);
	loop->heap = grow(loop->heap, &loop->heap_cap, loop->timers + 1, sizeof(struct loop_timer *));
	timer->at = clock_mono_ms() + delay_ms;
	loop->timers++;
	sift_up(loop, loop->timers, timer);
}

/* Fires what is due now, but nothing that these timers arm anew. */
static void fire(struct loop *loop)
{
	int64_t now = clock_mono_ms();
	size_t most = loop->timers;
	while (most-- > 0 && loop->timers > 0 && loop->heap[1]->at <= now) {
		struct loop_timer *timer = loop->heap[1];
		loop_disarm(loop, timer);
		timer->fn(timer->ctx);
	}
}

static int patience(const struct loop *loop)
{
	if (loop->timers == 0) {
		return -1;
	}
	int64_t wait = loop->heap[1]->at - clock_mono_ms();
	return wait < 0 ? 0 : wait > 60000 ? 60000 : (int)wait;
}

bool loop_run(struct loop *loop, void (*each_turn)(void *ctx), void *ctx)
{
	struct epoll_event events[EVENTS_A_TURN];
	while (!loop->stopped) {
		int n = epoll_wait(loop->epoll, events, EVENTS_A_TURN, patience(loop));
		if (n < 0 && errno != EINTR) {
			return false;
		}
		for (int i = 0; i < n; i++) {
			int fd = events[i].data.fd;
			struct watch *watch = &loop->watches[fd];
			if (watch->fn) {
				watch->fn(watch->ctx, fd, events[i].events);
			}
		}
		fire(loop);
		each_turn(ctx);
	}
	return true;
}

void loop_stop(struct loop *loop)
{
	loop->stopped = true;
}
