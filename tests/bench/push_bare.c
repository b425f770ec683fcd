#include "push.h"

#include <MQTTAsync.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#include "bench.h"
#include "common/buf.h"
#include "common/topic.h"
#include "dialect/oc.h"
#include "engine/dispatch.h"
#include "engine/message.h"

static sem_t connected, window, done;
static atomic_long unacknowledged;

static void on_connected(void *ctx, MQTTAsync_successData5 *data)
{
	(void)ctx;
	(void)data;
	sem_post(&connected);
}

static void on_acknowledged(void *ctx, MQTTAsync_successData5 *data)
{
	(void)ctx;
	(void)data;
	sem_post(&window);
	if (atomic_fetch_sub(&unacknowledged, 1) == 1) {
		sem_post(&done);
	}
}

static void on_failed(void *ctx, MQTTAsync_failureData5 *data)
{
	(void)ctx;
	bench_die("Paho: failure %d, reason %d", data->code, (int)data->reasonCode);
}

static MQTTAsync open_client(int port, long in_flight)
{
	char uri[64];
	snprintf(uri, sizeof uri, "tcp://127.0.0.1:%d", port);
	MQTTAsync client;
	MQTTAsync_createOptions create = MQTTAsync_createOptions_initializer5;
	create.maxBufferedMessages = (int)in_flight * 2 + 64;
	if (MQTTAsync_createWithOptions(&client, uri, "bench-bare", MQTTCLIENT_PERSISTENCE_NONE, NULL, &create) != MQTTASYNC_SUCCESS) {
		bench_die("Paho: no client");
	}
	MQTTAsync_connectOptions options = MQTTAsync_connectOptions_initializer5;
	options.cleanstart = 1;
	options.onSuccess5 = on_connected;
	options.onFailure5 = on_failed;
	if (MQTTAsync_connect(client, &options) != MQTTASYNC_SUCCESS) {
		bench_die("Paho: no connection");
	}
	sem_wait(&connected);
	return client;
}

static void send_one(MQTTAsync client, struct dispatch_message *message, const char *prefix, long i)
{
	char topic[TOPIC_SIZE];
	char mem[2048];
	struct buf payload;
	buf_init_fixed(&payload, mem, sizeof mem);
	snprintf(message->device, sizeof message->device, "%s%ld", prefix, i + 1);
	message->offer.task_id = 1000000 + i;
	oc_messages.push(message, "http://127.0.0.1:8080", topic, &payload);
	MQTTProperty expiry = {.identifier = MQTTPROPERTY_CODE_MESSAGE_EXPIRY_INTERVAL, .value.integer4 = 10};
	MQTTAsync_message m = MQTTAsync_message_initializer;
	m.payload = payload.data;
	m.payloadlen = (int)payload.len;
	m.qos = 1;
	m.properties = (MQTTProperties){.count = 1, .max_count = 1, .length = 5, .array = &expiry};
	MQTTAsync_responseOptions response = MQTTAsync_responseOptions_initializer;
	response.onSuccess5 = on_acknowledged;
	response.onFailure5 = on_failed;
	sem_wait(&window);
	int rc = MQTTAsync_sendMessage(client, topic, &m, &response);
	if (rc != MQTTASYNC_SUCCESS) {
		bench_die("Paho: %d at message %ld", rc, i);
	}
}

void push_bare(int port, const char *prefix, long count, long in_flight, struct dispatch_message *like)
{
	sem_init(&connected, 0, 0);
	sem_init(&window, 0, (unsigned)in_flight);
	sem_init(&done, 0, 0);
	atomic_store(&unacknowledged, count);
	MQTTAsync client = open_client(port, in_flight);
	printf("begin %lld\n", (long long)bench_now());
	fflush(stdout);
	for (long i = 0; i < count; i++) {
		send_one(client, like, prefix, i);
	}
	sem_wait(&done);
	puts("done");
	fflush(stdout);
	MQTTAsync_destroy(&client);
}
