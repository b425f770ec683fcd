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

struct err;

enum {
	XIAOZHI_CHECK_BODY_MAX = 64 * 1024,
	XIAOZHI_CHECK_PARTITIONS = 95, /* what an ESP-IDF partition table holds */
	XIAOZHI_CHECK_LABEL_SIZE = 17,
	XIAOZHI_CHECK_CHIP_SIZE = 33,
	XIAOZHI_CHECK_LANGUAGE_SIZE = 16,
	XIAOZHI_CHECK_SHA256_SIZE = 65,
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

struct xiaozhi_partition {
	char label[XIAOZHI_CHECK_LABEL_SIZE];
	uint8_t type;
	uint8_t subtype;
	uint32_t size; /* bytes */
};

/* Texts are valid UTF-8 without control characters; "" = unknown, numbers: 0 = unknown. */
struct xiaozhi_check {
	char mac[MAC_SIZE];
	char name[XIAOZHI_CHECK_NAME_SIZE]; /* the deviceName: "94_a9_90_2c_84_b8" */
	char client_id[NAME_SIZE];          /* text_is_key(); a UUID in lower case */
	bool client_is_uuid;
	char language[XIAOZHI_CHECK_LANGUAGE_SIZE]; /* the tag that comes first: "zh-CN" */
	bool body_read;                             /* false: only the headers told; board_type is unknown, offer nothing */
	char board_name[NAME_SIZE];                 /* the SKU; without one in the body, User-Agent's */
	char board_type[NAME_SIZE];
	char version[VERSION_SIZE];                 /* as the device spells it: not always dotted */
	char elf_sha256[XIAOZHI_CHECK_SHA256_SIZE]; /* 64 lower-case hex digits */
	char chip[XIAOZHI_CHECK_CHIP_SIZE];
	int64_t flash_size;
	int64_t free_heap;
	char ota_label[XIAOZHI_CHECK_LABEL_SIZE]; /* the partition that runs */
	int slot;                                 /* its number among the app slots, -1 = unknown */
	int activation_version;                   /* 1, 2; 0 = not sent or odd */
	char serial[SERIAL_SIZE];                 /* only with activation version 2 */
	size_t partition_count;                   /* entries that are whole; beyond them partition[] is not written */
	struct xiaozhi_partition partition[XIAOZHI_CHECK_PARTITIONS];
};

/* False: what xiaozhi_answer_error() makes of the kind is the answer; the sentence is for the log. ERR_MISSING: no Device-Id. ERR_INVALID:
 * it is no MAC; or the body is JSON but no object, lacks application.version or board.type, or has another mac_address. ERR_TOO_LARGE. */
bool xiaozhi_check_decode(const struct xiaozhi_headers *headers, const char *body, size_t len, struct xiaozhi_check *out, struct err *err);

/* The partition of that label, or NULL. */
const struct xiaozhi_partition *xiaozhi_check_partition(const struct xiaozhi_check *check, const char *label);

#endif
