#include "plugin/counters.h"

#include "common/buf.h"

static const char *const names[COUNTERS] = {
	[COUNTER_AUTH_GOOD] = "auth_good",   [COUNTER_AUTH_MALFORMED] = "auth_malformed", [COUNTER_AUTH_UNKNOWN_KEY] = "auth_unknown_key",
	[COUNTER_AUTH_WRONG] = "auth_wrong", [COUNTER_AUTH_REVOKED] = "auth_revoked",     [COUNTER_AUTH_SERVICE_ID] = "auth_service_id",
	[COUNTER_ACL_DENIED] = "acl_denied", [COUNTER_ACL_RETAINED] = "acl_retained",     [COUNTER_ACL_UNREADABLE] = "acl_unreadable",
	[COUNTER_FORGED] = "forged",         [COUNTER_P2P_DELIVERED] = "p2p_delivered",   [COUNTER_P2P_ABSENT] = "p2p_absent",
	[COUNTER_ONLINE] = "online",         [COUNTER_REVOCATIONS] = "revocations",
};

void counters_write(const struct counters *c, struct buf *out)
{
	for (int i = 0; i < COUNTERS; i++) {
		buf_putc(out, i == 0 ? '{' : ',');
		buf_put_json(out, names[i]);
		buf_putc(out, ':');
		buf_put_u64(out, c->at[i]);
	}
	buf_putc(out, '}');
}
