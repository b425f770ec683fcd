/* One thread, one epoll: descriptors by number and timers in a heap. Everything of the simulator runs inside loop_run(). */
#ifndef SIM_LOOP_H
#define SIM_LOOP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct err;
struct loop;

struct loop_timer {
	int64_t at;   /* monotonic ms */
	size_t place; /* in the heap, from 1; 0 = not armed */
	void (*fn)(void *ctx);
	void *ctx;
};

struct loop *loop_new(struct err *err);
void loop_free(struct loop **loop);

/* Calls fn(ctx, fd, events) when the descriptor is ready for EPOLLIN/EPOLLOUT (errors and hang-ups are always told). Calling it again
 * changes the events. False, with errno, if the kernel refuses. */
bool loop_watch(struct loop *loop, int fd, uint32_t events, void (*fn)(void *ctx, int fd, uint32_t events), void *ctx);

/* Forgets a descriptor, open or closed already. To be called before its number can be used again. */
void loop_forget(struct loop *loop, int fd);

/* Fires once, delay_ms from now (0: at the next turn, never at once). Arming again moves it. The memory is the caller's: disarm before
 * freeing. */
void loop_arm(struct loop *loop, struct loop_timer *timer, int64_t delay_ms);
void loop_disarm(struct loop *loop, struct loop_timer *timer);

/* Runs until loop_stop(); after each turn calls each_turn(ctx). False if epoll fails. */
bool loop_run(struct loop *loop, void (*each_turn)(void *ctx), void *ctx);
void loop_stop(struct loop *loop);

#endif
