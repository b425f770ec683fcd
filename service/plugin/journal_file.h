/* The file of the revocations: text, appended to, rewritten when it has grown.
 *
 *   otad-revocations 1
 *   <device> <lowest good epoch> <0|1 blocked>
 *   = <revision>          closes a page: only what stands above such a line counts
 *
 * What a crash can leave is an unfinished page at the end, which is cut off. Anything else that cannot be read is an error: a broker that
 * has lost its revocations must not start. One thread at a time.
 */
#ifndef PLUGIN_JOURNAL_FILE_H
#define PLUGIN_JOURNAL_FILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct err;
struct revocation_row;
struct revocations;

struct journal_file {
	char *path;
	int fd;         /* -1 = not open */
	uint64_t lines; /* that stand in it */
	bool broken;    /* a write failed: the next one must write it anew */
};

/* Reads the file into kept, which must be empty, and opens it for appending; makes an empty one if there is none. */
bool journal_file_open(struct journal_file *file, const char *path, struct revocations *kept, uint64_t *revision, struct err *err);
void journal_file_close(struct journal_file *file);

/* Text of a page, for journal_file_append(): rows and the line that closes them. */
struct buf;
void journal_file_page(struct buf *out, const struct revocation_row *rows, size_t count, uint64_t revision);

/* On disk when it returns true. kept: what the file holds afterwards; the file is written anew when it has more than twice the lines that
 * takes, or after a failure. */
bool journal_file_append(struct journal_file *file, struct buf *pages, const struct revocations *kept, uint64_t revision, struct err *err);

/* Writes it anew: a temporary file beside it, renamed. */
bool journal_file_rewrite(struct journal_file *file, const struct revocations *kept, uint64_t revision, struct err *err);

#endif
