/* Log lines: what a peer sent must not make a second line. Three values, one a line. */
#include <cjson/cJSON.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "common/log.h"
#include "common/scoped.h"
#include "common/text.h"
#include "fuzz.h"

enum { LINE_MAX_LEN = 4096, FIELDS = 3, VALUE_MAX = 1024 };

static int captured = -1; /* a file in memory */
static int terminal = -1; /* the real standard error */

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	(void)argc;
	(void)argv;
	captured = memfd_create("log", MFD_CLOEXEC);
	terminal = dup(STDERR_FILENO);
	CHECK(captured >= 0 && terminal >= 0);
	return 0;
}

static size_t capture(enum log_format format, const struct log_field *fields, char line[LINE_MAX_LEN + 1])
{
	CHECK(ftruncate(captured, 0) == 0 && lseek(captured, 0, SEEK_SET) == 0);
	log_setup(LOG_LEVEL_DEBUG, format);
	dup2(captured, STDERR_FILENO);
	log_write(LOG_LEVEL_INFO, "message", fields);
	dup2(terminal, STDERR_FILENO);
	ssize_t len = pread(captured, line, LINE_MAX_LEN + 1, 0);
	CHECK(len > 0 && len <= LINE_MAX_LEN && line[len - 1] == '\n');
	line[len - 1] = '\0';
	CHECK(text_is_printable(line, (size_t)len - 1)); /* so there is no second line */
	return (size_t)len - 1;
}

static void check_json(const char *line, size_t len, const struct log_field *fields)
{
	CHECK(text_is_utf8(line, len));
	const char *end = NULL;
	cJSON *json = cJSON_ParseWithLengthOpts(line, len, &end, false);
	CHECK(cJSON_IsObject(json) && end == line + len);
	CHECK(cJSON_IsString(cJSON_GetObjectItem(json, "ts")) && cJSON_IsString(cJSON_GetObjectItem(json, "level")));
	for (const struct log_field *f = fields; f->key; f++) {
		const cJSON *member = cJSON_GetObjectItem(json, f->key);
		size_t n = strlen(f->v.s);
		CHECK(member || cJSON_GetObjectItem(json, "cut"));
		CHECK(!member || !text_is_utf8(f->v.s, n) || n > VALUE_MAX || strcmp(member->valuestring, f->v.s) == 0);
	}
	cJSON_Delete(json);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const char *const keys[FIELDS] = {"device", "fileName", "error"};
	struct fuzz_input in = {data, size};
	char *values[FIELDS];
	struct log_field fields[FIELDS + 1] = {{.key = NULL}};
	for (int i = 0; i < FIELDS; i++) {
		values[i] = fuzz_line(&in);
		fields[i] = LOG_S(keys[i], values[i]);
	}
	char line[LINE_MAX_LEN + 1];
	capture(LOG_FORMAT_LOGFMT, fields, line);
	size_t len = capture(LOG_FORMAT_JSON, fields, line);
	check_json(line, len, fields);
	for (int i = 0; i < FIELDS; i++) {
		free(values[i]);
	}
	return 0;
}
