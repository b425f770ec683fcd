#include "engine/admission.h"

#include <string.h>

#include "common/acl.h"
#include "common/credential.h"
#include "common/log.h"
#include "common/secret.h"
#include "config/config.h"
#include "engine/keyring.h"
#include "engine/private.h"
#include "fleet/fleet.h"
#include "fleet/fleet_device.h"
#include "metrics/metrics.h"

/* What the snapshot says of a device. */
enum standing { STANDING_GOOD, STANDING_UNKNOWN, STANDING_BLOCKED, STANDING_OTHER_EPOCH };

static const char *standing_name(enum standing standing)
{
	static const char *const names[] = {"good", "unknown_device", "blocked", "other_epoch"};
	return names[standing];
}

enum admission_asker admission_asker(struct engine *e, const char *secret)
{
	const struct config *c = e->config;
	if (!secret_is_set(&c->broker_hook_secret)) {
		return ADMISSION_NOBODY;
	}
	if (secret && secret_equals(&c->broker_hook_secret, secret)) {
		return ADMISSION_BROKER;
	}
	metrics_add(METRIC_HOOK_STRANGERS, 1);
	return ADMISSION_STRANGER;
}

bool admission_is_vhost(struct engine *e, const char *vhost)
{
	const struct config *c = e->config;
	return strcmp(c->broker_hook_vhost, vhost) == 0;
}

/* epoch 0: not asked. Only the device's present epoch is good. Below it the password was revoked; above it either it is from before a
 * backup was restored (and may have been revoked since), or this replica has not yet heard of a rotation that another one made: the feed
 * brings it within a second, and devices try again. The one case cannot be told from the other, so both are refused. */
static enum standing standing_of(struct engine *e, const char *device, uint32_t epoch)
{
	enum standing standing = STANDING_GOOD;
	fleet_read(e->fleet);
	const struct device_entry *entry = fleet_device(e->fleet, device);
	if (!entry) {
		standing = STANDING_UNKNOWN;
	} else if (entry->blocked) {
		standing = STANDING_BLOCKED;
	} else if (epoch && entry->epoch != epoch) {
		standing = STANDING_OTHER_EPOCH;
	}
	fleet_done(e->fleet);
	return standing;
}

static bool is_service_name(const struct config *c, const char *username)
{
	return strcmp(c->mqtt_username, username) == 0;
}

/* Without a configured password nobody can prove to be the service. */
static const char *judge_service(const struct config *c, const char *username, const char *password)
{
	bool good = secret_equals(&c->mqtt_password, password);
	return good && is_service_name(c, username) ? NULL : "service_id";
}

static const char *judge_device(struct engine *e, const char *client_id, const char *username, const char *password)
{
	char device[CREDENTIAL_DEVICE_SIZE];
	uint32_t epoch = 0;
	enum credential_verdict verdict = keyring_verify(e->keyring, client_id, username, password, device, &epoch);
	if (verdict != CREDENTIAL_GOOD) {
		return credential_verdict_name(verdict);
	}
	if (epoch == 0) {
		return "no_epoch"; /* signed with our key, but it could never be revoked */
	}
	enum standing standing = standing_of(e, device, epoch);
	return standing == STANDING_GOOD ? NULL : standing_name(standing);
}

bool admission_login(struct engine *e, const char *client_id, const char *username, const char *password)
{
	const char *id = client_id ? client_id : "";
	const char *user = username ? username : "";
	const char *word = password ? password : "";
	const char *why = credential_is_service_id(id) ? judge_service(e->config, user, word) : judge_device(e, id, user, word);
	metrics_add(why ? METRIC_HOOK_LOGINS_REFUSED : METRIC_HOOK_LOGINS, 1);
	if (why) {
		log_debug("broker_hook_login_refused", LOG_S("client", id), LOG_S("reason", why));
	}
	return !why;
}

/* device is "" for the service itself. */
static bool is_welcome(struct engine *e, const char *client_id, const char *username, char device[CREDENTIAL_DEVICE_SIZE])
{
	const char *id = client_id ? client_id : "";
	const char *user = username ? username : "";
	device[0] = '\0';
	if (credential_is_service_id(id)) {
		return is_service_name(e->config, user);
	}
	return credential_device(id, user, device) && standing_of(e, device, 0) == STANDING_GOOD;
}

static bool count_denied(bool allowed)
{
	if (!allowed) {
		metrics_add(METRIC_HOOK_ACCESS_DENIED, 1);
	}
	return allowed;
}

bool admission_is_welcome(struct engine *e, const char *client_id, const char *username)
{
	char device[CREDENTIAL_DEVICE_SIZE];
	return count_denied(is_welcome(e, client_id, username, device));
}

bool admission_access(struct engine *e, const char *client_id, const char *username, const struct acl_request *request)
{
	char device[CREDENTIAL_DEVICE_SIZE];
	if (!is_welcome(e, client_id, username, device)) {
		return count_denied(false);
	}
	return count_denied(*device ? acl_device(device, request) == ACL_ALLOWED : acl_service(request));
}

void admission_denied(void)
{
	metrics_add(METRIC_HOOK_ACCESS_DENIED, 1);
}
