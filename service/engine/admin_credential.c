#include <inttypes.h>
#include <stdio.h>

#include "common/credential.h"
#include "common/err.h"
#include "engine/admin.h"
#include "engine/admin_frame.h"
#include "engine/keyring.h"
#include "engine/private.h"
#include "engine/revocation.h"
#include "store/credential.h"
#include "store/device.h"

enum { CONFIRM_MS = 2000 };

struct wish {
	enum admin_credential_verb verb;
	int64_t id;
	struct device *device;
	int64_t rev;
};

static const struct {
	const char *action;
	const char *detail;
} verbs[] = {
	[CREDENTIAL_SHOW] = {"credential.show", "password shown"},
	[CREDENTIAL_ROTATE] = {"credential.rotate", "new epoch, password shown"},
	[CREDENTIAL_BLOCK] = {"credential.block", "blocked"},
	[CREDENTIAL_UNBLOCK] = {"credential.unblock", "unblocked"},
};

static bool apply(struct db *db, struct wish *wish, struct err *err)
{
	wish->rev = 0;
	switch (wish->verb) {
	case CREDENTIAL_SHOW:
		return store_credential_show(db, wish->id, wish->device, err);
	case CREDENTIAL_ROTATE:
		return store_credential_rotate(db, wish->id, wish->device, &wish->rev, err);
	case CREDENTIAL_BLOCK:
	case CREDENTIAL_UNBLOCK:
		break;
	}
	return store_credential_block(db, wish->id, wish->verb == CREDENTIAL_BLOCK, wish->device, &wish->rev, err);
}

static bool step(struct db *db, struct admin_write *write, void *noun, struct err *err)
{
	struct wish *wish = noun;
	if (!apply(db, wish, err)) {
		return false;
	}
	write->id = wish->id;
	snprintf(write->target, sizeof write->target, "device/%" PRId64, wish->id);
	snprintf(write->detail, sizeof write->detail, "name %s, epoch %" PRId64 ": %s", wish->device->name, wish->device->epoch,
		 verbs[wish->verb].detail);
	return true;
}

bool admin_credential(struct engine *e, struct worker *w, const struct actor *actor, struct admin_credential_order order,
		      struct device *out, bool *confirmed, struct err *err)
{
	const struct admin_frame frame = {e, w, actor};
	struct admin_write write = {.action = verbs[order.verb].action, .kind = CHANGE_DEVICE};
	struct wish wish = {.verb = order.verb, .id = order.device_id, .device = out};
	if (!admin_frame_write(&frame, &write, step, &wish, err)) {
		return false;
	}
	/* also when it was revoked before: perhaps the broker does not know yet */
	*confirmed = order.verb != CREDENTIAL_SHOW && revocation_wait(e, wish.rev, CONFIRM_MS);
	return true;
}

bool admin_credential_issue(struct engine *e, const struct device *device, struct credential *out, struct err *err)
{
	return keyring_issue(e->keyring, device, out) ||
	       err_set(err, ERR_CONFLICT, "no credentials can be issued for the clientId \"%s\"; change it", device->client_id);
}
