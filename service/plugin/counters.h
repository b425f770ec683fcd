/* What the plugin counts since the broker's start (service/INTERFACES.md, "counters"). The broker's thread only. */
#ifndef PLUGIN_COUNTERS_H
#define PLUGIN_COUNTERS_H

#include <stdint.h>

struct buf;

enum counter {
	COUNTER_AUTH_GOOD,
	COUNTER_AUTH_MALFORMED,
	COUNTER_AUTH_UNKNOWN_KEY,
	COUNTER_AUTH_WRONG,
	COUNTER_AUTH_REVOKED,
	COUNTER_AUTH_SERVICE_ID, /* a client id of the service's without its password */
	COUNTER_ACL_DENIED,
	COUNTER_ACL_RETAINED,
	COUNTER_ACL_UNREADABLE,
	COUNTER_FORGED,
	COUNTER_P2P_DELIVERED,
	COUNTER_P2P_ABSENT,
	COUNTER_ONLINE,      /* devices; a level, not a count */
	COUNTER_REVOCATIONS, /* entries; a level, not a count */
	COUNTERS,
};

struct counters {
	uint64_t at[COUNTERS];
};

/* Appends a JSON object. */
void counters_write(const struct counters *c, struct buf *out);

#endif
