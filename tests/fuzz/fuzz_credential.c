/* Logins. Line 1: client id, 2: user name, 3: password, as a broker hears them. The rest: a key file. */
#include <stdlib.h>
#include <string.h>

#include "common/credential.h"
#include "common/digest.h"
#include "common/scoped.h"
#include "common/text.h"
#include "fuzz.h"

static struct credential_keys keys;

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	(void)argc;
	(void)argv;
	CHECK(credential_keys_parse(&keys, "k2 the-second-key-of-the-seeds\nk1 the-first-key-of-the-seeds\n", NULL));
	return 0;
}

/* Whoever is let in holds what one of the keys signs for exactly this client and epoch. */
static void login(const char *client_id, const char *username, const char *password)
{
	char device[CREDENTIAL_DEVICE_SIZE];
	uint32_t epoch;
	if (credential_verify(&keys, client_id, username, password, device, &epoch) != CREDENTIAL_GOOD) {
		return;
	}
	CHECK(text_is_device_name(device));
	CHECK(!credential_is_service_id(client_id));
	bool signed_by_us = false;
	for (size_t i = 0; i < keys.count; i++) {
		struct credential_keys one = {.at = {{.key = keys.at[i].key}}, .count = 1};
		struct credential c = {.username = ""};
		memcpy(one.at[0].id, keys.at[i].id, sizeof one.at[0].id);
		if (strstr(client_id, "@@@")) {
			credential_xiaozhi_password(one.at[0].key, client_id, username, c.password);
		} else {
			CHECK(credential_issue(&one, client_id, device, epoch, "", &c));
		}
		signed_by_us = signed_by_us || strcmp(c.password, password) == 0;
	}
	CHECK(signed_by_us);
}

/* What may be a client id gets credentials that are good, for itself and nobody else. */
static void issued(const char *client_id, const char *name)
{
	struct credential c;
	char device[CREDENTIAL_DEVICE_SIZE];
	uint32_t epoch = 0;
	if (!text_is_device_name(name) || !credential_issue(&keys, client_id, name, 7, "10.0.0.1", &c)) {
		return;
	}
	CHECK(credential_verify(&keys, client_id, c.username, c.password, device, &epoch) == CREDENTIAL_GOOD);
	CHECK(epoch == 7 && strcmp(device, name) == 0);
	c.password[strlen(c.password) / 2] ^= 1;
	CHECK(credential_verify(&keys, client_id, c.username, c.password, device, &epoch) != CREDENTIAL_GOOD);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fuzz_input in = {data, size};
	scoped_free char *client_id = fuzz_line(&in);
	scoped_free char *username = fuzz_line(&in);
	scoped_free char *password = fuzz_line(&in);
	size_t len = 0;
	scoped_free char *rest = fuzz_rest(&in, &len);
	scoped_free char *file = calloc(1, len + 1);
	CHECK(file);
	memcpy(file, rest, len);
	struct credential_keys parsed = {.count = 0};
	login(client_id, username, password);
	issued(client_id, username);
	if (credential_keys_parse(&parsed, file, NULL)) {
		CHECK(parsed.count > 0 && parsed.count <= CREDENTIAL_KEYS_MAX);
	}
	credential_keys_clear(&parsed);
	return 0;
}
