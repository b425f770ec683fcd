/* Revocations kept on disk by a thread of its own, so that the broker's thread never waits for a disk. */
#ifndef PLUGIN_JOURNAL_H
#define PLUGIN_JOURNAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/err.h"
#include "plugin/revocations.h"

struct journal;

/* The changes of one request. */
struct journal_page {
	struct journal_page *next; /* the journal's */
	uint64_t ticket;           /* the caller's, told back with the result */
	uint64_t from;
	uint64_t to;
	bool reset; /* forget all that was before */
	bool ok;    /* the result: is it on disk? */
	struct err err;
	size_t count;
	struct revocation_row rows[];
};

/* Reads the file, or makes it, fills kept (which must be empty), and starts the thread. NULL and a sentence: it is not to be trusted, or
 * cannot be written. */
struct journal *journal_open(const char *path, struct revocations *kept, uint64_t *revision, struct err *err);

/* Waits until all that was submitted is written; the results that were not collected are lost. */
void journal_close(struct journal **journal);

/* Takes the page over. Never waits for a disk. */
void journal_submit(struct journal *journal, struct journal_page *page);

/* The next page that is done, in the order of submission, or NULL; the caller frees it. Never waits. */
struct journal_page *journal_collect(struct journal *journal);

#endif
