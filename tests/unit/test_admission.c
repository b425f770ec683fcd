/* Logins and accesses, judged on keys, snapshot and configuration. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/acl.h"
#include "common/credential.h"
#include "common/digest.h"
#include "common/err.h"
#include "config/config.h"
#include "engine/admission.h"
#include "engine/keyring.h"
#include "engine/private.h"
#include "fleet/fleet.h"
#include "fleet/fleet_device.h"
#include "metrics/metrics.h"
#include "model/nouns.h"
#include "unit.h"

#define XIAOZHI "G@@@aa_bb_cc_dd_ee_ff@@@u-1"
#define XIAOZHI_DEVICE "aa_bb_cc_dd_ee_ff"

static struct engine engine;
static struct config config;

static void write_keys(const char *path, const char *text)
{
	FILE *f = fopen(path, "w");
	assert_non_null(f);
	fputs(text, f);
	fclose(f);
	chmod(path, 0600);
}

static void put_device(int64_t id, const char *name, int64_t epoch, bool blocked)
{
	struct fleet_device row = {.id = id,
				   .product_id = 1,
				   .epoch = epoch,
				   .blocked = blocked,
				   .name = name,
				   .mac = "",
				   .serial = "",
				   .version = "",
				   .parts = ""};
	fleet_put_device_row(engine.fleet, &row);
}

static int set_up(void **state)
{
	(void)state;
	char path[] = "/tmp/otad-admission-XXXXXX";
	int fd = mkstemp(path);
	assert_true(fd >= 0);
	close(fd);
	write_keys(path, "k1 0123456789abcdef0123\n");
	struct err err = {0};
	engine.keyring = keyring_new(path, &err);
	unlink(path);
	engine.alias_key = digest_key_new("key", 3);
	engine.fleet = fleet_new(engine.alias_key, 1000);
	config = (struct config){.mqtt_username = strdup("otad"), .broker_hook_vhost = strdup("/")};
	secret_set(&config.mqtt_password, "the service's own");
	secret_set(&config.broker_hook_secret, "0123456789abcdef");
	engine.config = &config;
	fleet_write(engine.fleet);
	put_device(1, "lamp-1", 3, false);
	put_device(2, "lamp-2", 1, true);
	put_device(3, XIAOZHI_DEVICE, 1, false);
	fleet_done(engine.fleet);
	return engine.keyring && engine.fleet ? 0 : -1;
}

static int tear_down(void **state)
{
	(void)state;
	keyring_free(&engine.keyring);
	fleet_free(&engine.fleet);
	digest_key_free(&engine.alias_key);
	secret_clear(&config.mqtt_password);
	secret_clear(&config.broker_hook_secret);
	free(config.mqtt_username);
	free(config.broker_hook_vhost);
	return 0;
}

static struct credential issue(const char *client_id, const char *name, int64_t epoch)
{
	struct device d = {.epoch = epoch};
	struct credential c;
	snprintf(d.name, sizeof d.name, "%s", name);
	snprintf(d.client_id, sizeof d.client_id, "%s", client_id);
	assert_true(keyring_issue(engine.keyring, &d, &c));
	return c;
}

static bool login(const char *client_id, const char *name, int64_t epoch)
{
	struct credential c = issue(client_id, name, epoch);
	return admission_login(&engine, client_id, c.username, c.password);
}

static void a_device_logs_in_with_its_present_epoch_only(void **state)
{
	(void)state;
	int64_t good = metrics_get(METRIC_HOOK_LOGINS);
	int64_t bad = metrics_get(METRIC_HOOK_LOGINS_REFUSED);
	assert_true(login("lamp-1", "lamp-1", 3));
	assert_true(login("another-id", "lamp-1", 3));
	assert_false(login("lamp-1", "lamp-1", 2));
	assert_false(login("lamp-1", "lamp-1", 4));
	assert_true(login(XIAOZHI, XIAOZHI_DEVICE, 1));
	assert_false(login(XIAOZHI, XIAOZHI_DEVICE, 2));
	assert_int_equal(metrics_get(METRIC_HOOK_LOGINS) - good, 3);
	assert_int_equal(metrics_get(METRIC_HOOK_LOGINS_REFUSED) - bad, 3);
}

static void a_blocked_or_unknown_device_does_not(void **state)
{
	(void)state;
	assert_false(login("lamp-2", "lamp-2", 1));
	assert_false(login("nobody", "nobody", 1));
}

static void a_password_is_good_for_one_client_id(void **state)
{
	(void)state;
	struct credential c = issue("lamp-1", "lamp-1", 3);
	assert_false(admission_login(&engine, "lamp-9", c.username, c.password));
	assert_false(admission_login(&engine, "lamp-1", "lamp-2", c.password));
	assert_false(admission_login(&engine, "", c.username, c.password));
	assert_false(admission_login(&engine, NULL, NULL, NULL));
	c.password[strlen(c.password) - 2] ^= 1;
	assert_false(admission_login(&engine, "lamp-1", c.username, c.password));
}

/* Signed with the right key, but by somebody who names no epoch: what could never be revoked is not let in. */
static void a_password_without_an_epoch_is_refused(void **state)
{
	(void)state;
	struct digest_key *key = digest_key_new("0123456789abcdef0123", 20);
	char password[CREDENTIAL_PASSWORD_SIZE];
	const char *username = "eyJpcCI6IjEuMi4zLjQifQ=="; /* {"ip":"1.2.3.4"} */
	credential_xiaozhi_password(key, XIAOZHI, username, password);
	digest_key_free(&key);
	assert_false(admission_login(&engine, XIAOZHI, username, password));
}

static void the_service_has_ids_and_a_password_of_its_own(void **state)
{
	(void)state;
	assert_true(admission_login(&engine, "otad", "otad", "the service's own"));
	assert_true(admission_login(&engine, "otad:b", "otad", "the service's own"));
	assert_false(admission_login(&engine, "otad", "otad", "the service's owN"));
	assert_false(admission_login(&engine, "otad", "otad", ""));
	assert_false(admission_login(&engine, "otad", "lamp-1", "the service's own"));
	assert_false(admission_login(&engine, "otadx", "otad", "the service's own"));
	secret_clear(&config.mqtt_password);
	assert_false(admission_login(&engine, "otad", "otad", ""));
	secret_set(&config.mqtt_password, "the service's own");
}

static bool may(const char *client_id, const char *username, enum acl_access access, const char *topic, bool retain)
{
	struct acl_request request = {.access = access, .topic = topic, .retain = retain};
	return admission_access(&engine, client_id, username, &request);
}

static void a_device_has_its_own_topics(void **state)
{
	(void)state;
	assert_true(may("lamp-1", "lamp-1", ACL_SUBSCRIBE, "/oc/devices/lamp-1/#", false));
	assert_true(may("lamp-1", "lamp-1", ACL_WRITE, "/oc/devices/lamp-1/sys/ota/report", false));
	assert_true(may("lamp-1", "lamp-1", ACL_WRITE, "device-server/lamp-1", false));
	assert_false(may("lamp-1", "lamp-1", ACL_WRITE, "/oc/devices/lamp-1/sys/ota/report", true));
	static const char *const foreign[] = {"#",
					      "+",
					      "/#",
					      "$SYS/#",
					      "$share/g/#",
					      "/oc/devices/+/sys/ota",
					      "/oc/devices/lamp-2/x",
					      "/oc/devices/lamp-11/x",
					      "/oc/devices/lamp-1",
					      "device-server/lamp-2",
					      ""};
	for (size_t i = 0; i < COUNT(foreign); i++) {
		assert_false(may("lamp-1", "lamp-1", ACL_SUBSCRIBE, foreign[i], false));
		assert_false(may("lamp-1", "lamp-1", ACL_WRITE, foreign[i], false));
	}
}

static void a_device_that_is_blocked_or_gone_has_none(void **state)
{
	(void)state;
	int64_t before = metrics_get(METRIC_HOOK_ACCESS_DENIED);
	assert_false(may("lamp-2", "lamp-2", ACL_SUBSCRIBE, "/oc/devices/lamp-2/#", false));
	assert_false(may("nobody", "nobody", ACL_SUBSCRIBE, "/oc/devices/nobody/#", false));
	assert_false(admission_is_welcome(&engine, "lamp-2", "lamp-2"));
	assert_false(admission_is_welcome(&engine, "nobody", "nobody"));
	assert_int_equal(metrics_get(METRIC_HOOK_ACCESS_DENIED) - before, 4);
	assert_true(admission_is_welcome(&engine, "lamp-1", "lamp-1"));
}

/* In the xiaozhi form the user name is no identity: several devices may have the same. */
static void the_client_id_tells_a_xiaozhi_device(void **state)
{
	(void)state;
	assert_true(may(XIAOZHI, "eyJpcCI6IiJ9", ACL_SUBSCRIBE, "/oc/devices/" XIAOZHI_DEVICE "/#", false));
	assert_false(may(XIAOZHI, "lamp-1", ACL_SUBSCRIBE, "/oc/devices/lamp-1/#", false));
	assert_false(may("G@@@aa_bb_cc_dd_ee_ff", "lamp-1", ACL_SUBSCRIBE, "/oc/devices/lamp-1/#", false));
}

static void the_service_has_the_devices_trees(void **state)
{
	(void)state;
	assert_true(may("otad", "otad", ACL_SUBSCRIBE, "/oc/devices/+/sys/ota", false));
	assert_true(may("otad:b", "otad", ACL_WRITE, "/oc/devices/lamp-1/sys/ota", false));
	assert_false(may("otad", "lamp-1", ACL_SUBSCRIBE, "/oc/devices/+/sys/ota", false));
	assert_false(may("otad", "otad", ACL_SUBSCRIBE, "#", false));
}

static void only_the_broker_may_ask(void **state)
{
	(void)state;
	assert_int_equal(admission_asker(&engine, "0123456789abcdef"), ADMISSION_BROKER);
	assert_int_equal(admission_asker(&engine, "0123456789abcdeF"), ADMISSION_STRANGER);
	assert_int_equal(admission_asker(&engine, "0123456789abcdef0"), ADMISSION_STRANGER);
	assert_int_equal(admission_asker(&engine, ""), ADMISSION_STRANGER);
	assert_int_equal(admission_asker(&engine, NULL), ADMISSION_STRANGER);
	secret_clear(&config.broker_hook_secret);
	assert_int_equal(admission_asker(&engine, ""), ADMISSION_NOBODY);
	assert_int_equal(admission_asker(&engine, NULL), ADMISSION_NOBODY);
	secret_set(&config.broker_hook_secret, "0123456789abcdef");
	assert_true(admission_is_vhost(&engine, "/"));
	assert_false(admission_is_vhost(&engine, "/x"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_device_logs_in_with_its_present_epoch_only),
		cmocka_unit_test(a_blocked_or_unknown_device_does_not),
		cmocka_unit_test(a_password_is_good_for_one_client_id),
		cmocka_unit_test(a_password_without_an_epoch_is_refused),
		cmocka_unit_test(the_service_has_ids_and_a_password_of_its_own),
		cmocka_unit_test(a_device_has_its_own_topics),
		cmocka_unit_test(a_device_that_is_blocked_or_gone_has_none),
		cmocka_unit_test(the_client_id_tells_a_xiaozhi_device),
		cmocka_unit_test(the_service_has_the_devices_trees),
		cmocka_unit_test(only_the_broker_may_ask),
	};
	return cmocka_run_group_tests(tests, set_up, tear_down);
}
