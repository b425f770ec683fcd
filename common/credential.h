/* MQTT credentials that need no look-up (DESIGN.md idea 4): whoever holds the signing keys can issue and verify them; daemon and broker
 * plugin both do.
 *
 *   plain form     client_id: operator-chosen, without '|' and "@@@"     username: the deviceName
 *                  password:  <epoch>.<key id>.<base64url HMAC-SHA256(key, client_id "|" username "|" epoch)>
 *   xiaozhi form   client_id: GROUP@@@mac_with_underscores@@@uuid        username: base64 {"ip":"1.2.3.4","epoch":1,"key":"k1"}
 *                  password:  base64 HMAC-SHA256(key, client_id "|" username), exactly as public gateways verify it
 *
 * Source: protocols/broker.md and xiaozhi.md 6. The epoch is a counter of the device, from 1: what was revoked is below it. Two signing
 * keys can be good at once. All functions are pure and thread-safe as long as the keys do not change.
 */
#ifndef COMMON_CREDENTIAL_H
#define COMMON_CREDENTIAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct digest_key;
struct err;

enum {
	CREDENTIAL_KEYS_MAX = 2,
	CREDENTIAL_KEY_ID_SIZE = 17,
	CREDENTIAL_CLIENT_ID_SIZE = 129,
	CREDENTIAL_USERNAME_SIZE = 257,
	CREDENTIAL_PASSWORD_SIZE = 81,
	CREDENTIAL_DEVICE_SIZE = 65,
	CREDENTIAL_EPOCH_MAX = INT32_MAX, /* a device's epoch is 1 .. this */
};

/* at[0] signs what is issued; all verify. */
struct credential_keys {
	struct {
		char id[CREDENTIAL_KEY_ID_SIZE];
		struct digest_key *key;
	} at[CREDENTIAL_KEYS_MAX];
	size_t count;
};

/* Reads a file of one or two lines "<key id> <secret>": the id of A-Z a-z 0-9 _ -, at most 16; the secret 16 to 128 printable characters
 * without blanks, which are the key's bytes as they stand (so that a public gateway can be given the same text). Blank lines and lines that
 * begin with # are skipped. The file must not be readable by others than owner and group. On failure keys is unchanged. */
bool credential_keys_load(struct credential_keys *keys, const char *path, struct err *err);
void credential_keys_clear(struct credential_keys *keys);

/* The same from text, for tests and fuzzing. */
bool credential_keys_parse(struct credential_keys *keys, const char *text, struct err *err);

/* Whose connection is this, if the password is right? The xiaozhi form says so in the client_id (three parts "@@@"), the plain one in the
 * username. False: cannot be a device's. */
bool credential_device(const char *client_id, const char *username, char device[CREDENTIAL_DEVICE_SIZE]);

/* The same for a session that was let in: its client id was judged then, and this is asked for every message. */
bool credential_session(const char *client_id, const char *username, char device[CREDENTIAL_DEVICE_SIZE]);

/* Has it the xiaozhi form, and is the device in it? */
bool credential_is_xiaozhi(const char *client_id, char device[CREDENTIAL_DEVICE_SIZE]);

/* The service's own client ids: "otad" and whatever begins with "otad:". No device may have one. */
bool credential_is_service_id(const char *client_id);

/* May a device of that name have this client id? The sentence says why not. */
bool credential_check_client_id(const char *client_id, const char *device, struct err *err);

/* What a device is to present. ip: of the xiaozhi form, may be "". Both forms by the client id. False: client_id or device is impossible.
 */
struct credential {
	char username[CREDENTIAL_USERNAME_SIZE];
	char password[CREDENTIAL_PASSWORD_SIZE];
};
bool credential_issue(const struct credential_keys *keys, const char *client_id, const char *device, uint32_t epoch, const char *ip,
		      struct credential *out);

/* The password of the xiaozhi form under one key: what an external gateway verifies too. */
void credential_xiaozhi_password(const struct digest_key *key, const char *client_id, const char *username,
				 char out[CREDENTIAL_PASSWORD_SIZE]);

enum credential_verdict {
	CREDENTIAL_GOOD,
	CREDENTIAL_MALFORMED,   /* not of either form */
	CREDENTIAL_UNKNOWN_KEY, /* signed by a key that is not good (any more) */
	CREDENTIAL_WRONG,       /* the signature is another's */
};
/* Takes the same time whatever is wrong with a well-formed password. On GOOD device and epoch say who it is; whether the epoch still counts
 * is for the caller to know. Any argument may be NULL: MALFORMED. */
enum credential_verdict credential_verify(const struct credential_keys *keys, const char *client_id, const char *username,
					  const char *password, char device[CREDENTIAL_DEVICE_SIZE], uint32_t *epoch);
const char *credential_verdict_name(enum credential_verdict verdict);

#endif
