/* The list of all that is online, told page by page between events. The broker's thread only.
 *
 * A cursor walks the sessions in the order of their arrival: who comes while it walks stands before it, who goes is told as gone. So pages
 * and events, taken in the order of their numbers, give the truth at any time.
 */
#ifndef PLUGIN_DUMP_H
#define PLUGIN_DUMP_H

#include <stdbool.h>

struct session;
struct sessions;
struct tell;

enum {
	DUMP_ID_SIZE = 65,
	DUMP_CURSORS = 4, /* dumps at once */
	DUMP_PAGE = 1000,
};

struct dump {
	struct dump_cursor {
		bool active;
		bool first;
		const struct session *at; /* the next to tell; NULL = the end */
		char id[DUMP_ID_SIZE];
	} at[DUMP_CURSORS];
};

/* False: too many at once. */
bool dump_start(struct dump *d, const struct sessions *sessions, const char *id);

/* Call before sessions_remove() and after sessions_add(). */
void dump_forget(struct dump *d, const struct session *session);
void dump_added(struct dump *d, const struct session *session);

bool dump_runs(const struct dump *d);

/* Tells some pages. */
void dump_step(struct dump *d, struct tell *tell);

#endif
