#include "xiaozhi_request.h"

#include <string.h>

#include "dialect/xiaozhi_check.h"

static void take_line(char *line, struct xiaozhi_headers *headers)
{
	const struct {
		const char *name;
		const char **value;
	} known[] = {
		{"Device-Id: ", &headers->device_id},         {"Client-Id: ", &headers->client_id},
		{"User-Agent: ", &headers->user_agent},       {"Accept-Language: ", &headers->accept_language},
		{"X-Language: ", &headers->x_language},       {"Activation-Version: ", &headers->activation_version},
		{"Serial-Number: ", &headers->serial_number},
	};
	for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
		size_t len = strlen(known[i].name);
		if (strncmp(line, known[i].name, len) == 0) {
			*known[i].value = line + len;
		}
	}
}

const char *xiaozhi_request_split(char *text, size_t len, struct xiaozhi_headers *headers, size_t *body_len)
{
	char *at = text;
	char *end = text + len;
	*headers = (struct xiaozhi_headers){0};
	while (at < end) {
		char *newline = memchr(at, '\n', (size_t)(end - at));
		char *next = newline ? newline + 1 : end;
		if (newline) {
			*newline = '\0';
		}
		if (newline == at) {
			at = next;
			break;
		}
		take_line(at, headers);
		at = next;
	}
	*body_len = (size_t)(end - at);
	return at;
}
