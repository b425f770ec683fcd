#include "common/credential.h"

#include <cjson/cJSON.h>
#include <inttypes.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <string.h>

#include "common/buf.h"
#include "common/digest.h"
#include "common/err.h"
#include "common/json.h"
#include "common/scoped.h"
#include "common/secret.h"
#include "common/text.h"

#define SERVICE_ID "otad"
#define SEPARATOR "@@@"

enum {
	SEPARATOR_LEN = sizeof SEPARATOR - 1,
	MAC_LEN = 17, /* aa_bb_cc_dd_ee_ff */
	SECRET_MIN = 16,
	SECRET_MAX = 128,
	SIGNED_SIZE = CREDENTIAL_CLIENT_ID_SIZE + CREDENTIAL_USERNAME_SIZE + 16,
	SIGNATURE_LEN = 43,    /* of the plain form, base64url */
	XIAOZHI_PASSWORD = 44, /* base64 with padding */
	JSON_MAX = CREDENTIAL_USERNAME_SIZE,
};

/* --- keys --- */

static bool is_key_id(const char *text, size_t len)
{
	static const char allowed[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-";
	return len > 0 && len < CREDENTIAL_KEY_ID_SIZE && strspn(text, allowed) >= len;
}

static bool is_secret(const char *text, size_t len)
{
	return len >= SECRET_MIN && len <= SECRET_MAX && memchr(text, ' ', len) == NULL && text_is_printable(text, len);
}

/* "<key id> <secret>" without the line's end. */
static bool take_line(struct credential_keys *keys, const char *line, size_t len, int number, struct err *err)
{
	size_t id_len = strcspn(line, " \n\r");
	const char *secret = line + id_len + 1;
	size_t secret_len = id_len < len ? len - id_len - 1 : 0;
	if (!is_key_id(line, id_len) || id_len >= len || !is_secret(secret, secret_len)) {
		return err_set(
			err, ERR_INVALID,
			"line %d must be \"<key id> <secret>\": an id of at most %d letters and digits, a secret of %d to %d characters",
			number, CREDENTIAL_KEY_ID_SIZE - 1, SECRET_MIN, SECRET_MAX);
	}
	if (keys->count == CREDENTIAL_KEYS_MAX) {
		return err_set(err, ERR_INVALID, "line %d: at most %d keys can be good at once", number, CREDENTIAL_KEYS_MAX);
	}
	for (size_t i = 0; i < keys->count; i++) {
		if (strlen(keys->at[i].id) == id_len && memcmp(keys->at[i].id, line, id_len) == 0) {
			return err_set(err, ERR_INVALID, "line %d: two keys have the id \"%s\"", number, keys->at[i].id);
		}
	}
	struct digest_key *key = digest_key_new(secret, secret_len);
	if (!key) {
		return err_set(err, ERR_INTERNAL, "out of memory");
	}
	memcpy(keys->at[keys->count].id, line, id_len);
	keys->at[keys->count].id[id_len] = '\0';
	keys->at[keys->count++].key = key;
	return true;
}

bool credential_keys_parse(struct credential_keys *keys, const char *text, struct err *err)
{
	struct credential_keys fresh = {.count = 0};
	int number = 1;
	bool ok = true;
	for (const char *line = text; ok && *line; number++) {
		const char *end = strchrnul(line, '\n');
		size_t len = (size_t)(end - line);
		len -= len > 0 && line[len - 1] == '\r';
		ok = len == 0 || *line == '#' || take_line(&fresh, line, len, number, err);
		line = *end ? end + 1 : end;
	}
	if (ok && fresh.count == 0) {
		ok = err_set(err, ERR_EMPTY, "there is no key in it");
	}
	if (!ok) {
		credential_keys_clear(&fresh);
		return false;
	}
	credential_keys_clear(keys);
	*keys = fresh;
	return true;
}

bool credential_keys_load(struct credential_keys *keys, const char *path, struct err *err)
{
	struct secret text = {0};
	bool ok = secret_from_whole_file(&text, path, err);
	if (ok && !credential_keys_parse(keys, text.reveal, err)) {
		ok = err_prefix(err, "%s", path);
	}
	secret_clear(&text);
	return ok;
}

void credential_keys_clear(struct credential_keys *keys)
{
	for (size_t i = 0; i < keys->count; i++) {
		digest_key_free(&keys->at[i].key);
	}
	*keys = (struct credential_keys){.count = 0};
}

/* --- who --- */

static bool is_mac(const char *text)
{
	for (int i = 0; i < MAC_LEN; i++) {
		bool good = i % 3 == 2 ? text[i] == '_' : (text[i] >= '0' && text[i] <= '9') || (text[i] >= 'a' && text[i] <= 'f');
		if (!good) {
			return false;
		}
	}
	return true;
}

/* Group and uuid: what neither the separator nor another field can be made of. */
static bool is_part(const char *text, size_t len)
{
	size_t i = 0;
	for (; i < len; i++) {
		char c = text[i];
		bool letter = (c | 0x20) >= 'a' && (c | 0x20) <= 'z';
		if (!letter && !(c >= '0' && c <= '9') && c != '_' && c != '-' && c != '.' && c != ':') {
			return false;
		}
	}
	return len > 0;
}

bool credential_is_xiaozhi(const char *client_id, char device[CREDENTIAL_DEVICE_SIZE])
{
	const char *first = strstr(client_id, SEPARATOR);
	if (!first || strnlen(client_id, CREDENTIAL_CLIENT_ID_SIZE) == CREDENTIAL_CLIENT_ID_SIZE) {
		return false;
	}
	const char *mac = first + SEPARATOR_LEN;
	const char *last = mac + MAC_LEN + SEPARATOR_LEN;
	if (!is_mac(mac) || strncmp(mac + MAC_LEN, SEPARATOR, SEPARATOR_LEN) != 0 || !is_part(client_id, (size_t)(first - client_id)) ||
	    !is_part(last, strlen(last))) {
		return false;
	}
	memcpy(device, mac, MAC_LEN);
	device[MAC_LEN] = '\0';
	return true;
}

bool credential_is_service_id(const char *client_id)
{
	static const size_t len = sizeof SERVICE_ID - 1;
	return strncmp(client_id, SERVICE_ID, len) == 0 && (client_id[len] == '\0' || client_id[len] == ':');
}

static bool is_plain_id(const char *client_id)
{
	size_t len = strnlen(client_id, CREDENTIAL_CLIENT_ID_SIZE);
	return len > 0 && len < CREDENTIAL_CLIENT_ID_SIZE && !strchr(client_id, '|') && !strstr(client_id, SEPARATOR) &&
	       !credential_is_service_id(client_id) && text_is_utf8(client_id, len) && text_is_printable(client_id, len);
}

bool credential_device(const char *client_id, const char *username, char device[CREDENTIAL_DEVICE_SIZE])
{
	if (!client_id || !username) {
		return false;
	}
	return credential_is_xiaozhi(client_id, device) ||
	       (is_plain_id(client_id) && text_is_device_name(username) && text_copy(device, CREDENTIAL_DEVICE_SIZE, username));
}

bool credential_session(const char *client_id, const char *username, char device[CREDENTIAL_DEVICE_SIZE])
{
	if (!client_id || !username) {
		return false;
	}
	return strstr(client_id, SEPARATOR) ? credential_is_xiaozhi(client_id, device)
					    : text_is_device_name(username) && text_copy(device, CREDENTIAL_DEVICE_SIZE, username);
}

bool credential_check_client_id(const char *client_id, const char *device, struct err *err)
{
	char self[CREDENTIAL_DEVICE_SIZE];
	if (credential_is_service_id(client_id)) {
		return err_set(err, ERR_INVALID, "\"%s\" is a client id of the service's own (\"otad\", \"otad:...\"); choose another",
			       client_id);
	}
	if (strchr(client_id, '|')) {
		return err_set(err, ERR_INVALID, "a client id must not contain \"|\"");
	}
	if (!strstr(client_id, SEPARATOR)) {
		return is_plain_id(client_id) ||
		       err_set(err, ERR_INVALID, "a client id has 1 to %d printable characters", CREDENTIAL_CLIENT_ID_SIZE - 1);
	}
	if (!credential_is_xiaozhi(client_id, self) || strcmp(self, device) != 0) {
		return err_set(err, ERR_INVALID,
			       "a client id with \"@@@\" must be GROUP@@@mac_with_underscores@@@uuid, and the mac the device's name");
	}
	return true;
}

/* --- issue --- */

static bool sign(const struct digest_key *key, const char *client_id, const char *username, const char *epoch,
		 uint8_t mac[DIGEST_SHA256_LEN])
{
	char mem[SIGNED_SIZE];
	struct buf text;
	buf_init_fixed(&text, mem, sizeof mem);
	buf_puts(&text, client_id);
	buf_putc(&text, '|');
	buf_puts(&text, username);
	if (epoch) {
		buf_putc(&text, '|');
		buf_puts(&text, epoch);
	}
	if (!buf_ok(&text)) {
		return false;
	}
	digest_mac(key, text.data, text.len, mac);
	return true;
}

static void base64(char *out, const void *data, size_t len)
{
	EVP_EncodeBlock((unsigned char *)out, data, (int)len);
}

/* Exactly one spelling: what does not encode to the same text again is refused. -1, or the length. */
static int unbase64(const char *text, size_t len, char out[JSON_MAX])
{
	char again[CREDENTIAL_USERNAME_SIZE];
	unsigned char raw[JSON_MAX];
	if (len == 0 || len % 4 != 0 || len >= sizeof again) {
		return -1;
	}
	int n = EVP_DecodeBlock(raw, (const unsigned char *)text, (int)len);
	n -= (text[len - 1] == '=') + (text[len - 2] == '=');
	if (n <= 0) {
		return -1;
	}
	base64(again, raw, (size_t)n);
	if (memcmp(again, text, len) != 0) {
		return -1;
	}
	memcpy(out, raw, (size_t)n);
	return n;
}

void credential_xiaozhi_password(const struct digest_key *key, const char *client_id, const char *username,
				 char out[CREDENTIAL_PASSWORD_SIZE])
{
	uint8_t mac[DIGEST_SHA256_LEN];
	out[0] = '\0';
	if (sign(key, client_id, username, NULL, mac)) {
		base64(out, mac, sizeof mac);
	}
}

/* Nothing that would end the text it is put into. */
static bool is_ip(const char *s)
{
	while ((*s >= '0' && *s <= '9') || ((*s | 0x20) >= 'a' && (*s | 0x20) <= 'f') || *s == '.' || *s == ':') {
		s++;
	}
	return *s == '\0';
}

static bool issue_xiaozhi(const struct credential_keys *keys, const char *client_id, uint32_t epoch, const char *ip, struct credential *out)
{
	char mem[JSON_MAX];
	struct buf json;
	if (!is_ip(ip)) {
		return false;
	}
	buf_init_fixed(&json, mem, sizeof mem);
	buf_puts(&json, "{\"ip\":\"");
	buf_puts(&json, ip);
	buf_puts(&json, "\",\"epoch\":");
	buf_put_u64(&json, epoch);
	buf_puts(&json, ",\"key\":\"");
	buf_puts(&json, keys->at[0].id);
	buf_puts(&json, "\"}");
	if (!buf_ok(&json) || json.len / 3 * 4 + 5 > sizeof out->username) {
		return false;
	}
	base64(out->username, json.data, json.len);
	credential_xiaozhi_password(keys->at[0].key, client_id, out->username, out->password);
	return true;
}

static void plain_password(const struct credential_keys *keys, const char *client_id, const char *device, uint32_t epoch,
			   char out[CREDENTIAL_PASSWORD_SIZE])
{
	char number[16];
	uint8_t mac[DIGEST_SHA256_LEN] = {0};
	char signature[SIGNATURE_LEN + 1];
	snprintf(number, sizeof number, "%" PRIu32, epoch);
	sign(keys->at[0].key, client_id, device, number, mac);
	text_base64url(signature, mac, sizeof mac);
	snprintf(out, CREDENTIAL_PASSWORD_SIZE, "%s.%s.%s", number, keys->at[0].id, signature);
}

bool credential_issue(const struct credential_keys *keys, const char *client_id, const char *device, uint32_t epoch, const char *ip,
		      struct credential *out)
{
	if (keys->count == 0 || epoch == 0 || epoch > CREDENTIAL_EPOCH_MAX || !text_is_device_name(device) ||
	    !credential_check_client_id(client_id, device, NULL)) {
		return false;
	}
	if (strstr(client_id, SEPARATOR)) {
		return issue_xiaozhi(keys, client_id, epoch, ip, out);
	}
	text_copy(out->username, sizeof out->username, device);
	plain_password(keys, client_id, device, epoch, out->password);
	return true;
}

/* --- verify --- */

static bool parse_epoch(const char *text, uint32_t *out)
{
	uint64_t n;
	if (*text == '0' || !text_to_u64(text, &n) || n > CREDENTIAL_EPOCH_MAX) {
		return false;
	}
	*out = (uint32_t)n;
	return true;
}

/* The key of that id; "" = any (a public gateway's user names do not say). count: none. */
static size_t find_key(const struct credential_keys *keys, const char *id)
{
	size_t i = 0;
	while (i < keys->count && strcmp(keys->at[i].id, id) != 0) {
		i++;
	}
	return i;
}

struct plain_password {
	char epoch[12];
	char key_id[CREDENTIAL_KEY_ID_SIZE];
	uint8_t mac[DIGEST_SHA256_LEN];
};

static bool take_field(const char **at, char *out, size_t size)
{
	size_t len = strcspn(*at, ".");
	if ((*at)[len] != '.' || len == 0 || len >= size) {
		return false;
	}
	memcpy(out, *at, len);
	out[len] = '\0';
	*at += len + 1;
	return true;
}

static bool split_plain(const char *password, struct plain_password *out)
{
	const char *at = password;
	return take_field(&at, out->epoch, sizeof out->epoch) && take_field(&at, out->key_id, sizeof out->key_id) &&
	       strnlen(at, SIGNATURE_LEN + 1) == SIGNATURE_LEN &&
	       text_unbase64url(at, SIGNATURE_LEN, out->mac, sizeof out->mac) == sizeof out->mac;
}

/* An unknown key costs the time of a known one. */
static enum credential_verdict judge(const struct credential_keys *keys, size_t key, const uint8_t expected[DIGEST_SHA256_LEN],
				     const uint8_t given[DIGEST_SHA256_LEN])
{
	bool equal = digest_equal(expected, given, DIGEST_SHA256_LEN);
	return key == keys->count ? CREDENTIAL_UNKNOWN_KEY : equal ? CREDENTIAL_GOOD : CREDENTIAL_WRONG;
}

static enum credential_verdict verify_plain(const struct credential_keys *keys, const char *client_id, const char *username,
					    const char *password, uint32_t *epoch)
{
	struct plain_password p;
	uint8_t mac[DIGEST_SHA256_LEN];
	if (!split_plain(password, &p) || !parse_epoch(p.epoch, epoch)) {
		return CREDENTIAL_MALFORMED;
	}
	size_t key = find_key(keys, p.key_id);
	return sign(keys->at[key < keys->count ? key : 0].key, client_id, username, p.epoch, mac) ? judge(keys, key, mac, p.mac)
												  : CREDENTIAL_MALFORMED;
}

/* epoch 0 and key "" where the user name does not tell. */
static bool parse_username(const char *username, uint32_t *epoch, char key_id[CREDENTIAL_KEY_ID_SIZE])
{
	char text[JSON_MAX];
	int64_t number = 0;
	int len = unbase64(username, strnlen(username, CREDENTIAL_USERNAME_SIZE), text);
	scoped_json struct cJSON *json = len > 0 ? json_parse_object(text, (size_t)len, NULL) : NULL;
	if (!json || !json_int(json, "epoch", false, 1, CREDENTIAL_EPOCH_MAX, &number, NULL) ||
	    !json_text(json, "key", false, key_id, CREDENTIAL_KEY_ID_SIZE, NULL)) {
		return false;
	}
	*epoch = (uint32_t)number;
	return true;
}

static enum credential_verdict verify_xiaozhi(const struct credential_keys *keys, const char *client_id, const char *username,
					      const char *password, uint32_t *epoch)
{
	char key_id[CREDENTIAL_KEY_ID_SIZE];
	char expected[CREDENTIAL_PASSWORD_SIZE];
	if (!parse_username(username, epoch, key_id) || strnlen(password, XIAOZHI_PASSWORD + 1) != XIAOZHI_PASSWORD) {
		return CREDENTIAL_MALFORMED;
	}
	bool any = *key_id == '\0';
	bool good = false;
	bool known = false;
	for (size_t i = 0; i < keys->count; i++) {
		credential_xiaozhi_password(keys->at[i].key, client_id, username, expected);
		bool asked = any || strcmp(keys->at[i].id, key_id) == 0;
		good |= digest_equal(expected, password, XIAOZHI_PASSWORD) && asked;
		known |= asked;
	}
	return good ? CREDENTIAL_GOOD : known ? CREDENTIAL_WRONG : CREDENTIAL_UNKNOWN_KEY;
}

enum credential_verdict credential_verify(const struct credential_keys *keys, const char *client_id, const char *username,
					  const char *password, char device[CREDENTIAL_DEVICE_SIZE], uint32_t *epoch)
{
	if (!client_id || !username || !password || keys->count == 0 ||
	    strnlen(username, CREDENTIAL_USERNAME_SIZE) == CREDENTIAL_USERNAME_SIZE || !credential_device(client_id, username, device)) {
		return CREDENTIAL_MALFORMED;
	}
	return strstr(client_id, SEPARATOR) ? verify_xiaozhi(keys, client_id, username, password, epoch)
					    : verify_plain(keys, client_id, username, password, epoch);
}

const char *credential_verdict_name(enum credential_verdict verdict)
{
	static const char *const names[] = {"good", "malformed", "unknown_key", "wrong"};
	return names[verdict];
}
