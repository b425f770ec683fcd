#include "fleet/fixes.h"

#include <stddef.h>
#include <stdlib.h>

#include "model/fix.h"

/* A list: there are few, and each question walks them. */
struct fixes {
	struct entry {
		struct fix fix;
		uint16_t generation;
		struct entry *next;
	} * first;
};

struct fixes *fixes_new(void)
{
	return calloc(1, sizeof(struct fixes));
}

static void drop_at(struct entry **at)
{
	struct entry *gone = *at;
	*at = gone->next;
	free(gone);
}

void fixes_free(struct fixes **fp)
{
	struct fixes *f = *fp;
	while (f && f->first) {
		drop_at(&f->first);
	}
	free(f);
	*fp = NULL;
}

bool fixes_match(const struct fixes *f, const char *version, const char *board_name, const char *board_type)
{
	const struct entry *e = f->first;
	while (e && !fix_matches(&e->fix, version, board_name, board_type)) {
		e = e->next;
	}
	return e != NULL;
}

bool fixes_put(struct fixes *f, const struct fix *fix, uint16_t generation)
{
	struct entry *own = f->first;
	while (own && own->fix.id != fix->id) {
		own = own->next;
	}
	if (!own) {
		own = calloc(1, sizeof *own);
		if (!own) {
			return false;
		}
		own->next = f->first;
		f->first = own;
	}
	own->fix = *fix;
	own->generation = generation;
	return true;
}

void fixes_drop(struct fixes *f, int64_t id)
{
	for (struct entry **at = &f->first; *at; at = &(*at)->next) {
		if ((*at)->fix.id == id) {
			drop_at(at);
			return;
		}
	}
}

void fixes_sweep(struct fixes *f, uint16_t generation)
{
	for (struct entry **at = &f->first; *at;) {
		if ((*at)->generation != generation) {
			drop_at(at);
		} else {
			at = &(*at)->next;
		}
	}
}
