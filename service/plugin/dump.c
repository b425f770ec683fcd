#include "plugin/dump.h"

#include <stddef.h>

#include "common/buf.h"
#include "common/text.h"
#include "plugin/sessions.h"
#include "plugin/tell.h"

enum { PAGES_AT_ONCE = 4 };

bool dump_start(struct dump *d, const struct sessions *sessions, const char *id)
{
	for (int i = 0; i < DUMP_CURSORS; i++) {
		struct dump_cursor *c = &d->at[i];
		if (!c->active) {
			*c = (struct dump_cursor){.active = true, .first = true, .at = sessions->oldest};
			text_copy(c->id, sizeof c->id, id);
			return true;
		}
	}
	return false;
}

void dump_forget(struct dump *d, const struct session *session)
{
	for (int i = 0; i < DUMP_CURSORS; i++) {
		if (d->at[i].at == session) {
			d->at[i].at = session->newer;
		}
	}
}

void dump_added(struct dump *d, const struct session *session)
{
	for (int i = 0; i < DUMP_CURSORS; i++) {
		if (d->at[i].active && !d->at[i].at) {
			d->at[i].at = session;
		}
	}
}

static void send_page(struct dump_cursor *c, struct tell *tell)
{
	struct buf names;
	struct buf out;
	buf_init(&names, (size_t)DUMP_PAGE * (DUMP_ID_SIZE + 4));
	int listed = 0;
	for (; c->at && listed < DUMP_PAGE; c->at = c->at->newer) {
		if (*c->at->device) {
			buf_puts(&names, listed++ > 0 ? ",\"" : "\"");
			buf_puts(&names, c->at->device);
			buf_putc(&names, '"');
		}
	}
	tell_begin(tell, &out);
	buf_puts(&out, "\"dump\":");
	buf_put_json(&out, c->id);
	buf_puts(&out, c->first ? ",\"first\":true" : ",\"first\":false");
	buf_puts(&out, c->at ? ",\"last\":false" : ",\"last\":true");
	buf_puts(&out, ",\"online\":[");
	buf_put(&out, names.data, names.len);
	buf_putc(&out, ']');
	out.failed |= names.failed;
	buf_free(&names);
	tell_send(&out);
	c->first = false;
	c->active = c->at != NULL;
}

bool dump_runs(const struct dump *d)
{
	for (int i = 0; i < DUMP_CURSORS; i++) {
		if (d->at[i].active) {
			return true;
		}
	}
	return false;
}

void dump_step(struct dump *d, struct tell *tell)
{
	for (int i = 0; i < DUMP_CURSORS; i++) {
		for (int page = 0; page < PAGES_AT_ONCE && d->at[i].active; page++) {
			send_page(&d->at[i], tell);
		}
	}
}
