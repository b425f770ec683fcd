#include "plugin/access.h"

#include <string.h>

#include "common/acl.h"
#include "common/credential.h"
#include "plugin/broker.h"
#include "plugin/plugin.h"

/* Of one client: the broker bounds neither, and keeps over 100 bytes for each level of a filter. */
enum { FILTERS_MAX = 128, FILTER_MAX = 256 };

static int deny(struct plugin *p, enum counter why)
{
	p->counters.at[why]++;
	return MOSQ_ERR_ACL_DENIED;
}

static bool is_service(const struct plugin *p, const char *client_id, const char *username)
{
	return client_id && username && credential_is_service_id(client_id) && strcmp(username, p->options.service_username) == 0;
}

bool access_is_service(const struct plugin *p, const struct mosquitto *client)
{
	return is_service(p, mosquitto_client_id(client), mosquitto_client_username(client));
}

static bool to_request(const struct mosquitto_evt_acl_check *event, struct acl_request *out)
{
	*out = (struct acl_request){.topic = event->topic, .payload = event->payload, .len = event->payloadlen, .retain = event->retain};
	switch (event->access) {
	case MOSQ_ACL_READ:
		out->access = ACL_READ;
		return true;
	case MOSQ_ACL_WRITE:
		out->access = ACL_WRITE;
		out->payload = event->payload ? event->payload : ""; /* an empty message is a known one */
		return true;
	case MOSQ_ACL_SUBSCRIBE:
		out->access = ACL_SUBSCRIBE;
		return true;
	default:
		return false;
	}
}

/* The broker adds the subscription after it has asked us. */
static void note_subscribe(struct plugin *p, const struct mosquitto *client, const struct acl_request *request, int qos)
{
	struct session *session = p->kicking ? NULL : sessions_get(&p->sessions, client);
	if (!session) {
		return;
	}
	if (session->subs_before < 0) {
		int count = mosquitto_client_sub_count(client);
		session->subs_before = count < INT16_MAX ? (int16_t)count : INT16_MAX;
	}
	if (acl_brings_pushes(request->topic, session->device)) {
		/* at QoS 0 a session keeps nothing for its client while that is away */
		presence_subscribed(&p->presence, session, session->subs_before > 0 && qos > 0);
	}
}

static bool is_too_much(const struct mosquitto *client, const char *filter)
{
	return strnlen(filter, FILTER_MAX + 1) > FILTER_MAX || mosquitto_client_sub_count(client) >= FILTERS_MAX;
}

static int check_device(struct plugin *p, const struct mosquitto_evt_acl_check *event, const char *device,
			const struct acl_request *request)
{
	static const enum counter counters[] = {
		[ACL_FOREIGN] = COUNTER_ACL_DENIED,
		[ACL_RETAINED] = COUNTER_ACL_RETAINED,
		[ACL_FORGED] = COUNTER_FORGED,
		[ACL_UNREADABLE] = COUNTER_ACL_UNREADABLE,
	};
	if (revocations_is_blocked(&p->revocations, device) ||
	    (request->access == ACL_SUBSCRIBE && is_too_much(event->client, request->topic))) {
		return deny(p, COUNTER_ACL_DENIED);
	}
	enum acl_verdict verdict = acl_device(device, request);
	if (request->access == ACL_SUBSCRIBE) {
		note_subscribe(p, event->client, request, event->qos);
	}
	if (verdict == ACL_FORGED) {
		presence_forged(&p->presence, sessions_get(&p->sessions, event->client), device);
	}
	return verdict == ACL_ALLOWED ? MOSQ_ERR_SUCCESS : deny(p, counters[verdict]);
}

int access_check(struct plugin *p, const struct mosquitto_evt_acl_check *event)
{
	char device[CREDENTIAL_DEVICE_SIZE];
	struct acl_request request;
	if (event->access == MOSQ_ACL_UNSUBSCRIBE) {
		return MOSQ_ERR_SUCCESS;
	}
	const char *client_id = mosquitto_client_id(event->client);
	const char *username = mosquitto_client_username(event->client);
	if (!to_request(event, &request)) {
		return deny(p, COUNTER_ACL_DENIED);
	}
	if (is_service(p, client_id, username)) {
		return acl_service(&request) ? MOSQ_ERR_SUCCESS : deny(p, COUNTER_ACL_DENIED);
	}
	if (!credential_session(client_id, username, device)) {
		return deny(p, COUNTER_ACL_DENIED);
	}
	return check_device(p, event, device, &request);
}
