#include "plugin/auth.h"

#include <inttypes.h>
#include <string.h>

#include "common/buf.h"
#include "common/clock.h"
#include "common/credential.h"
#include "plugin/broker.h"
#include "plugin/plugin.h"

enum {
	LOG_EVERY_MS = 1000,
	SHOWN = 48, /* bytes of a client id in a log line */
};

/* --- what is wrong --- */

/* Letters that a log may show; the rest as \xNN, cut. */
static void escape(struct buf *out, const char *text)
{
	size_t len = strnlen(text, SHOWN + 1);
	for (size_t i = 0; i < len && i < SHOWN; i++) {
		unsigned char c = (unsigned char)text[i];
		bool plain = c > 0x20 && c < 0x7f && c != '"' && c != '\\';
		buf_putf(out, plain ? "%c" : "\\x%02x", c);
	}
	buf_puts(out, len > SHOWN ? "..." : "");
}

/* At most a line a second: a flood of refused logins must not fill a disk. */
static void log_refusal(struct plugin *p, const char *client_id, const char *reason)
{
	int64_t now_ms = clock_mono_ms();
	p->refused++;
	if (p->refused_ms != 0 && now_ms - p->refused_ms < LOG_EVERY_MS) {
		return;
	}
	char mem[4 * SHOWN + 4];
	struct buf shown;
	buf_init_fixed(&shown, mem, sizeof mem);
	escape(&shown, client_id ? client_id : "");
	mosquitto_log_printf(MOSQ_LOG_NOTICE, "otad: login of \"%s\" refused: %s (%" PRIu64 " refused since the last such line)",
			     buf_cstr(&shown), reason, p->refused);
	p->refused_ms = now_ms;
	p->refused = 0;
}

static int refuse(struct plugin *p, const char *client_id, enum counter why, const char *reason)
{
	p->counters.at[why]++;
	log_refusal(p, client_id, reason);
	return MOSQ_ERR_AUTH;
}

/* --- who it is --- */

/* Answers go to a topic with the id in it. */
static bool is_good_service_id(const char *client_id)
{
	return strnlen(client_id, CREDENTIAL_CLIENT_ID_SIZE) < CREDENTIAL_CLIENT_ID_SIZE && !strpbrk(client_id, "+#");
}

static int check_service(struct plugin *p, const char *client_id, const struct mosquitto_evt_basic_auth *event)
{
	bool good = secret_equals(&p->options.service_secret, event->password ? event->password : "");
	if (!good || !event->username || strcmp(event->username, p->options.service_username) != 0 || !is_good_service_id(client_id)) {
		return refuse(p, client_id, COUNTER_AUTH_SERVICE_ID, "a client id of the service's own");
	}
	return MOSQ_ERR_SUCCESS;
}

static int check_device(struct plugin *p, const char *client_id, const struct mosquitto_evt_basic_auth *event,
			char device[CREDENTIAL_DEVICE_SIZE], uint32_t *epoch)
{
	static const enum counter counters[] = {
		[CREDENTIAL_GOOD] = COUNTER_AUTH_GOOD,
		[CREDENTIAL_MALFORMED] = COUNTER_AUTH_MALFORMED,
		[CREDENTIAL_UNKNOWN_KEY] = COUNTER_AUTH_UNKNOWN_KEY,
		[CREDENTIAL_WRONG] = COUNTER_AUTH_WRONG,
	};
	enum credential_verdict verdict = credential_verify(&p->options.keys, client_id, event->username, event->password, device, epoch);
	if (verdict != CREDENTIAL_GOOD) {
		return refuse(p, client_id, counters[verdict], credential_verdict_name(verdict));
	}
	if (revocations_refuses(&p->revocations, device, *epoch)) {
		return refuse(p, client_id, COUNTER_AUTH_REVOKED, "revoked");
	}
	return MOSQ_ERR_SUCCESS;
}

static int admit(struct plugin *p, struct mosquitto *client, const char *device, uint32_t epoch)
{
	plugin_forget(p, client); /* never known: a connection ends with an event of its own */
	struct session *session = sessions_add(&p->sessions, client, device, epoch);
	if (!session) {
		return MOSQ_ERR_NOMEM;
	}
	dump_added(&p->dump, session);
	if (*device) {
		presence_connected(&p->presence, session);
	}
	p->counters.at[COUNTER_AUTH_GOOD]++;
	return MOSQ_ERR_SUCCESS;
}

/* After SIGHUP the broker asks for every client id it keeps. One that is not connected must be let be: refused, it would be ended a second
 * time and stand twice in the broker's list of what expires, once with a dangling pointer. A new websocket may come in between. */
static bool is_away(const struct plugin *p, const struct mosquitto *client)
{
	return p->sweeping && !sessions_get(&p->sessions, client) && mosquitto_client_protocol(client) != mp_websockets;
}

int auth_check(struct plugin *p, const struct mosquitto_evt_basic_auth *event)
{
	char device[CREDENTIAL_DEVICE_SIZE] = "";
	uint32_t epoch = 0;
	const char *client_id = mosquitto_client_id(event->client);
	if (is_away(p, event->client)) {
		return MOSQ_ERR_SUCCESS;
	}
	int rc = client_id && credential_is_service_id(client_id) ? check_service(p, client_id, event)
								  : check_device(p, client_id, event, device, &epoch);
	bool again = p->sweeping && sessions_get(&p->sessions, event->client);
	return rc != MOSQ_ERR_SUCCESS || again ? rc : admit(p, event->client, device, epoch);
}
