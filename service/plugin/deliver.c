#include "plugin/deliver.h"

#include <string.h>

#include "common/text.h"
#include "plugin/access.h"
#include "plugin/broker.h"
#include "plugin/plugin.h"

#define TREE "devices/p2p/"

enum { TREE_LEN = sizeof TREE - 1 };

static bool send(const struct session *session, const struct mosquitto_evt_message *event)
{
	const char *client_id = mosquitto_client_id(session->client);
	return client_id && tell_copy(client_id, event->topic, event->payload, event->payloadlen, event->qos);
}

int deliver_message(struct plugin *p, struct mosquitto_evt_message *event)
{
	if (strncmp(event->topic, TREE, TREE_LEN) != 0 || !access_is_service(p, event->client)) {
		return MOSQ_ERR_SUCCESS;
	}
	event->retain = false;
	const char *device = event->topic + TREE_LEN;
	if (!text_is_device_name(device)) {
		p->counters.at[COUNTER_P2P_ABSENT]++;
		return MOSQ_ERR_SUCCESS;
	}
	bool delivered = false;
	for (const struct session *s = sessions_of(&p->sessions, device); s; s = sessions_next_of(s)) {
		delivered |= send(s, event);
	}
	p->counters.at[delivered ? COUNTER_P2P_DELIVERED : COUNTER_P2P_ABSENT]++;
	if (!delivered) {
		presence_absent(&p->presence, device);
	}
	return MOSQ_ERR_SUCCESS;
}
