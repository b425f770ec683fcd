#include "dialect/xiaozhi_check.h"

#include <string.h>

#include "common/err.h"
#include "common/text.h"
#include "dialect/xiaozhi_json.h"

enum { APP = 0, SLOT_FIRST = 16, SLOT_LAST = 31 };

/* ---- the headers ---- */

static void lower(char *s)
{
	for (; *s; s++) {
		*s = (char)(*s >= 'A' && *s <= 'Z' ? *s - 'A' + 'a' : *s);
	}
}

/* Printable ASCII without blanks, at most max characters. */
static bool is_word(const char *s, size_t len, size_t max)
{
	for (size_t i = 0; i < len; i++) {
		if (s[i] <= ' ' || s[i] > '~') {
			return false;
		}
	}
	return len > 0 && len <= max;
}

static void take_mac(struct xiaozhi_check *out)
{
	for (int i = 0; i < 6; i++) {
		memcpy(out->name + 3 * i, out->mac + 2 * i, 2);
		out->name[3 * i + 2] = '_';
	}
	out->name[sizeof out->name - 1] = '\0';
	lower(out->name);
}

static bool is_uuid(const char *s)
{
	static const char form[] = "xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx";
	for (size_t i = 0; i < sizeof form; i++) {
		bool hex = (s[i] >= '0' && s[i] <= '9') || ((s[i] | 0x20) >= 'a' && (s[i] | 0x20) <= 'f');
		if (form[i] == 'x' ? !hex : s[i] != form[i]) {
			return false;
		}
	}
	return true;
}

static void take_client(struct xiaozhi_check *out, const char *client)
{
	if (out->told.client_uuid[0] || !client || !text_is_key(client)) {
		return;
	}
	memcpy(out->told.client_uuid, client, strlen(client) + 1);
	out->client_is_uuid = is_uuid(client);
	if (out->client_is_uuid) {
		lower(out->told.client_uuid);
	}
}

/* The first tag of "zh-CN,zh;q=0.9". */
static void take_language(struct xiaozhi_check *out, const char *language)
{
	size_t len = language ? strcspn(language, ",; ") : 0;
	if (out->told.language[0] || len == 0 || len >= sizeof out->told.language) {
		return;
	}
	for (size_t i = 0; i < len; i++) {
		char c = language[i];
		if (!(c >= '0' && c <= '9') && !(c >= 'A' && c <= 'Z') && !(c >= 'a' && c <= 'z') && c != '-') {
			return;
		}
	}
	memcpy(out->told.language, language, len);
	out->told.language[len] = '\0';
}

/* "esp-box-3/1.5.6" and nothing else: what browsers and scripts send names no board. */
static void take_agent(struct xiaozhi_check *out, const char *agent)
{
	const char *slash = agent ? strrchr(agent, '/') : NULL;
	if (!slash) {
		return;
	}
	size_t name = (size_t)(slash - agent);
	size_t version = strlen(slash + 1);
	if (!is_word(agent, name, sizeof out->told.board_name - 1) || !is_word(slash + 1, version, sizeof out->version - 1)) {
		return;
	}
	memcpy(out->told.board_name, agent, name);
	out->told.board_name[name] = '\0';
	memcpy(out->version, slash + 1, version + 1);
}

/* "1", "2", or a client's own version that begins so ("2.1.1"). */
static void take_activation(struct xiaozhi_check *out, const struct xiaozhi_headers *headers)
{
	const char *version = headers->activation_version;
	const char *serial = headers->serial_number;
	if (version && (*version == '1' || *version == '2') && (version[1] == '\0' || version[1] == '.')) {
		out->activation_version = *version - '0';
	}
	if (out->activation_version == 2 && serial && is_word(serial, strlen(serial), SERIAL_SIZE - 1)) {
		memcpy(out->serial, serial, strlen(serial) + 1);
	}
}

static bool take_headers(struct xiaozhi_check *out, const struct xiaozhi_headers *headers, struct err *err)
{
	const char *id = headers->device_id;
	if (!id || !*id) {
		return err_set(err, ERR_MISSING, "the header Device-Id is missing");
	}
	if (!mac_parse(id, out->mac)) {
		return err_set(err, ERR_INVALID, "the header Device-Id is not a MAC address");
	}
	take_mac(out);
	take_client(out, headers->client_id);
	take_language(out, headers->accept_language);
	take_language(out, headers->x_language);
	take_agent(out, headers->user_agent);
	take_activation(out, headers);
	return true;
}

/* ---- the body ---- */

enum { LANGUAGE, FLASH_SIZE, FREE_HEAP, MAC, MAC_SPACED, UUID, CHIP, APPLICATION, PARTITIONS, OTA, BOARD, ROOT_NAMES };
static const struct xiaozhi_json_name root_names[ROOT_NAMES] = {
	[LANGUAGE] = {XIAOZHI_JSON_NAME("language")},
	[FLASH_SIZE] = {XIAOZHI_JSON_NAME("flash_size")},
	[FREE_HEAP] = {XIAOZHI_JSON_NAME("minimum_free_heap_size")},
	[MAC] = {XIAOZHI_JSON_NAME("mac_address")},
	[MAC_SPACED] = {XIAOZHI_JSON_NAME("mac address")},
	[UUID] = {XIAOZHI_JSON_NAME("uuid")},
	[CHIP] = {XIAOZHI_JSON_NAME("chip_model_name")},
	[APPLICATION] = {XIAOZHI_JSON_NAME("application")},
	[PARTITIONS] = {XIAOZHI_JSON_NAME("partition_table")},
	[OTA] = {XIAOZHI_JSON_NAME("ota")},
	[BOARD] = {XIAOZHI_JSON_NAME("board")},
};

enum { VERSION, ELF_SHA256, APPLICATION_NAMES };
static const struct xiaozhi_json_name application_names[APPLICATION_NAMES] = {
	[VERSION] = {XIAOZHI_JSON_NAME("version")}, [ELF_SHA256] = {XIAOZHI_JSON_NAME("elf_sha256")}};

enum { TYPE, NAME, BOARD_NAMES };
static const struct xiaozhi_json_name board_names[BOARD_NAMES] = {
	[TYPE] = {XIAOZHI_JSON_NAME("type")}, [NAME] = {XIAOZHI_JSON_NAME("name")}};

enum { P_LABEL, P_TYPE, P_SUBTYPE, P_SIZE, PARTITION_NAMES };
static const struct xiaozhi_json_name partition_names[PARTITION_NAMES] = {[P_LABEL] = {XIAOZHI_JSON_NAME("label")},
									  [P_TYPE] = {XIAOZHI_JSON_NAME("type")},
									  [P_SUBTYPE] = {XIAOZHI_JSON_NAME("subtype")},
									  [P_SIZE] = {XIAOZHI_JSON_NAME("size")}};

static const struct xiaozhi_json_name ota_names[] = {{XIAOZHI_JSON_NAME("label")}};

/* What a body's objects hold, by token. */
struct body {
	int root[ROOT_NAMES];
	int application[APPLICATION_NAMES];
	int board[BOARD_NAMES];
};

/* *readable = false: it says something twice. A Wi-Fi's name can do that to an unescaped body; whose word counts is not ours to choose. */
static bool find(const struct xiaozhi_json *json, struct body *body, bool *readable, struct err *err)
{
	if (!xiaozhi_json_is_object(json, 0)) {
		return err_set(err, ERR_INVALID, "the body is JSON, but not an object");
	}
	*readable = xiaozhi_json_members(json, 0, root_names, ROOT_NAMES, body->root);
	if (!*readable) {
		return true;
	}
	if (!xiaozhi_json_is_object(json, body->root[APPLICATION])) {
		return err_set(err, ERR_INVALID, "the body has no application object");
	}
	if (!xiaozhi_json_is_object(json, body->root[BOARD])) {
		return err_set(err, ERR_INVALID, "the body has no board object");
	}
	*readable = xiaozhi_json_members(json, body->root[APPLICATION], application_names, APPLICATION_NAMES, body->application) &&
		    xiaozhi_json_members(json, body->root[BOARD], board_names, BOARD_NAMES, body->board);
	return true;
}

static bool same_mac(const struct xiaozhi_json *json, int token, const char *mac, struct err *err)
{
	char text[NAME_SIZE];
	char other[MAC_SIZE];
	if (token == XIAOZHI_JSON_ABSENT) {
		return true;
	}
	bool is_text = xiaozhi_json_text(json, token, text, sizeof text);
	if (is_text && text[0] == '\0') { /* unknown to its sender */
		return true;
	}
	if (is_text && mac_parse(text, other) && strcmp(other, mac) == 0) {
		return true;
	}
	return err_set(err, ERR_INVALID, "the body's mac_address is not the header's Device-Id");
}

static bool take_required(const struct xiaozhi_json *json, const struct body *body, struct xiaozhi_check *out, struct err *err)
{
	char version[VERSION_SIZE];
	if (!xiaozhi_json_text(json, body->application[VERSION], version, sizeof version) || version[0] == '\0') {
		return err_set(err, ERR_INVALID, "the body's application.version is missing or not a text");
	}
	if (!xiaozhi_json_text(json, body->board[TYPE], out->told.board_type, sizeof out->told.board_type) ||
	    out->told.board_type[0] == '\0') {
		return err_set(err, ERR_INVALID, "the body's board.type is missing or not a text");
	}
	memcpy(out->version, version, sizeof version);
	return true;
}

static void take_partition(const struct xiaozhi_json *json, int entry, struct xiaozhi_check *out)
{
	int at[PARTITION_NAMES];
	int64_t type;
	int64_t subtype;
	int64_t size;
	struct told_partition *p = &out->told.partitions[out->told.partition_count];
	if (!xiaozhi_json_members(json, entry, partition_names, PARTITION_NAMES, at) ||
	    !xiaozhi_json_text(json, at[P_LABEL], p->label, sizeof p->label) || !xiaozhi_json_int(json, at[P_TYPE], 0, UINT8_MAX, &type) ||
	    !xiaozhi_json_int(json, at[P_SUBTYPE], 0, UINT8_MAX, &subtype) || !xiaozhi_json_int(json, at[P_SIZE], 0, UINT32_MAX, &size)) {
		return;
	}
	p->type = (uint8_t)type;
	p->subtype = (uint8_t)subtype;
	p->size = (uint32_t)size;
	out->told.partition_count++;
}

static void take_slot(const struct xiaozhi_json *json, int ota, struct xiaozhi_check *out)
{
	int label;
	if (!xiaozhi_json_members(json, ota, ota_names, 1, &label) ||
	    !xiaozhi_json_text(json, label, out->told.slot, sizeof out->told.slot)) {
		return;
	}
	const struct told_partition *running = told_find(&out->told, out->told.slot);
	if (running && running->type == APP && running->subtype >= SLOT_FIRST && running->subtype <= SLOT_LAST) {
		out->slot = running->subtype - SLOT_FIRST;
	}
}

/* What is odd here is unknown, not an error: the seeds have digests of 63 and 48 digits, and heaps that are strings. */
static void take_optional(const struct xiaozhi_json *json, const struct body *body, struct xiaozhi_check *out)
{
	char text[NAME_SIZE];
	const int *root = body->root;
	if (xiaozhi_json_text(json, root[UUID], text, sizeof text)) {
		take_client(out, text);
	}
	if (xiaozhi_json_text(json, root[LANGUAGE], text, sizeof text)) {
		take_language(out, text);
	}
	if (xiaozhi_json_text(json, body->board[NAME], text, sizeof text) && text[0]) {
		memcpy(out->told.board_name, text, sizeof text);
	}
	out->told.has_elf = xiaozhi_json_text(json, body->application[ELF_SHA256], text, sizeof text) &&
			    text_unhex(text, out->told.elf_sha256, sizeof out->told.elf_sha256);
	xiaozhi_json_text(json, root[CHIP], out->told.chip, sizeof out->told.chip);
	xiaozhi_json_int(json, root[FLASH_SIZE], 0, INT64_MAX, &out->told.flash_size);
	xiaozhi_json_int(json, root[FREE_HEAP], 0, INT64_MAX, &out->free_heap);
	int entry = xiaozhi_json_first(json, root[PARTITIONS]);
	while (entry != XIAOZHI_JSON_ABSENT && out->told.partition_count < TOLD_PARTITIONS) {
		take_partition(json, entry, out);
		entry = xiaozhi_json_next(json, root[PARTITIONS], entry);
	}
	take_slot(json, root[OTA], out);
}

static bool take_body(const char *text, size_t len, struct xiaozhi_check *out, struct err *err)
{
	struct xiaozhi_json json;
	struct body body;
	bool readable = false;
	if (!xiaozhi_json_parse(&json, text, len)) {
		return true;
	}
	if (!find(&json, &body, &readable, err)) {
		return false;
	}
	if (!readable) {
		return true;
	}
	if (!same_mac(&json, body.root[MAC], out->mac, err) || !same_mac(&json, body.root[MAC_SPACED], out->mac, err) ||
	    !take_required(&json, &body, out, err)) {
		return false;
	}
	take_optional(&json, &body, out);
	out->told.read = true;
	return true;
}

bool xiaozhi_check_decode(const struct xiaozhi_headers *headers, const char *body, size_t len, struct xiaozhi_check *out, struct err *err)
{
	memset(out, 0, offsetof(struct xiaozhi_check, told.partitions));
	out->slot = -1;
	if (len > XIAOZHI_CHECK_BODY_MAX) {
		return err_set(err, ERR_TOO_LARGE, "the body has more than %d bytes", XIAOZHI_CHECK_BODY_MAX);
	}
	return take_headers(out, headers, err) && take_body(body, len, out, err);
}
