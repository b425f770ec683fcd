/* A Xiaozhi check without its transport: what reading one body and writing one answer cost, against cJSON.
 *
 * bench-decode REQUEST ROUNDS: the file has a check as it stands in tests/fuzz/corpus/xiaozhi_check. Prints one line a way, "NAME ns N":
 * the median of interleaved slices. service: xiaozhi_check_decode(). cjson: json_parse_object() alone, without taking a single fact out of
 * it. scan: is it UTF-8, the floor under both. answer: xiaozhi_answer_encode() with credentials.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench.h"
#include "common/buf.h"
#include "common/err.h"
#include "common/json.h"
#include "common/text.h"
#include "dialect/xiaozhi_answer.h"
#include "dialect/xiaozhi_check.h"
#include "xiaozhi_request.h"

enum { SLICES = 21, FILE_MAX = 8192 };

struct subject {
	struct xiaozhi_headers headers;
	const char *body;
	size_t len;
};

static void service(const struct subject *s)
{
	struct xiaozhi_check check;
	struct err err;
	if (!xiaozhi_check_decode(&s->headers, s->body, s->len, &check, &err) || !check.told.read) {
		bench_die("the request is not read");
	}
}

static void cjson(const struct subject *s)
{
	struct cJSON *json = json_parse_object(s->body, s->len, NULL);
	if (!json) {
		bench_die("the request is not read");
	}
	json_free(&json);
}

static void scan(const struct subject *s)
{
	if (!text_is_utf8(s->body, s->len)) {
		bench_die("the request is not read");
	}
}

static void answer(const struct subject *s)
{
	static const struct xiaozhi_mqtt mqtt = {.endpoint = "mqtt.xiaozhi.me:1883",
						 .client_id = "GID_test@@@94_a9_90_2c_84_b8@@@e2314aed-0a16-43f0-8128-766fbd3207f2",
						 .username = "eyJpcCI6IjIyMy4xMDQuODIuNzYifQ==",
						 .password = "MDWkGWYWOzFEY+DBZ1TMIF4VX1tUOFJxFRta91wza0c=",
						 .publish_topic = "device-server/94_a9_90_2c_84_b8"};
	static const struct xiaozhi_websocket websocket = {.url = "wss://api.tenclass.net/xiaozhi/v1/", .token = "test-token"};
	static const struct xiaozhi_server_time now = {.timestamp_ms = 1766848942364, .timezone = "Asia/Shanghai", .offset_min = 480};
	struct xiaozhi_firmware echo;
	struct xiaozhi_answer a = {"2.0.4", &mqtt, &websocket, &now, xiaozhi_answer_echo("2.0.4", &echo), NULL};
	char mem[2048];
	struct buf out;
	buf_init_fixed(&out, mem, sizeof mem);
	(void)s;
	if (!xiaozhi_answer_encode(&out, &a, NULL)) {
		bench_die("the answer is refused");
	}
}

static const struct way {
	const char *name;
	void (*run)(const struct subject *s);
} ways[] = {{"service", service}, {"cjson", cjson}, {"scan", scan}, {"answer", answer}};

enum { WAYS = sizeof ways / sizeof *ways };

static int compare(const void *a, const void *b)
{
	double x = *(const double *)a;
	double y = *(const double *)b;
	return (x > y) - (x < y);
}

static size_t read_file(const char *path, char *text)
{
	FILE *file = fopen(path, "rb");
	if (!file) {
		bench_die("cannot open %s", path);
	}
	size_t len = fread(text, 1, FILE_MAX - 1, file);
	fclose(file);
	text[len] = '\0';
	return len;
}

int main(int argc, char **argv)
{
	static double ns[WAYS][SLICES];
	char text[FILE_MAX];
	struct subject s;
	if (argc != 3) {
		bench_die("usage: bench-decode REQUEST ROUNDS");
	}
	size_t len = read_file(argv[1], text);
	long rounds = bench_number(argv[2]);
	s.body = xiaozhi_request_split(text, len, &s.headers, &s.len);
	for (int slice = 0; slice < SLICES; slice++) {
		for (int way = 0; way < WAYS; way++) {
			int64_t began = bench_now();
			for (long i = 0; i < rounds; i++) {
				ways[way].run(&s);
			}
			ns[way][slice] = (double)(bench_now() - began) / (double)rounds;
		}
	}
	for (int way = 0; way < WAYS; way++) {
		qsort(ns[way], SLICES, sizeof **ns, compare);
		printf("%s-ns %.0f\n", ways[way].name, ns[way][SLICES / 2]);
	}
	return 0;
}
