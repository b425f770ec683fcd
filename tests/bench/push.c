/* The push bar: single rollouts through the real engine and the real MQTT room, without HTTP in front; or, as its ceiling, the same
 * messages by bare Paho.
 *
 * bench-push engine CONFIG PREFIX COUNT FIRMWARE   orders FIRMWARE for PREFIX1 ... PREFIXn
 * bench-push bare PORT PREFIX COUNT WINDOW
 * Prints "begin NS" (CLOCK_MONOTONIC) before the first call, "done" when all calls were answered (engine) or acknowledged (bare). The
 * engine runs on until stdin ends.
 */
#include "push.h"

#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "bench.h"
#include "common/err.h"
#include "common/log.h"
#include "config/config.h"
#include "dialect/oc.h"
#include "dialect/xiaozhi_push.h"
#include "engine/dispatch.h"
#include "engine/engine.h"
#include "engine/order.h"
#include "mqtt/mqtt.h"
#include "store/db.h"
#include "work/pool.h"

enum { BROKER_TRIES = 2000, ANSWER_TRIES = 60000 };

static atomic_long answered, refused;

static void pause_ms(long ms)
{
	nanosleep(&(struct timespec){.tv_nsec = ms * BENCH_MS}, NULL);
}

static void on_ordered(void *ctx, const struct order_result *result, const struct err *err)
{
	(void)ctx;
	if (err || result->outcome == ORDER_REFUSE) {
		atomic_fetch_add(&refused, 1);
	}
	atomic_fetch_add(&answered, 1);
}

static void order_all(struct engine *engine, const char *prefix, long count, const char *firmware)
{
	struct order order = {.way = WAY_PUSH, .actor = {.name = "bench", .address = "127.0.0.1", .request = "0123456789abcdef"}};
	snprintf(order.firmware, sizeof order.firmware, "%s", firmware);
	for (long i = 0; i < count; i++) {
		struct err err = {0};
		snprintf(order.device, sizeof order.device, "%s%ld", prefix, i + 1);
		while (!order_place(engine, &order, on_ordered, NULL, &err)) {
			if (err.kind != ERR_BUSY) {
				bench_die("%s: %s", order.device, err.text);
			}
			pause_ms(1); /* as an operator's client is told to */
		}
	}
	for (int tries = 0; atomic_load(&answered) < count && tries < ANSWER_TRIES; tries++) {
		pause_ms(1);
	}
	if (atomic_load(&answered) < count || atomic_load(&refused) > 0) {
		bench_die("%ld orders of %ld answered, %ld refused", atomic_load(&answered), count, atomic_load(&refused));
	}
}

static void await_broker(struct engine *engine)
{
	struct engine_health health = {0};
	for (int tries = 0; !health.broker && tries < BROKER_TRIES; tries++) {
		pause_ms(5);
		engine_health(engine, &health);
	}
	if (!health.broker) {
		bench_die("no broker");
	}
	pause_ms(200); /* the echo link, too */
}

static void run_engine(char **argv)
{
	struct err err = {0};
	signal(SIGPIPE, SIG_IGN);
	log_setup(LOG_LEVEL_WARN, LOG_FORMAT_LOGFMT);
	struct config *config = config_load(argv[0], &err);
	if (!config) {
		bench_die("%s", err.text);
	}
	struct db_config db = {.uri = config->pg, .name = "otad/worker"};
	struct pool *pool = pool_new((unsigned)config->workers, (size_t)config->worker_queue, &db, &err);
	struct engine *engine = pool ? engine_start(config, pool, &err) : NULL;
	struct mqtt *mqtt = engine ? mqtt_start(engine, &oc_messages, &xiaozhi_push, config, &err) : NULL;
	if (!mqtt) {
		bench_die("%s", err.text);
	}
	await_broker(engine);
	printf("begin %lld\n", (long long)bench_now());
	fflush(stdout);
	order_all(engine, argv[1], bench_number(argv[2]), argv[3]);
	puts("done");
	fflush(stdout);
	char end;
	ssize_t n = read(0, &end, 1);
	(void)n;
	mqtt_stop(&mqtt);
	pool_stop(&pool);
	engine_stop(&engine);
	config_free(&config);
}

static void run_bare(char **argv)
{
	struct dispatch_message like = {.offer = {.size = 262144}, .expiry_s = 10};
	memset(like.offer.alias, 'a', sizeof like.offer.alias - 1);
	memset(like.offer.version, 'v', UUID_SIZE - 1);
	memset(like.offer.md5, 'd', sizeof like.offer.md5 - 1);
	memset(like.offer.sha256, 'e', sizeof like.offer.sha256 - 1);
	memcpy(like.offer.component, "app", sizeof "app");
	push_bare((int)bench_number(argv[0]), argv[1], bench_number(argv[2]), bench_number(argv[3]), &like);
}

int main(int argc, char **argv)
{
	if (argc == 6 && strcmp(argv[1], "engine") == 0) {
		run_engine(argv + 2);
	} else if (argc == 6 && strcmp(argv[1], "bare") == 0) {
		run_bare(argv + 2);
	} else {
		bench_die("usage: bench-push engine CONFIG PREFIX COUNT FIRMWARE | bare PORT PREFIX COUNT WINDOW");
	}
	return 0;
}
