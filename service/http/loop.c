/* One loop: a thread, its libmicrohttpd daemon, and the queue through which other threads hand requests back. */
#include <signal.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "common/clock.h"
#include "http/handshake.h"
#include "http/inside.h"
#include "http/intake.h"
#include "http/line.h"
#include "http/loop.h"
#include "work/pool.h"

enum {
	TICK_MS = 25, /* while acknowledgements, lingering connections or a full workers' queue are waited for */
	SWEEP_MS = 1000,
	EVENTS = 64,
};

static _Thread_local struct http_loop *current_loop;
static _Thread_local struct http_request *current_job;

enum http_place http_loop_place(const struct http_request *req)
{
	if (current_loop == req->loop && req->on_loop) {
		return HTTP_ON_LOOP;
	}
	return current_job == req ? HTTP_IN_JOB : HTTP_ELSEWHERE;
}

static void wake(struct http_loop *loop)
{
	if (atomic_exchange(&loop->asleep, false)) {
		eventfd_write(loop->wake, 1);
	}
}

void http_loop_post(struct http_request *req, unsigned what)
{
	struct http_loop *loop = req->loop;
	/* Woken under the lock: once the loop has taken req, this thread does not touch the loop again. */
	pthread_mutex_lock(&loop->lock);
	if (!req->posted) {
		req->next = NULL;
		*loop->posts_end = req;
		loop->posts_end = &req->next;
		atomic_store(&loop->posted, true);
		wake(loop);
	}
	req->posted |= what;
	pthread_mutex_unlock(&loop->lock);
}

static struct http_request *take_posts(struct http_loop *loop)
{
	pthread_mutex_lock(&loop->lock);
	struct http_request *list = loop->posts;
	loop->posts = NULL;
	loop->posts_end = &loop->posts;
	atomic_store(&loop->posted, false);
	for (struct http_request *req = list; req; req = req->next) {
		req->todo = req->posted;
		req->posted = 0;
		req->todo_next = req->next;
	}
	pthread_mutex_unlock(&loop->lock);
	return list;
}

static void run_posts(struct http_loop *loop)
{
	if (!atomic_load(&loop->posted)) {
		return;
	}
	struct http_request *next;
	for (struct http_request *req = take_posts(loop); req; req = next) {
		next = req->todo_next;
		http_intake_posted(req);
	}
}

static void job(void *arg, struct worker *worker)
{
	struct http_request *req = arg;
	current_job = req;
	http_intake_job(req, worker);
	current_job = NULL;
	http_loop_post(req, req->replied_in_job ? HTTP_POST_JOB | HTTP_POST_REPLY : HTTP_POST_JOB);
}

bool http_loop_submit(struct http_request *req, bool later)
{
	struct http_loop *loop = req->loop;
	req->away = true; /* before: the job may be back at once */
	if (pool_submit(loop->server->config.workers, job, req)) {
		return true;
	}
	if (later) {
		req->wait_next = loop->waiting;
		loop->waiting = req;
	} else {
		req->away = false;
	}
	return later;
}

static void submit_waiting(struct http_loop *loop)
{
	struct http_request *req = loop->waiting;
	loop->waiting = NULL;
	while (req) {
		struct http_request *next = req->wait_next;
		http_loop_submit(req, true);
		req = next;
	}
}

void http_loop_suspend(struct http_request *req)
{
	req->suspended = true;
	req->loop->suspended++;
	MHD_suspend_connection(req->conn);
}

void http_loop_resume(struct http_request *req)
{
	if (req->suspended) {
		req->suspended = false;
		req->loop->suspended--;
		MHD_resume_connection(req->conn);
	}
}

/* How long the loop may sleep; 0 when libmicrohttpd has more to do. */
static int patience(const struct http_loop *loop)
{
	MHD_UNSIGNED_LONG_LONG wait;
	for (unsigned i = 0; i < HTTP_LISTENERS; i++) {
		if (loop->daemon[i] && MHD_get_timeout(loop->daemon[i], &wait) == MHD_YES && wait == 0) {
			return 0;
		}
	}
	if (loop->watched || loop->waiting || loop->draining) {
		return TICK_MS;
	}
	return loop->lines ? SWEEP_MS : -1;
}

static void sleep_until_event(struct http_loop *loop, int ms)
{
	struct epoll_event events[EVENTS];
	int count = 0;
	atomic_store(&loop->asleep, true);
	if (!atomic_load(&loop->posted) && (loop->draining || !atomic_load(&loop->server->stopping))) {
		count = epoll_wait(loop->epoll, events, EVENTS, ms);
	}
	atomic_store(&loop->asleep, false);
	for (int i = 0; i < count; i++) {
		if (events[i].data.ptr) {
			http_handshake_resume(events[i].data.ptr);
		}
	}
}

static void step(struct http_loop *loop)
{
	int ms = patience(loop);
	if (ms != 0 || loop->parked) {
		sleep_until_event(loop, ms);
	}
	loop->now = clock_mono_ms();
	run_posts(loop);
	for (unsigned i = 0; i < HTTP_LISTENERS; i++) {
		if (loop->daemon[i]) {
			MHD_run(loop->daemon[i]);
		}
	}
	if (loop->watched) {
		http_line_look(loop);
	}
	if (loop->waiting) {
		submit_waiting(loop);
	}
	if (loop->now >= loop->sweep_at) {
		loop->sweep_at = loop->now + SWEEP_MS;
		http_line_judge(loop);
	}
}

static void quiesce(struct http_loop *loop)
{
	for (unsigned i = 0; i < HTTP_LISTENERS; i++) {
		if (loop->daemon[i]) {
			MHD_quiesce_daemon(loop->daemon[i]);
		}
	}
}

static void stop_daemons(struct http_loop *loop)
{
	for (unsigned i = 0; i < HTTP_LISTENERS; i++) {
		if (loop->daemon[i]) {
			MHD_stop_daemon(loop->daemon[i]);
		}
	}
}

/* Stopping: what runs may finish until the deadline; then the connections of those that nobody works on are cut. */
static void drain(struct http_loop *loop)
{
	loop->draining = true;
	quiesce(loop);
	while (loop->open && loop->now < atomic_load(&loop->server->deadline)) {
		step(loop);
	}
	http_handshake_abandon(loop);
	while (loop->suspended) {
		for (struct http_line *line = loop->lines; line; line = line->next) {
			if (line->req) {
				http_intake_abandon(line->req);
			}
		}
		step(loop);
	}
	stop_daemons(loop);
	while (loop->requests) {
		struct epoll_event event;
		epoll_wait(loop->epoll, &event, 1, TICK_MS);
		run_posts(loop);
		submit_waiting(loop);
	}
	http_line_forget(loop);
}

static void *run(void *arg)
{
	struct http_loop *loop = arg;
	current_loop = loop;
	loop->now = clock_mono_ms();
	while (!atomic_load(&loop->server->stopping)) {
		step(loop);
	}
	drain(loop);
	return NULL;
}

static bool watch_fd(const struct http_loop *loop, int fd, uint32_t events)
{
	struct epoll_event event = {.events = events}; /* data.ptr is for parked lines */
	return epoll_ctl(loop->epoll, EPOLL_CTL_ADD, fd, &event) == 0;
}

static bool open_daemon(struct http_loop *loop, enum http_listener which)
{
	if (loop->server->listener[which] < 0) {
		return true;
	}
	loop->daemon[which] = http_intake_daemon(loop, which);
	return loop->daemon[which] && watch_fd(loop, MHD_get_daemon_info(loop->daemon[which], MHD_DAEMON_INFO_EPOLL_FD)->epoll_fd, EPOLLIN);
}

static bool open_epoll(struct http_loop *loop)
{
	/* edge-triggered: the counter of the eventfd need not be read */
	return watch_fd(loop, loop->wake, EPOLLIN | EPOLLET) && open_daemon(loop, HTTP_PLAIN) && open_daemon(loop, HTTP_TLS);
}

bool http_loop_start(struct http_loop *loop, struct http_server *server)
{
	loop->server = server;
	pthread_mutex_init(&loop->lock, NULL);
	loop->posts_end = &loop->posts;
	loop->epoll = epoll_create1(EPOLL_CLOEXEC);
	loop->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (loop->epoll < 0 || loop->wake < 0 || !open_epoll(loop)) {
		return false;
	}
	/* signals are the main thread's */
	sigset_t all;
	sigset_t old;
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	loop->running = pthread_create(&loop->thread, NULL, run, loop) == 0;
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	return loop->running;
}

void http_loop_stir(struct http_loop *loop)
{
	if (loop->running) {
		eventfd_write(loop->wake, 1);
	}
}

void http_loop_stop(struct http_loop *loop)
{
	if (loop->running) {
		pthread_join(loop->thread, NULL);
	} else {
		quiesce(loop);
		stop_daemons(loop);
	}
	http_intake_free_list(loop);
	if (loop->server) {
		pthread_mutex_destroy(&loop->lock);
		close(loop->epoll);
		close(loop->wake);
	}
}
