#include "mqtt/window.h"

#include <pthread.h>
#include <stdlib.h>
#include <sys/queue.h>

#include "common/clock.h"
#include "common/cond.h"

struct ticket {
	TAILQ_ENTRY(ticket) entry;
	struct window *window;
	link_done *done;
	void *ctx;
	bool live;    /* not yet completed; else stale */
	bool handing; /* between window_reserve() and window_handed(), which frees it if the verdict came meanwhile */
	bool judged;
	unsigned losses; /* of the window, when it was reserved */
};
TAILQ_HEAD(tickets, ticket);

struct window {
	pthread_mutex_t lock;
	pthread_cond_t empty;
	unsigned limit;
	void (*writable)(void *owner);
	void *owner;

	struct tickets live;
	struct tickets stale;
	unsigned in_flight; /* length of live */
	unsigned losses;
	bool open;
	bool refused; /* a publish found the window full */
};

struct window *window_new(unsigned limit, void (*writable)(void *owner), void *owner)
{
	struct window *window = calloc(1, sizeof(*window));
	if (window == NULL) {
		return NULL;
	}
	window->limit = limit;
	window->writable = writable;
	window->owner = owner;
	TAILQ_INIT(&window->live);
	TAILQ_INIT(&window->stale);
	pthread_mutex_init(&window->lock, NULL);
	cond_init(&window->empty);
	return window;
}

void *window_owner(const struct ticket *ticket)
{
	return ticket->window->owner;
}

static void set_open(struct window *window, bool open)
{
	pthread_mutex_lock(&window->lock);
	window->open = open;
	window->refused = false;
	pthread_mutex_unlock(&window->lock);
}

void window_open(struct window *window)
{
	set_open(window, true);
}

void window_close(struct window *window)
{
	set_open(window, false);
}

/* With the lock held. */
static void detach(struct ticket *ticket)
{
	struct window *window = ticket->window;
	if (!ticket->live) {
		TAILQ_REMOVE(&window->stale, ticket, entry);
		return;
	}
	TAILQ_REMOVE(&window->live, ticket, entry);
	window->in_flight--;
	if (window->in_flight == 0) {
		pthread_cond_broadcast(&window->empty);
	}
}

/* With the lock held, after detach(). */
static void make_stale(struct ticket *ticket)
{
	ticket->live = false;
	TAILQ_INSERT_TAIL(&ticket->window->stale, ticket, entry);
}

/* With the lock held: a refused publisher is woken when a quarter is free, not at every completion. */
static bool take_writable(struct window *window)
{
	unsigned quarter = window->limit / 4 > 0 ? window->limit / 4 : 1;
	if (!window->refused || !window->open || window->in_flight + quarter > window->limit) {
		return false;
	}
	window->refused = false;
	return window->writable != NULL;
}

struct ticket *window_reserve(struct window *window, link_done *done, void *ctx)
{
	struct ticket *ticket = malloc(sizeof(*ticket));
	if (ticket == NULL) {
		return NULL;
	}
	*ticket = (struct ticket){.window = window, .done = done, .ctx = ctx, .live = true, .handing = true};
	pthread_mutex_lock(&window->lock);
	bool full = window->in_flight >= window->limit;
	bool take = window->open && !full;
	if (take) {
		ticket->losses = window->losses;
		TAILQ_INSERT_TAIL(&window->live, ticket, entry);
		window->in_flight++;
	} else {
		window->refused = full;
	}
	pthread_mutex_unlock(&window->lock);
	if (!take) {
		free(ticket);
		return NULL;
	}
	return ticket;
}

bool window_handed(struct ticket *ticket, bool taken)
{
	struct window *window = ticket->window;
	bool writable = false;
	pthread_mutex_lock(&window->lock);
	ticket->handing = false;
	bool judged = ticket->judged;
	bool accepted = judged || (taken && ticket->losses == window->losses);
	if (!accepted) {
		detach(ticket);
		writable = take_writable(window);
	}
	if (!accepted && taken) {
		make_stale(ticket);
	}
	pthread_mutex_unlock(&window->lock);
	if (judged || !taken) {
		free(ticket);
	}
	if (writable) {
		window->writable(window->owner);
	}
	return accepted;
}

void window_verdict(struct ticket *ticket, bool acknowledged)
{
	struct window *window = ticket->window;
	link_done *done = ticket->done;
	void *ctx = ticket->ctx;
	pthread_mutex_lock(&window->lock);
	bool complete = ticket->live && done != NULL;
	detach(ticket);
	bool writable = take_writable(window);
	ticket->judged = true;
	bool mine = !ticket->handing;
	pthread_mutex_unlock(&window->lock);
	if (mine) {
		free(ticket);
	}
	if (complete) {
		done(ctx, acknowledged);
	}
	if (writable) {
		window->writable(window->owner);
	}
}

/* Turns one live ticket stale and completes it as failed. False: none left, but for those being handed over. */
static bool fail_one(struct window *window)
{
	link_done *done = NULL;
	void *ctx = NULL;
	pthread_mutex_lock(&window->lock);
	struct ticket *ticket = TAILQ_FIRST(&window->live);
	while (ticket != NULL && ticket->handing) {
		ticket = TAILQ_NEXT(ticket, entry);
	}
	if (ticket != NULL) {
		done = ticket->done;
		ctx = ticket->ctx;
		detach(ticket);
		make_stale(ticket);
	}
	pthread_mutex_unlock(&window->lock);
	if (done != NULL) {
		done(ctx, false);
	}
	return ticket != NULL;
}

void window_fail_all(struct window *window)
{
	pthread_mutex_lock(&window->lock);
	window->losses++;
	pthread_mutex_unlock(&window->lock);
	while (fail_one(window)) {
	}
}

void window_drain(struct window *window, int ms)
{
	int64_t end = clock_mono_ms() + ms;
	pthread_mutex_lock(&window->lock);
	while (window->in_flight > 0 && cond_wait_until(&window->empty, &window->lock, end)) {
	}
	pthread_mutex_unlock(&window->lock);
}

void window_free(struct window **windowp)
{
	struct window *window = *windowp;
	*windowp = NULL;
	if (window == NULL) {
		return;
	}
	window_fail_all(window);
	struct ticket *ticket = TAILQ_FIRST(&window->stale);
	while (ticket != NULL) {
		struct ticket *next = TAILQ_NEXT(ticket, entry);
		free(ticket);
		ticket = next;
	}
	pthread_cond_destroy(&window->empty);
	pthread_mutex_destroy(&window->lock);
	free(window);
}
