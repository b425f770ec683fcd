/* Which devices a file is for: an exact identifier ("C89346404AB2", "DEF1LUK"), a range of MAC addresses ("C89346000000~C89346FFFFFF"), or
 * all that begin so ("C89346*"). Compared without the separators `: - .` and blanks, in upper case. Pure.
 */
#ifndef MODEL_RANGE_H
#define MODEL_RANGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "model/mac.h"

struct err;

enum {
	RANGE_ID_SIZE = 65,                      /* an identifier, normalised */
	RANGE_SAID_MAX = 128,                    /* an entry, as it is written */
	RANGE_TEXT_SIZE = RANGE_ID_SIZE + 1 + 1, /* an entry, normalised */
	RANGES_MAX = 100000,                     /* entries of one list */
};

enum range_kind { RANGE_EXACT, RANGE_PREFIX, RANGE_MACS };

/* "exact", "prefix", "range". */
const char *range_kind_name(enum range_kind kind);

struct range {
	enum range_kind kind;
	char head[RANGE_ID_SIZE]; /* EXACT, PREFIX: what is compared. MACS: what all of them begin with; may be "" */
	char first[MAC_SIZE];     /* MACS: 12 digits, first <= last */
	char last[MAC_SIZE];
	const char *said; /* as it was written, said_len bytes of the text that was parsed; NULL = as range_text() says */
	size_t said_len;
};

/* One entry. ERR_EMPTY: nothing in it. ERR_INVALID: reversed, ends that are no 12 hex digits, a `*` that is not at the end, a character
 * that no identifier has. ERR_TOO_LARGE: longer than RANGE_SAID_MAX, or than an identifier can be. The sentence names the entry. */
bool range_parse(const char *text, size_t len, struct range *out, struct err *err);

/* Of what stands in a row already. False: it is none. */
bool range_make(const char *kind, const char *head, const char *first, const char *last, struct range *out);

/* The entry, normalised: "C89346*". */
void range_text(const struct range *range, char out[RANGE_TEXT_SIZE]);

/* A device's identifier as ranges compare it, and its length. 0 (and ""): none that a range could name. */
size_t range_normalise(const char *identifier, char out[RANGE_ID_SIZE]);

/* 12 upper-case hex digits as a number; false: it is another text. */
bool range_mac(const char *normalised, uint64_t *out);

/* Is it among them? `normalised` as above. */
bool range_names(const struct range *range, const char *normalised);

/* Entries in their order. Zeroed it is empty. */
struct range_list {
	struct range *rows;
	size_t count;
	size_t room;
};
void range_list_free(struct range_list *list);

/* Appends an entry, whose text must outlive the list. The sentence begins with the number of the entry. ERR_TOO_LARGE also: there are
 * RANGES_MAX. */
bool range_list_add(struct range_list *list, const char *text, size_t len, struct err *err);
/* Appends each of "A,B~C,D*". Nothing but blanks: none. ERR_EMPTY: nothing between two commas. */
bool range_list_parse(struct range_list *list, const char *text, size_t len, struct err *err);

/* Entries one after the other, as often as they are wanted: from a list, from a file. */
struct range_source {
	void (*rewind)(void *ctx);
	bool (*next)(void *ctx, struct range *out); /* false: that was all */
	void *ctx;
};

#endif
