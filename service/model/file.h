/* A file: firmware with a URL, and the ranked rollout that offers it. What its fields may hold; no I/O. */
#ifndef MODEL_FILE_H
#define MODEL_FILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "model/nouns.h"

struct err;
struct range_list; /* model/range.h */
struct range_row;  /* model/listing.h */

/* Bytes, with which two files offered at once stay below what devices can read of an answer. */
enum {
	FILE_URL_MAX = 256,
	FILE_MD5_MAX = 64,
	FILE_SIZE_MAX = 32,
	FILE_VERSION_MAX = 32,
	FILE_CUSTOMIZE_MAX = 256,
};

struct file {
	struct firmware firmware; /* its id is the file's */
	int64_t rollout_id;
	enum rollout_stage stage;
	char description[DESCRIPTION_SIZE];
	char object[161]; /* the key of an object of ours that the URL names; "" = none (only of what an operator writes) */
	bool imported;    /* what an operator writes comes with the bytes of its URL: firmware's artifact (sealed) and image are theirs */
	int64_t range_count; /* whom it is for; 0 = nobody is named */
};

/* Which members of a file an operator wants changed. */
enum file_field {
	FILE_URL = 1 << 0,
	FILE_MD5 = 1 << 1,
	FILE_SIZE = 1 << 2,
	FILE_VERSION = 1 << 3,
	FILE_NAME = 1 << 4,
	FILE_DESCRIPTION = 1 << 5,
	FILE_CUSTOMIZE = 1 << 6,
	FILE_STAGE = 1 << 7,
	FILE_FORCE = 1 << 8,
	FILE_DOWNGRADE = 1 << 9,
	FILE_RANGES = 1 << 10,
	FILE_ALL_BUT_RANGES = FILE_RANGES - 1,
};
struct file_edit {
	unsigned fields; /* of enum file_field */
	int64_t rev;     /* that it must have; 0 = any */
	struct file to;
	const struct range_list *ranges; /* with FILE_RANGES; they take the place of those that were there */
	struct file_named *named;        /* out: whom it names then; NULL = not asked for */
};

/* The ranges of a file. */
struct file_named {
	struct range_row *rows; /* malloc'd */
	size_t count;
};

/* The size as operators write it ("20kb", "20480") in bytes; 0 = it says none. */
int64_t file_bytes(const char *told);

/* Do md5 (32 hex digits) or size (digits only, unlike above) tell anything that bytes can be held against? */
bool file_proves(const struct firmware *firmware);
/* The size that proves something; -1 = none. */
int64_t file_size(const char *told);
/* Are these the bytes of which that is told? What proves nothing is passed over. ERR_INVALID. */
bool file_matches(const struct firmware *firmware, const struct artifact *bytes, struct err *err);

/* May component, url, md5, size, version and customize be so? url: http or https, printable ASCII. An MD5 is lower-cased. ERR_EMPTY or
 * ERR_INVALID; the sentence begins with the member's name. */
bool file_check(struct file *inout, struct err *err);

/* Takes the edit over. *image: devices would be told another image than before. */
void file_apply(struct file *file, const struct file_edit *edit, bool *image);

#endif
