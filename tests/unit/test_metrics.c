#include "unit.h"

#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/buf.h"
#include "metrics/metrics.h"

static char *print(void)
{
	struct buf b;
	buf_init(&b, 1 << 20);
	metrics_print(&b);
	assert_true(buf_ok(&b));
	char *text = strdup(buf_cstr(&b));
	buf_free(&b);
	assert_non_null(text);
	return text;
}

static void counters_add_and_gauges_are_set(void **state)
{
	(void)state;
	int64_t before = metrics_get(METRIC_UPLOADS);
	metrics_add(METRIC_UPLOADS, 2);
	metrics_add(METRIC_UPLOADS, 3);
	assert_int_equal(metrics_get(METRIC_UPLOADS), before + 5);
	metrics_set(METRIC_DEVICES, 7);
	metrics_set(METRIC_DEVICES, 4);
	metrics_add(METRIC_DEVICES, -1);
	assert_int_equal(metrics_get(METRIC_DEVICES), 3);
}

static void values_appear_under_name_and_labels(void **state)
{
	(void)state;
	metrics_set(METRIC_POLLS_TELLING, 41);
	metrics_set(METRIC_MQTT_CONNECTED, 1);
	metrics_set(METRIC_FEED_POSITION, INT64_MAX);
	char *text = print();
	assert_non_null(strstr(text, "\notad_polls_total{kind=\"telling\"} 41\n"));
	assert_non_null(strstr(text, "\notad_mqtt_connected 1\n"));
	assert_non_null(strstr(text, "\notad_feed_position 9223372036854775807\n"));
	assert_non_null(strstr(text, "\n# TYPE otad_mqtt_connected gauge\n"));
	assert_non_null(strstr(text, "\n# TYPE otad_polls_total counter\n"));
	free(text);
}

static size_t occurrences(const char *text, const char *what)
{
	size_t n = 0;
	for (const char *at = text; (at = strstr(at, what)) != NULL; at++) {
		n++;
	}
	return n;
}

/* What a scraper refuses: a family announced twice, a help with a line break, a sample before its TYPE. */
static void every_family_is_announced_once_before_its_samples(void **state)
{
	(void)state;
	static const char *const names[] = {
#define X(symbol, type, name, labels, help) name,
		METRICS_TABLE(X)
#undef X
	};
	char *text = print();
	size_t samples = 0;
	for (size_t i = 0; i < COUNT(names); i++) {
		char line[128];
		snprintf(line, sizeof line, "# TYPE %s ", names[i]);
		assert_int_equal(occurrences(text, line), 1);
		snprintf(line, sizeof line, "# HELP %s ", names[i]);
		assert_int_equal(occurrences(text, line), 1);
	}
	char *rest = text;
	for (char *line; (line = strsep(&rest, "\n")) != NULL && *line != '\0';) {
		if (line[0] != '#') {
			samples++;
			assert_non_null(strrchr(line, ' '));
			assert_memory_equal(line, "otad_", 5);
		} else {
			assert_true(strncmp(line, "# HELP otad_", 12) == 0 || strncmp(line, "# TYPE otad_", 12) == 0);
			assert_true(strlen(line) > 20);
		}
	}
	assert_int_equal(samples, METRIC_COUNT);
	free(text);
}

static void counter_names_end_in_total(void **state)
{
	(void)state;
	enum { COUNTER, GAUGE };
	static const struct {
		int type;
		const char *name;
	} rows[] = {
#define X(symbol, type, name, labels, help) {type, name},
		METRICS_TABLE(X)
#undef X
	};
	for (size_t i = 0; i < COUNT(rows); i++) {
		size_t len = strlen(rows[i].name);
		bool total = len > 6 && strcmp(rows[i].name + len - 6, "_total") == 0;
		assert_int_equal(total, rows[i].type == COUNTER);
	}
}

static void *add_many(void *unused)
{
	for (int i = 0; i < 20000; i++) {
		metrics_add(METRIC_COMMITS, 1);
	}
	return unused;
}

static void no_count_is_lost_between_threads(void **state)
{
	(void)state;
	int64_t before = metrics_get(METRIC_COMMITS);
	pthread_t threads[4];
	for (size_t i = 0; i < COUNT(threads); i++) {
		assert_int_equal(pthread_create(&threads[i], NULL, add_many, NULL), 0);
	}
	for (size_t i = 0; i < COUNT(threads); i++) {
		pthread_join(threads[i], NULL);
	}
	assert_int_equal(metrics_get(METRIC_COMMITS), before + 80000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(counters_add_and_gauges_are_set),
		cmocka_unit_test(values_appear_under_name_and_labels),
		cmocka_unit_test(every_family_is_announced_once_before_its_samples),
		cmocka_unit_test(counter_names_end_in_total),
		cmocka_unit_test(no_count_is_lost_between_threads),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
