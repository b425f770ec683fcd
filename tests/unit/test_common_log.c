#include "unit.h"

#include <errno.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/json.h"
#include "common/log.h"

static int saved_stderr;
static FILE *captured;
static char text[1 << 20];

static void capture(void)
{
	fflush(stderr);
	captured = tmpfile();
	assert_non_null(captured);
	saved_stderr = dup(STDERR_FILENO);
	assert_true(dup2(fileno(captured), STDERR_FILENO) >= 0);
}

/* What was logged since capture(). */
static const char *release(void)
{
	dup2(saved_stderr, STDERR_FILENO);
	close(saved_stderr);
	rewind(captured);
	size_t n = fread(text, 1, sizeof text - 1, captured);
	text[n] = '\0';
	fclose(captured);
	return text;
}

static void logfmt_is_one_line_with_typed_fields(void **state)
{
	(void)state;
	log_setup(LOG_LEVEL_INFO, LOG_FORMAT_LOGFMT);
	capture();
	log_info("push", LOG_S("device", "esp-1"), LOG_U("task", UINT64_MAX), LOG_I("code", -5));
	const char *line = release();
	assert_memory_equal(line, "ts=20", 5);
	assert_string_equal(line + strlen("ts=2026-11-21T14:00:00.123Z"),
			    " level=info msg=push device=esp-1 task=18446744073709551615 code=-5\n");
}

static void a_message_without_fields_is_allowed(void **state)
{
	(void)state;
	log_setup(LOG_LEVEL_INFO, LOG_FORMAT_LOGFMT);
	capture();
	log_error("broker lost");
	log_write(LOG_LEVEL_WARN, "x", NULL);
	const char *lines = release();
	assert_non_null(strstr(lines, " level=error msg=\"broker lost\"\n"));
	assert_non_null(strstr(lines, " level=warn msg=x\n"));
}

static void logfmt_quotes_what_would_break_the_line(void **state)
{
	(void)state;
	static const char *const rows[][2] = {
		{"plain-1.2/x", "v=plain-1.2/x\n"},
		{"", "v=\n"},
		{"a b", "v=\"a b\"\n"},
		{"a=b", "v=\"a=b\"\n"},
		{"a\"b", "v=\"a\\\"b\"\n"},
		{"a\nb", "v=\"a\\nb\"\n"},
		{"\x1b[31m", "v=\"\\u001b[31m\"\n"},
		{"\x7f", "v=\"\\u007f\"\n"},
		{"\xc2\x9b", "v=\"\\u009b\"\n"},
		{"\xff", "v=\"\xef\xbf\xbd\"\n"},
		{"\xe4\xb8\xad", "v=\"\xe4\xb8\xad\"\n"},
		{"a\\b", "v=\"a\\\\b\"\n"},
	};
	log_setup(LOG_LEVEL_INFO, LOG_FORMAT_LOGFMT);
	for (size_t i = 0; i < COUNT(rows); i++) {
		capture();
		log_info("m", LOG_S("v", rows[i][0]));
		const char *line = release();
		const char *field = strstr(line, " v=");
		assert_non_null(field);
		assert_string_equal(field + 1, rows[i][1]);
	}
	capture();
	log_info("m", LOG_S("v", NULL));
	assert_non_null(strstr(release(), " v=\n"));
}

static void json_lines_are_json(void **state)
{
	(void)state;
	log_setup(LOG_LEVEL_INFO, LOG_FORMAT_JSON);
	capture();
	log_warn("a \"b\"\n",
		 LOG_S("v", "\x1b\xff"
			    "x=y"),
		 LOG_I("n", -7), LOG_S("none", NULL));
	const char *line = release();
	assert_int_equal(line[strlen(line) - 1], '\n');
	struct cJSON *json = json_parse_object(line, strlen(line), NULL);
	assert_non_null(json);
	char value[64];
	assert_true(json_text(json, "level", true, value, sizeof value, NULL));
	assert_string_equal(value, "warn");
	int64_t n = 0;
	assert_true(json_int(json, "n", true, -10, 10, &n, NULL));
	assert_int_equal(n, -7);
	assert_true(json_has(json, "none"));
	assert_true(json_has(json, "ts"));
	json_free(&json);
	assert_non_null(strstr(line, "\"v\":\"\\u001b\xef\xbf\xbdx=y\""));
}

static void lower_levels_are_silent(void **state)
{
	(void)state;
	log_setup(LOG_LEVEL_WARN, LOG_FORMAT_LOGFMT);
	capture();
	log_debug("debug");
	log_info("info");
	log_warn("warn");
	log_error("error");
	const char *lines = release();
	assert_null(strstr(lines, "msg=debug"));
	assert_null(strstr(lines, "msg=info"));
	assert_non_null(strstr(lines, "msg=warn"));
	assert_non_null(strstr(lines, "msg=error"));
	assert_false(log_enabled(LOG_LEVEL_INFO));
	assert_true(log_enabled(LOG_LEVEL_WARN));
}

static void long_values_are_cut_and_the_line_stays_whole(void **state)
{
	(void)state;
	static char big[5000];
	memset(big, 'x', sizeof big - 1);
	for (int format = 0; format < 2; format++) {
		log_setup(LOG_LEVEL_INFO, (enum log_format)format);
		capture();
		log_info("m", LOG_S("a", big), LOG_S("b", big), LOG_S("c", big), LOG_S("d", big), LOG_S("e", big), LOG_U("last", 9));
		const char *line = release();
		size_t len = strlen(line);
		assert_in_range(len, 3000, 4096);
		assert_ptr_equal(strchr(line, '\n'), line + len - 1);
		assert_null(strstr(line, format == 0 ? " e=" : "\"e\""));
		assert_non_null(strstr(line, format == 0 ? " last=9 cut=1\n" : "\"last\":9,\"cut\":1}\n"));
	}
	capture();
	log_info(big);
	assert_int_equal(release()[0], '{');
	assert_int_equal(text[strlen(text) - 2], '}');
}

static void errno_survives(void **state)
{
	(void)state;
	log_setup(LOG_LEVEL_INFO, LOG_FORMAT_LOGFMT);
	capture();
	close(STDERR_FILENO); /* nowhere to write */
	errno = ENOSPC;
	log_error("x");
	int after = errno;
	release();
	assert_int_equal(after, ENOSPC);
}

static void *log_many(void *name)
{
	for (int i = 0; i < 200; i++) {
		log_info("thread", LOG_S("name", name), LOG_I("i", i));
	}
	return NULL;
}

static void lines_of_threads_do_not_mix(void **state)
{
	(void)state;
	static char names[][2] = {"a", "b", "c", "d"};
	pthread_t threads[4];
	log_setup(LOG_LEVEL_INFO, LOG_FORMAT_LOGFMT);
	capture();
	for (size_t i = 0; i < 4; i++) {
		assert_int_equal(pthread_create(&threads[i], NULL, log_many, names[i]), 0);
	}
	for (size_t i = 0; i < 4; i++) {
		pthread_join(threads[i], NULL);
	}
	release();
	size_t lines = 0;
	char *rest = text;
	for (char *line; (line = strsep(&rest, "\n")) != NULL && *line != '\0'; lines++) {
		static const char middle[] = " level=info msg=thread name=";
		const char *behind = line + 27 + sizeof middle; /* the time, the middle, one letter */
		assert_memory_equal(line, "ts=20", 5);
		assert_memory_equal(line + 27, middle, sizeof middle - 1);
		assert_int_equal(strspn(behind - 1, "abcd"), 1);
		assert_int_equal(strspn(behind, " i=0123456789"), strlen(behind));
	}
	assert_int_equal(lines, 800);
}

static void names_of_levels_and_formats_are_parsed(void **state)
{
	(void)state;
	enum log_level level = LOG_LEVEL_DEBUG;
	enum log_format format = LOG_FORMAT_LOGFMT;
	assert_true(log_level_parse("error", &level));
	assert_int_equal(level, LOG_LEVEL_ERROR);
	assert_true(log_level_parse("debug", &level));
	assert_int_equal(level, LOG_LEVEL_DEBUG);
	assert_false(log_level_parse("Error", &level));
	assert_false(log_level_parse("", &level));
	assert_true(log_format_parse("json", &format));
	assert_int_equal(format, LOG_FORMAT_JSON);
	assert_false(log_format_parse("xml", &format));
	assert_int_equal(format, LOG_FORMAT_JSON);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(logfmt_is_one_line_with_typed_fields),
		cmocka_unit_test(a_message_without_fields_is_allowed),
		cmocka_unit_test(logfmt_quotes_what_would_break_the_line),
		cmocka_unit_test(json_lines_are_json),
		cmocka_unit_test(lower_levels_are_silent),
		cmocka_unit_test(long_values_are_cut_and_the_line_stays_whole),
		cmocka_unit_test(errno_survives),
		cmocka_unit_test(lines_of_threads_do_not_mix),
		cmocka_unit_test(names_of_levels_and_formats_are_parsed),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
