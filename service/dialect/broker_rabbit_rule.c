#include "dialect/broker_rabbit_rule.h"

#include <string.h>

#include "common/text.h"

#define QUEUE "mqtt-subscription-"

static bool is_one_of(const char *text, const char *const *list)
{
	while (*list && strcmp(text, *list) != 0) {
		list++;
	}
	return *list != NULL;
}

static bool is_own_queue(const char *name, const char *client_id)
{
	static const char *const tails[] = {"qos0", "qos1", NULL};
	size_t len = strlen(client_id);
	return strncmp(name, QUEUE, sizeof QUEUE - 1) == 0 && len > 0 && strncmp(name + sizeof QUEUE - 1, client_id, len) == 0 &&
	       is_one_of(name + sizeof QUEUE - 1 + len, tails);
}

bool broker_rabbit_rule_resource(const char *client_id, const char *kind, const char *name, const char *permission)
{
	static const char *const on_queue[] = {"configure", "write", "read", NULL};
	static const char *const on_exchange[] = {"write", "read", NULL};
	if (strcmp(kind, "queue") == 0) {
		return is_own_queue(name, client_id) && is_one_of(permission, on_queue);
	}
	return strcmp(kind, "exchange") == 0 && strcmp(name, "amq.topic") == 0 && is_one_of(permission, on_exchange);
}

bool broker_rabbit_rule_topic(const char *key, char *out, size_t size)
{
	if (!text_copy(out, size, key)) {
		return false;
	}
	for (char *at = out; *at; at++) {
		bool begins = at == out || at[-1] == '/';
		bool alone = begins && (at[1] == '\0' || at[1] == '.');
		*at = *at == '.' ? '/' : *at == '*' && alone ? '+' : *at;
	}
	return true;
}
