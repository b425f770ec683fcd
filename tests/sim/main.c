/* otad-sim: devices of the oc dialect and Xiaozhi devices for demonstrations, tests and benchmarks. --help is the documentation. */
#include <mosquitto.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/err.h"
#include "common/scoped.h"
#include "sim.h"
#include "tls.h"

enum { EXIT_USAGE = 2, SPARE_DESCRIPTORS = 64, MISSING_SHOWN = 10 };

static void on_signal(void *ctx, int fd, uint32_t events)
{
	(void)events;
	struct sim *sim = ctx;
	struct signalfd_siginfo info;
	if (read(fd, &info, sizeof info) <= 0) {
		return;
	}
	if (info.ssi_signo != SIGUSR1) {
		loop_stop(sim->loop);
		return;
	}
	for (size_t i = 0; sim->boards && i < sim->count; i++) {
		board_happen(&sim->boards[i], BOARD_POWER_LOST);
	}
}

static void on_over(void *ctx)
{
	loop_stop(ctx);
}

static void each_turn(void *ctx)
{
	(void)ctx;
	fflush(stdout); /* lines of one turn leave together, and at once */
}

/* SIGINT and SIGTERM end the run in order; a broker that is gone must not kill us. Returns the descriptor, -1 on failure. */
static int watch_signals(struct sim *sim)
{
	sigset_t set;
	sigemptyset(&set);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGUSR1);
	sigprocmask(SIG_BLOCK, &set, NULL);
	signal(SIGPIPE, SIG_IGN);
	int fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	return fd >= 0 && loop_watch(sim->loop, fd, EPOLLIN, on_signal, sim) ? fd : -1;
}

/* One descriptor a device for the broker, one a download. */
static bool raise_limit(const struct options *opt, struct err *err)
{
	struct rlimit limit;
	getrlimit(RLIMIT_NOFILE, &limit);
	rlim_t http = (rlim_t)(opt->parallel < opt->count ? opt->parallel : opt->count);
	rlim_t need = (opt->mqtt_host[0] || opt->xiaozhi ? (rlim_t)opt->count : 0) + http + SPARE_DESCRIPTORS;
	if (limit.rlim_cur >= need) {
		return true;
	}
	limit.rlim_cur = need;
	limit.rlim_max = limit.rlim_max < need ? need : limit.rlim_max;
	if (setrlimit(RLIMIT_NOFILE, &limit) == 0) {
		return true;
	}
	getrlimit(RLIMIT_NOFILE, &limit);
	return err_set(err, ERR_UNAVAILABLE,
		       "%lld devices and %llu downloads need %llu descriptors, this process may open %llu: see ulimit -n",
		       (long long)opt->count, (unsigned long long)http, (unsigned long long)need, (unsigned long long)limit.rlim_max);
}

static bool set_up_devices(struct sim *sim, struct err *err)
{
	sim->devices = calloc(sim->count, sizeof *sim->devices);
	if (!sim->devices) {
		return err_set(err, ERR_INTERNAL, "no memory for %zu devices", sim->count);
	}
	if (!login_load(sim, err) || !raise_limit(&sim->opt, err) || (sim->opt.mqtt_host[0] && !link_resolve(sim, err))) {
		return false;
	}
	sim->http = http_new(sim->loop, sim->opt.parallel, sim->opt.cafile, err);
	if (!sim->http) {
		return false;
	}
	for (size_t i = 0; i < sim->count; i++) {
		device_start(&sim->devices[i], sim, i);
	}
	return true;
}

static bool set_up_boards(struct sim *sim, struct err *err)
{
	sim->boards = calloc(sim->count, sizeof *sim->boards);
	sim->tls = tls_new(sim->opt.cafile);
	if (!sim->boards || !sim->tls) {
		return err_set(err, ERR_INTERNAL, "no memory for %zu devices", sim->count);
	}
	if (!raise_limit(&sim->opt, err)) {
		return false;
	}
	for (size_t i = 0; i < sim->count; i++) {
		if (!board_start(&sim->boards[i], sim, i, err)) {
			return false;
		}
	}
	return true;
}

static bool set_up(struct sim *sim, struct err *err)
{
	STAILQ_INIT(&sim->queue);
	STAILQ_INIT(&sim->board_queue);
	sim->count = (size_t)sim->opt.count;
	sim->stats.started = clock_mono_ms();
	sim->loop = loop_new(err);
	sim->over = (struct loop_timer){.fn = on_over, .ctx = sim->loop};
	return sim->loop && (sim->opt.xiaozhi ? set_up_boards(sim, err) : set_up_devices(sim, err));
}

static void tear_down(struct sim *sim)
{
	for (size_t i = 0; sim->boards && i < sim->count && sim->boards[i].sim; i++) {
		board_stop(&sim->boards[i]);
	}
	tls_free(&sim->tls);
	free(sim->boards);
	if (sim->http) {
		for (size_t i = 0; i < sim->count; i++) {
			device_stop(&sim->devices[i]);
		}
		http_free(&sim->http);
	}
	loop_free(&sim->loop);
	stats_free(&sim->stats);
	login_clear(&sim->login);
	free(sim->devices);
}

/* Without --exit-after nothing was asked but to be there: a device in the middle of something, or not connected, has not finished. */
static void judge_end(struct sim *sim)
{
	for (size_t i = 0; sim->opt.exit_after < 0 && !sim->opt.checks && sim->boards && i < sim->count; i++) {
		struct board *b = &sim->boards[i];
		bool rebooting = sim->opt.reboot_every_ms && b->was_clean && b->state != BOARD_DEAD; /* all the time */
		bool well = rebooting || (b->state == BOARD_RUNNING && b->clean);
		sim->finished += well && !b->finished;
		b->finished = b->finished || well;
	}
	for (size_t i = 0; sim->opt.exit_after < 0 && sim->devices && i < sim->count; i++) {
		struct device *d = &sim->devices[i];
		bool there = !sim->opt.mqtt_host[0] || d->link.state == LINK_UP;
		d->finished = there && d->state == DEVICE_IDLE;
		sim->finished += d->finished;
	}
}

/* True: device number i has done what was asked. Else who it is, why not, and what it has done. */
static bool finished(const struct sim *sim, size_t i, const char **name, char *why, size_t size, int64_t *updates)
{
	if (sim->boards) {
		const struct board *b = &sim->boards[i];
		*name = b->name;
		*updates = b->updates;
		board_missing(b, why, size);
		return b->finished && b->state != BOARD_DEAD;
	}
	const struct device *d = &sim->devices[i];
	*name = d->name;
	*updates = d->updates;
	device_missing(d, why, size);
	return d->finished;
}

static void show_missing(const struct sim *sim)
{
	size_t shown = 0;
	for (size_t i = 0; i < sim->count && shown < MISSING_SHOWN; i++) {
		const char *name;
		char why[320];
		int64_t updates;
		if (finished(sim, i, &name, why, sizeof why, &updates)) {
			continue;
		}
		shown++;
		fprintf(stderr, "otad-sim: %s %s", name, why);
		if (sim->opt.exit_after > 0) {
			fprintf(stderr, " (%lld of %lld updates done)", (long long)updates, (long long)sim->opt.exit_after);
		}
		fputc('\n', stderr);
	}
	if (sim->count - sim->finished > shown) {
		fprintf(stderr, "otad-sim: and %zu more devices\n", sim->count - sim->finished - shown);
	}
}

static int run(struct sim *sim)
{
	scoped_close int signals = watch_signals(sim);
	struct loop_timer deadline = {.fn = on_over, .ctx = sim->loop};
	if (sim->opt.timeout_ms) {
		loop_arm(sim->loop, &deadline, sim->opt.timeout_ms);
	}
	bool ran = signals >= 0 && loop_run(sim->loop, each_turn, NULL);
	loop_disarm(sim->loop, &deadline);
	judge_end(sim);
	stats_summary(sim);
	show_missing(sim);
	return ran && sim->finished == sim->count ? EXIT_SUCCESS : EXIT_FAILURE;
}

int main(int argc, char **argv)
{
	struct sim sim = {0};
	struct err err = {0};
	if (!options_parse(&sim.opt, argc, argv, &err)) {
		fprintf(stderr, "otad-sim: %s\n", err.text);
		return EXIT_USAGE;
	}
	if (sim.opt.help) {
		options_help();
		return EXIT_SUCCESS;
	}
	mosquitto_lib_init();
	int status = EXIT_FAILURE;
	if (set_up(&sim, &err)) {
		status = run(&sim);
	} else {
		fprintf(stderr, "otad-sim: %s\n", err.text);
	}
	tear_down(&sim);
	mosquitto_lib_cleanup();
	return status;
}
