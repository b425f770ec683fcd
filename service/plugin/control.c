#include "plugin/control.h"

#include <cjson/cJSON.h>
#include <stdlib.h>
#include <string.h>

#include "common/buf.h"
#include "common/err.h"
#include "common/json.h"
#include "common/scoped.h"
#include "common/text.h"
#include "plugin/access.h"
#include "plugin/broker.h"
#include "plugin/control_page.h"
#include "plugin/journal.h"
#include "plugin/plugin.h"

#define REPLY "otad/v1/reply/"

enum {
	REQUEST_MAX = 128 * 1024,
	REPLY_MAX = 4096,
};

/* Who asked, and by which id. */
struct asker {
	const char *client_id;
	const char *id;
};

/* --- answers --- */

static void begin(const struct asker *asker, bool ok, struct buf *out)
{
	buf_init(out, REPLY_MAX);
	buf_puts(out, "{\"id\":");
	buf_put_json(out, asker->id);
	buf_puts(out, ok ? ",\"ok\":true" : ",\"ok\":false");
}

static void put_number(struct buf *out, const char *key, uint64_t value)
{
	buf_putf(out, ",\"%s\":", key);
	buf_put_u64(out, value);
}

static void end(const struct asker *asker, struct buf *out)
{
	char topic[sizeof REPLY + CREDENTIAL_CLIENT_ID_SIZE];
	struct buf name;
	buf_init_fixed(&name, topic, sizeof topic);
	buf_puts(&name, REPLY);
	buf_puts(&name, asker->client_id);
	buf_putc(out, '}');
	tell_publish(buf_cstr(&name), out);
}

static void refuse(const struct asker *asker, const char *sentence)
{
	struct buf out;
	begin(asker, false, &out);
	buf_puts(&out, ",\"error\":");
	buf_put_json(&out, sentence);
	end(asker, &out);
}

static void refuse_gap(const struct plugin *p, const struct asker *asker)
{
	struct buf out;
	begin(asker, false, &out);
	buf_puts(&out, ",\"error\":\"gap\"");
	put_number(&out, "revision", p->control.durable);
	end(asker, &out);
}

/* --- status, dump --- */

static void answer_status(const struct plugin *p, const struct asker *asker)
{
	struct buf out;
	begin(asker, true, &out);
	buf_puts(&out, ",\"boot\":");
	buf_put_json(&out, p->tell.boot);
	put_number(&out, "seq", p->tell.seq);
	put_number(&out, "revision", p->control.durable);
	put_number(&out, "entries", revocations_count(&p->revocations));
	end(asker, &out);
}

static void answer_dump(struct plugin *p, const struct asker *asker)
{
	if (!dump_start(&p->dump, &p->sessions, asker->id)) {
		refuse(asker, "too many dumps at once; ask again");
		return;
	}
	struct buf out;
	begin(asker, true, &out);
	end(asker, &out);
}

/* --- revoke --- */

static bool apply(struct revocations *r, const struct journal_page *page)
{
	if (!page->reset) {
		return revocations_apply(r, page->rows, page->count);
	}
	struct revocations fresh = {0};
	bool ok = revocations_apply(&fresh, page->rows, page->count);
	if (ok) {
		revocations_clear(r);
		*r = fresh;
	} else {
		revocations_clear(&fresh);
	}
	return ok;
}

/* The dead connections of the page's devices. Each is looked up again before its kick, since a kick ends sessions. By client id: user names
 * are shared behind a NAT. */
static uint64_t kick(struct plugin *p, const struct journal_page *page)
{
	uint64_t kicked = 0;
	p->kicking = true;
	for (size_t i = 0; i < page->count; i++) {
		const char *device = page->rows[i].device;
		struct session *session = sessions_of(&p->sessions, device);
		while (session) {
			struct session *next = sessions_next_of(session);
			const char *client_id = mosquitto_client_id(session->client);
			if (client_id && revocations_refuses(&p->revocations, device, session->epoch)) {
				kicked += mosquitto_kick_client_by_clientid(client_id, false) == MOSQ_ERR_SUCCESS;
			}
			session = next;
		}
	}
	p->kicking = false;
	return kicked;
}

static bool is_next(const struct plugin *p, const struct journal_page *page)
{
	uint64_t revision = p->control.revision;
	return page->reset || (page->from <= revision && revision < page->to);
}

static void wait_for_disk(struct plugin *p, const struct asker *asker, struct journal_page *page, uint64_t kicked)
{
	struct control_waiting *w = &p->control.waiting[p->control.next % CONTROL_WAITING];
	text_copy(w->id, sizeof w->id, asker->id);
	text_copy(w->client_id, sizeof w->client_id, asker->client_id);
	w->kicked = kicked;
	page->ticket = p->control.next++;
	journal_submit(p->journal, page);
}

static void answer_revoke(struct plugin *p, const struct asker *asker, const struct cJSON *json)
{
	struct err err = {0};
	scoped_free struct journal_page *page = control_page_read(json, &err);
	if (!page) {
		refuse(asker, err.text);
		return;
	}
	if (!is_next(p, page)) {
		refuse_gap(p, asker);
		return;
	}
	if (p->control.next - p->control.done == CONTROL_WAITING) {
		refuse(asker, "too many requests wait for the disk; ask again");
		return;
	}
	if (!apply(&p->revocations, page)) {
		refuse(asker, "out of memory");
		return;
	}
	p->control.revision = page->to;
	uint64_t kicked = kick(p, page);
	wait_for_disk(p, asker, steal(&page), kicked);
}

static void answer_written(struct plugin *p, const struct journal_page *page)
{
	const struct control_waiting *w = &p->control.waiting[page->ticket % CONTROL_WAITING];
	const struct asker asker = {.client_id = w->client_id, .id = w->id};
	if (!page->ok) {
		/* In force all the same; but the service must send it again. */
		p->control.revision = p->control.durable;
		mosquitto_log_printf(MOSQ_LOG_ERR, "otad: revocations are in force, but not on disk: %s", page->err.text);
		refuse(&asker, page->err.text);
		return;
	}
	p->control.durable = page->to;
	if (p->control.revision < page->to) {
		p->control.revision = page->to;
	}
	struct buf out;
	begin(&asker, true, &out);
	put_number(&out, "revision", page->to);
	put_number(&out, "kicked", w->kicked);
	end(&asker, &out);
}

void control_step(struct plugin *p)
{
	struct journal_page *page;
	while ((page = journal_collect(p->journal))) {
		answer_written(p, page);
		p->control.done = page->ticket + 1;
		free(page);
	}
}

/* --- requests --- */

static void answer(struct plugin *p, const struct asker *asker, const struct cJSON *json)
{
	static const char *const keys[] = {"id", "cmd", NULL};
	char cmd[16];
	struct err err = {0};
	if (!json_text(json, "cmd", true, cmd, sizeof cmd, &err) || (strcmp(cmd, "revoke") != 0 && !json_only_keys(json, keys, &err))) {
		refuse(asker, err.text);
	} else if (strcmp(cmd, "revoke") == 0) {
		answer_revoke(p, asker, json);
	} else if (strcmp(cmd, "status") == 0) {
		answer_status(p, asker);
	} else if (strcmp(cmd, "dump") == 0) {
		answer_dump(p, asker);
	} else {
		refuse(asker, "cmd must be status, dump or revoke");
	}
}

int control_ask(struct plugin *p, const struct mosquitto_evt_control *event)
{
	char id[CONTROL_ID_SIZE] = "";
	struct err err = {0};
	if (!access_is_service(p, event->client)) {
		return MOSQ_ERR_SUCCESS; /* never: the access check has refused it */
	}
	const struct asker asker = {.client_id = mosquitto_client_id(event->client), .id = id};
	if (event->payloadlen > REQUEST_MAX) {
		refuse(&asker, "the request is larger than 128 KiB");
		return MOSQ_ERR_SUCCESS;
	}
	scoped_json struct cJSON *json = json_parse_object(event->payload ? event->payload : "", event->payloadlen, &err);
	if (json && json_text(json, "id", true, id, sizeof id, &err)) {
		answer(p, &asker, json);
	} else {
		refuse(&asker, err.text);
	}
	return MOSQ_ERR_SUCCESS;
}
