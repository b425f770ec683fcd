/* What a device tells of itself when it starts, beyond its version: what board it is, what build it runs, how its flash is divided.
 *
 * Texts are valid UTF-8 without control characters, "" = not told; numbers: 0 = not told. Source: protocols/xiaozhi.md 2.
 */
#ifndef MODEL_TOLD_H
#define MODEL_TOLD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "model/nouns.h"

enum {
	TOLD_PARTITIONS = 95, /* what an ESP-IDF partition table holds */
	TOLD_LABEL_SIZE = 17,
	TOLD_CHIP_SIZE = 33,
	TOLD_LANGUAGE_SIZE = 16,
};

/* An ESP-IDF partition: app slots are of type 0 and of the subtypes 16 (ota_0) and up; 0, 0 = factory. */
struct told_partition {
	char label[TOLD_LABEL_SIZE];
	uint8_t type;
	uint8_t subtype;
	uint32_t size; /* bytes */
};

struct told {
	bool read; /* false: the body was no JSON and only the headers told something: what board it is is not sure, nothing is offered */
	bool has_elf;
	uint8_t elf_sha256[32];     /* of the build that runs */
	char board_name[NAME_SIZE]; /* the SKU */
	char board_type[NAME_SIZE];
	char chip[TOLD_CHIP_SIZE];         /* "esp32s3" */
	char slot[TOLD_LABEL_SIZE];        /* the partition that runs: "ota_0" */
	char client_uuid[NAME_SIZE];       /* Client-Id */
	char language[TOLD_LANGUAGE_SIZE]; /* "zh-CN" */
	int64_t flash_size;                /* bytes */
	size_t partition_count;            /* beyond it partitions[] is not written */
	struct told_partition partitions[TOLD_PARTITIONS];
};

/* The same for the same facts in every process, otherwise (but for one in 2^64) another; never 0. */
uint64_t told_fingerprint(const struct told *told);

struct buf;
/* The partition table as text, a line each: type, subtype, size and label; and back (what is no such line ends it). */
void told_print_partitions(const struct told *told, struct buf *out);
void told_parse_partitions(struct told *told, const char *text);

/* A copy to keep (freed by free()) that takes no more memory than the partitions that there are; so it must not be assigned to another.
 * NULL: out of memory. */
struct told *told_keep(const struct told *told);

/* *to becomes the same; partitions that there are not stay unwritten. */
void told_copy(struct told *to, const struct told *from);

/* The partition of that label, or NULL. */
const struct told_partition *told_find(const struct told *told, const char *label);

/* A Client-Id as the 64 bits by which this process knows it: never 0, but for "". */
uint64_t told_pin(const char *client_uuid);

#endif
