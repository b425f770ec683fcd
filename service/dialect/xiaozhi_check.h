/* A Xiaozhi device's check, read: headers and body -> one plain struct of facts (xiaozhi.md 2). Pure, nothing allocated.
 *
 * Only Device-Id may be demanded: old firmware sends little else. A body that no JSON reader takes is no error, for the firmware puts the
 * Wi-Fi's name into it unescaped: such a device is known by its headers. JSON that is whole must say what the device runs on what board.
 */
#ifndef DIALECT_XIAOZHI_CHECK_H
#define DIALECT_XIAOZHI_CHECK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "model/licence.h"
#include "model/mac.h"
#include "model/nouns.h"
#include "model/told.h"

struct err;

enum {
	XIAOZHI_CHECK_BODY_MAX = 64 * 1024,
	XIAOZHI_CHECK_NAME_SIZE = 18,
};

/* The headers' values; NULL = not sent. */
struct xiaozhi_headers {
	const char *device_id;
	const char *client_id;
	const char *user_agent;
	const char *accept_language;
	const char *x_language;
	const char *activation_version;
	const char *serial_number;
};

/* Texts are valid UTF-8 without control characters; "" = unknown, numbers: 0 = unknown. */
struct xiaozhi_check {
	char mac[MAC_SIZE];
	char name[XIAOZHI_CHECK_NAME_SIZE]; /* the deviceName: "94_a9_90_2c_84_b8" */
	bool client_is_uuid;                /* told.client_uuid is text_is_key(), a UUID in lower case */
	char version[VERSION_SIZE];         /* as the device spells it: not always dotted */
	int64_t free_heap;
	int slot;                 /* the number of the app slot that runs, -1 = unknown */
	int activation_version;   /* 1, 2; 0 = not sent or odd */
	char serial[SERIAL_SIZE]; /* only with activation version 2 */
	/* without board_name in the body, User-Agent's; language: the tag that comes first. Last, for most of its partitions stay unwritten
	 */
	struct told told;
};

/* False: what xiaozhi_answer_error() makes of the kind is the answer; the sentence is for the log. ERR_MISSING: no Device-Id. ERR_INVALID:
 * it is no MAC; or the body is JSON but no object, lacks application.version or board.type, or has another mac_address. ERR_TOO_LARGE. */
bool xiaozhi_check_decode(const struct xiaozhi_headers *headers, const char *body, size_t len, struct xiaozhi_check *out, struct err *err);

#endif
