/* The plugin between a broker that is played here and whatever clients may do. One step a line: a letter, the number of a client, and
 * arguments with tabs between them.
 *
 *   A0client_id\tusername\tpassword   logs in with just that          P0name\tclient_id\tepoch   a device, rightly signed
 *   X0client_id                       one of the xiaozhi form         S0client_id                 the service
 *   R0topic  W0topic\tpayload  w0... retained  U0filter  N0filter     reads, writes, subscribes, unsubscribes
 *   C0payload   asks on the control topic      M0topic\tpayload       publishes
 *   D0  disconnects      T  ticks      H  SIGHUP
 *
 * What must hold: numbers of messages only grow; what is told is JSON within its bounds; whoever takes the events and dumps in order knows
 * who is connected; nobody writes beyond its tree.
 */
#include <cjson/cJSON.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/credential.h"
#include "common/json.h"
#include "common/scoped.h"
#include "common/text.h"
#include "fuzz.h"
#include "plugin/broker.h"

#define KEYS "k1 first-signing-secret-0123456789\nk2 second-signing-secret-0123456789\n"
#define SECRET "password-of-the-service-0123456789"
#define CONTROL "$CONTROL/otad/v1"

enum {
	CLIENTS = 10,
	EVENTS = 11,
	KNOWN = 64, /* names the listener keeps */
	FLOOD = 70000,
	PENDING = 65536, /* what the plugin keeps */
};

/* --- the broker --- */

struct mosquitto {
	char *id;
	char *username;
	int subs;
	bool connected;
};

static struct mosquitto clients[CLIENTS];
static struct {
	MOSQ_FUNC_generic_callback call;
	void *userdata;
} callbacks[EVENTS];

/* What a listener believes. */
static struct {
	char online[KNOWN][CREDENTIAL_DEVICE_SIZE];
	size_t count;
	uint64_t seq;
	size_t events; /* told since the last look */
	unsigned gaps;
	bool complete; /* a dump has ended */
} listener;

int mosquitto_callback_register(mosquitto_plugin_id_t *id, int event, MOSQ_FUNC_generic_callback call, const void *data, void *userdata)
{
	(void)id;
	CHECK(event > 0 && event < EVENTS && !callbacks[event].call);
	CHECK((event == MOSQ_EVT_CONTROL) == (data != NULL));
	callbacks[event].call = call;
	callbacks[event].userdata = userdata;
	return MOSQ_ERR_SUCCESS;
}

int mosquitto_callback_unregister(mosquitto_plugin_id_t *id, int event, MOSQ_FUNC_generic_callback call, const void *data)
{
	(void)id;
	(void)data;
	CHECK(callbacks[event].call == call);
	callbacks[event].call = NULL;
	return MOSQ_ERR_SUCCESS;
}

const char *mosquitto_client_id(const struct mosquitto *client)
{
	return client->id;
}

const char *mosquitto_client_username(const struct mosquitto *client)
{
	return client->username;
}

int mosquitto_client_protocol(const struct mosquitto *client)
{
	(void)client;
	return mp_mqtt;
}

int mosquitto_client_sub_count(const struct mosquitto *client)
{
	CHECK(client->id != NULL); /* never asked about one that is gone */
	return client->subs;
}

__attribute__((format(printf, 2, 3))) void mosquitto_log_printf(int level, const char *format, ...)
{
	char line[1024];
	va_list args;
	(void)level;
	va_start(args, format);
	int len = vsnprintf(line, sizeof line, format, args);
	va_end(args);
	CHECK(len > 0 && (size_t)len < sizeof line && text_is_printable(line, (size_t)len));
}

static int call(int event, void *data)
{
	return callbacks[event].call(event, data, callbacks[event].userdata);
}

static void end(struct mosquitto *client)
{
	struct mosquitto_evt_disconnect event = {.client = client};
	CHECK(call(MOSQ_EVT_DISCONNECT, &event) == MOSQ_ERR_SUCCESS);
	free(client->id);
	free(client->username);
	*client = (struct mosquitto){0};
}

int mosquitto_kick_client_by_clientid(const char *id, bool with_will)
{
	CHECK(id != NULL && !with_will);
	for (int i = 0; i < CLIENTS; i++) {
		if (clients[i].connected && strcmp(clients[i].id, id) == 0) {
			/* As the broker does with a session that stays. */
			struct mosquitto_evt_acl_check again = {
				.client = &clients[i], .topic = "/oc/devices/a/#", .access = MOSQ_ACL_SUBSCRIBE};
			call(MOSQ_EVT_ACL_CHECK, &again);
			end(&clients[i]);
			return MOSQ_ERR_SUCCESS;
		}
	}
	return MOSQ_ERR_NOT_FOUND;
}

/* --- the listener --- */

static size_t place(const char *device)
{
	size_t i = 0;
	while (i < listener.count && strcmp(listener.online[i], device) != 0) {
		i++;
	}
	return i;
}

static void come(const cJSON *name)
{
	CHECK(cJSON_IsString(name) && text_is_device_name(name->valuestring));
	size_t i = place(name->valuestring);
	if (i == listener.count) {
		CHECK(listener.count < KNOWN);
		text_copy(listener.online[listener.count++], CREDENTIAL_DEVICE_SIZE, name->valuestring);
	}
}

static void go(const char *device)
{
	size_t i = place(device);
	if (i < listener.count) {
		memmove(listener.online[i], listener.online[--listener.count], sizeof *listener.online);
	}
}

static void hear_event(const cJSON *event)
{
	const char *kind = cJSON_GetArrayItem(event, 0)->valuestring;
	const cJSON *device = cJSON_GetArrayItem(event, 1);
	int members = cJSON_GetArraySize(event);
	CHECK(strlen(kind) == 1 && strchr("csdnf", *kind) && cJSON_IsString(device) && text_is_device_name(device->valuestring));
	CHECK(members == (*kind == 'c' || *kind == 's' ? 4 : *kind == 'f' ? 3 : 2));
	listener.events++;
	if (*kind == 'c') {
		come(device);
	} else if (*kind == 'd') {
		go(device->valuestring);
	}
}

static void hear(const cJSON *json)
{
	const cJSON *at;
	uint64_t seq = (uint64_t)cJSON_GetObjectItem(json, "seq")->valuedouble;
	CHECK(seq > listener.seq && strlen(cJSON_GetObjectItem(json, "boot")->valuestring) == 16);
	if (seq != listener.seq + 1) {
		listener.gaps++;
		listener.count = 0; /* and it would ask for a dump */
	}
	listener.seq = seq;
	const cJSON *events = cJSON_GetObjectItem(json, "events");
	CHECK(cJSON_GetArraySize(events) <= 256);
	cJSON_ArrayForEach(at, events)
	{
		hear_event(at);
	}
	if (cJSON_IsTrue(cJSON_GetObjectItem(json, "first"))) {
		listener.count = 0;
	}
	cJSON_ArrayForEach(at, cJSON_GetObjectItem(json, "online"))
	{
		come(at);
	}
	listener.complete |= cJSON_IsTrue(cJSON_GetObjectItem(json, "last"));
}

void *mosquitto_malloc(size_t size)
{
	return malloc(size);
}

void mosquitto_free(void *mem)
{
	free(mem);
}

int mosquitto_broker_publish(const char *client_id, const char *topic, int len, void *payload, int qos, bool retain,
			     mosquitto_property *properties)
{
	CHECK(topic && len >= 0 && (payload || len == 0) && !retain && !properties);
	if (client_id) {
		CHECK(strncmp(topic, "devices/p2p/", 12) == 0);
		free(payload);
		return MOSQ_ERR_SUCCESS;
	}
	CHECK(qos == 0 && len <= 128 * 1024 && !strpbrk(topic, "+#"));
	scoped_json cJSON *json = json_parse_object(payload, (size_t)len, NULL);
	CHECK(json != NULL);
	if (strcmp(topic, "otad/v1/presence") == 0) {
		hear(json);
	} else {
		CHECK(strncmp(topic, "otad/v1/reply/otad", 18) == 0);
		CHECK(cJSON_IsBool(cJSON_GetObjectItem(json, "ok")) && cJSON_IsString(cJSON_GetObjectItem(json, "id")));
	}
	free(payload);
	return MOSQ_ERR_SUCCESS;
}

/* --- steps --- */

/* One field up to a tab; NULL when there is none. */
static char *field(char **at)
{
	return *at ? strsep(at, "\t") : NULL;
}

static char *copy(const char *text)
{
	char *out = text ? strdup(text) : NULL;
	CHECK(!text || out);
	return out;
}

/* The same id ends the connection that had it, after the new one was let in. */
static void take_over(const struct mosquitto *client)
{
	for (int i = 0; i < CLIENTS; i++) {
		if (&clients[i] != client && clients[i].connected && strcmp(clients[i].id, client->id) == 0) {
			end(&clients[i]);
		}
	}
}

static bool log_in(struct mosquitto *client, const char *id, const char *username, char *password)
{
	if (client->connected || !id) {
		return false;
	}
	*client = (struct mosquitto){.id = copy(id), .username = copy(username), .subs = (int)strlen(id) % 2};
	struct mosquitto_evt_basic_auth event = {.client = client, .username = client->username, .password = password};
	int rc = call(MOSQ_EVT_BASIC_AUTH, &event);
	CHECK(rc == MOSQ_ERR_SUCCESS || rc == MOSQ_ERR_AUTH);
	if (rc != MOSQ_ERR_SUCCESS) {
		free(client->id);
		client->id = NULL;
		end(client);
		return false;
	}
	client->connected = true;
	take_over(client);
	return true;
}

static void log_in_signed(struct mosquitto *client, const char *name, const char *id, const char *epoch)
{
	static struct credential_keys keys;
	struct credential issued;
	uint64_t number = 1;
	if (keys.count == 0) {
		CHECK(credential_keys_parse(&keys, KEYS, NULL));
	}
	if (!name || (epoch && (!text_to_u64(epoch, &number) || number > CREDENTIAL_EPOCH_MAX)) ||
	    !credential_issue(&keys, id ? id : name, name, (uint32_t)number, "", &issued)) {
		return;
	}
	log_in(client, id ? id : name, issued.username, issued.password);
}

static void log_in_xiaozhi(struct mosquitto *client, const char *id)
{
	char device[CREDENTIAL_DEVICE_SIZE];
	if (id && credential_is_xiaozhi(id, device)) {
		log_in_signed(client, device, id, "1");
	}
}

static bool is_service(const struct mosquitto *client)
{
	return client->id && client->username && credential_is_service_id(client->id) && strcmp(client->username, "otad") == 0;
}

static bool may(struct mosquitto *client, int access, char *topic, const char *payload, bool retain)
{
	char device[CREDENTIAL_DEVICE_SIZE];
	struct mosquitto_evt_acl_check event = {.client = client,
						.topic = topic,
						.payload = payload,
						.payloadlen = payload ? (uint32_t)strlen(payload) : 0,
						.access = access,
						.retain = retain};
	int rc = call(MOSQ_EVT_ACL_CHECK, &event);
	CHECK(rc == MOSQ_ERR_SUCCESS || rc == MOSQ_ERR_ACL_DENIED);
	if (rc != MOSQ_ERR_SUCCESS) {
		return false;
	}
	if (access != MOSQ_ACL_UNSUBSCRIBE && !is_service(client)) {
		CHECK(credential_device(client->id, client->username, device) && strstr(topic, device) && !retain);
		CHECK(strncmp(topic, "/oc/devices/", 12) == 0 || strncmp(topic, "device-server/", 14) == 0);
	}
	client->subs += access == MOSQ_ACL_SUBSCRIBE;
	return true;
}

static void publish(struct mosquitto *client, char *topic, char *payload)
{
	struct mosquitto_evt_message event = {.client = client, .topic = topic, .payload = payload, .qos = 1, .retain = true};
	event.payloadlen = payload ? (uint32_t)strlen(payload) : 0;
	if (may(client, MOSQ_ACL_WRITE, topic, payload, false)) {
		CHECK(call(MOSQ_EVT_MESSAGE, &event) == MOSQ_ERR_SUCCESS && event.topic == topic && event.payload == payload);
	}
}

static void ask(struct mosquitto *client, const char *payload)
{
	static char topic[] = CONTROL;
	struct mosquitto_evt_control event = {.client = client, .topic = topic, .payload = payload};
	event.payloadlen = payload ? (uint32_t)strlen(payload) : 0;
	if (may(client, MOSQ_ACL_WRITE, topic, payload, false)) {
		CHECK(is_service(client) && call(MOSQ_EVT_CONTROL, &event) == MOSQ_ERR_SUCCESS);
	}
}

static void tick(void)
{
	struct mosquitto_evt_tick event = {0};
	CHECK(call(MOSQ_EVT_TICK, &event) == MOSQ_ERR_SUCCESS);
}

/* The broker asks again for everyone, and for one that is away. */
static void reload(void)
{
	static struct mosquitto away;
	static char id[] = "away";
	struct mosquitto_evt_reload event = {0};
	away = (struct mosquitto){.id = id, .username = id};
	tick();
	CHECK(call(MOSQ_EVT_RELOAD, &event) == MOSQ_ERR_SUCCESS);
	struct mosquitto_evt_basic_auth ask_away = {.client = &away, .username = id};
	CHECK(call(MOSQ_EVT_BASIC_AUTH, &ask_away) == MOSQ_ERR_SUCCESS);
	for (int i = 0; i < CLIENTS; i++) {
		struct mosquitto_evt_basic_auth again = {.client = &clients[i], .username = clients[i].username};
		if (clients[i].connected && call(MOSQ_EVT_BASIC_AUTH, &again) != MOSQ_ERR_SUCCESS) {
			end(&clients[i]); /* this broker remembers no password */
		}
	}
	tick();
}

static void step(char *line)
{
	if (!line[0]) {
		return;
	}
	struct mosquitto *client = &clients[line[1] >= '0' && line[1] <= '8' ? line[1] - '0' : 0];
	char *at = line[1] ? line + 2 : NULL;
	char *first = field(&at);
	char *second = field(&at);
	char *third = field(&at);
	if (strchr("RWwUNCMD", line[0]) && !client->connected) {
		return;
	}
	switch (line[0]) {
	case 'A':
		log_in(client, first, second, third);
		break;
	case 'P':
		log_in_signed(client, first, second, third);
		break;
	case 'X':
		log_in_xiaozhi(client, first);
		break;
	case 'S': {
		char secret[] = SECRET;
		log_in(client, first, "otad", secret);
		break;
	}
	case 'R':
		may(client, MOSQ_ACL_READ, first ? first : line, second, false);
		break;
	case 'W':
	case 'w':
		may(client, MOSQ_ACL_WRITE, first ? first : line, second, line[0] == 'w');
		break;
	case 'U':
		may(client, MOSQ_ACL_SUBSCRIBE, first ? first : line, NULL, false);
		break;
	case 'N':
		may(client, MOSQ_ACL_UNSUBSCRIBE, first ? first : line, NULL, false);
		break;
	case 'C':
		ask(client, first);
		break;
	case 'M':
		publish(client, first ? first : line, second);
		break;
	case 'D':
		end(client);
		break;
	case 'T':
		tick();
		break;
	case 'H':
		reload();
		break;
	default:
		break;
	}
}

/* --- the end of a run --- */

/* The listener asks once more, and knows who is there. */
static void check_truth(bool flooded)
{
	static char dump[] = "{\"id\":\"last\",\"cmd\":\"dump\"}";
	char secret[] = SECRET;
	char device[CREDENTIAL_DEVICE_SIZE];
	tick(); /* ends what H began */
	listener.complete = false;
	for (int i = 0; i < 200 && !listener.complete; i++) {
		tick();
		CHECK(i > 0 || log_in(&clients[CLIENTS - 1], "otad:fuzz-listener", "otad", secret));
		ask(&clients[CLIENTS - 1], dump);
	}
	CHECK(listener.complete);
	for (int i = 0; i < 50; i++) {
		usleep(flooded ? 30000 : 0); /* events are gathered for some milliseconds */
		tick();
	}
	CHECK((listener.gaps > 0) == flooded);
	size_t devices = 0;
	bool seen[KNOWN] = {false};
	for (int i = 0; i < CLIENTS; i++) {
		if (clients[i].connected && !is_service(&clients[i])) {
			CHECK(credential_device(clients[i].id, clients[i].username, device));
			size_t at = place(device);
			CHECK(at < listener.count);
			devices += !seen[at];
			seen[at] = true;
		}
	}
	CHECK(devices == listener.count);
}

static char directory[64];
static char paths[3][96];
static const char *const names[] = {"keys_file", "service_secret_file", "state_file"};

static void leave(void)
{
	for (int i = 0; i < 3; i++) {
		unlink(paths[i]);
	}
	rmdir(directory);
}

static void write_secret(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	CHECK(fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text));
	close(fd);
}

static void *start(void)
{
	void *userdata = NULL;
	struct mosquitto_opt options[3];
	for (int i = 0; i < 3; i++) {
		options[i] = (struct mosquitto_opt){copy(names[i]), paths[i]};
	}
	unlink(paths[2]);
	memset(&listener, 0, sizeof listener);
	CHECK(mosquitto_plugin_version(1, (const int[]){MOSQ_PLUGIN_VERSION}) == MOSQ_PLUGIN_VERSION);
	static char id[16]; /* only the broker looks into it */
	CHECK(mosquitto_plugin_init((mosquitto_plugin_id_t *)(void *)id, &userdata, options, 3) == MOSQ_ERR_SUCCESS);
	for (int i = 0; i < 3; i++) {
		free(options[i].key);
	}
	return userdata;
}

static void stop(void *plugin)
{
	for (int i = 0; i < CLIENTS; i++) {
		if (clients[i].connected) {
			end(&clients[i]);
		}
	}
	CHECK(mosquitto_plugin_cleanup(plugin, NULL, 0) == MOSQ_ERR_SUCCESS);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fuzz_input in = {data, size};
	void *plugin = start();
	tick();
	while (in.left) {
		scoped_free char *line = fuzz_line(&in);
		step(line);
	}
	check_truth(false);
	stop(plugin);
	return 0;
}

/* More than is kept is told as a gap. Once, since it takes its time. */
static void flood(void)
{
	void *plugin = start();
	char secret[] = SECRET;
	char topic[64];
	tick();
	CHECK(log_in(&clients[0], "otad", "otad", secret));
	log_in_signed(&clients[1], "lamp-1", NULL, NULL);
	for (int i = 0; i < FLOOD; i++) {
		struct mosquitto_evt_message event = {.client = &clients[0], .topic = topic, .qos = 1};
		snprintf(topic, sizeof topic, "devices/p2p/absent-%d", i);
		CHECK(call(MOSQ_EVT_MESSAGE, &event) == MOSQ_ERR_SUCCESS);
	}
	end(&clients[1]); /* this is not told any more */
	check_truth(true);
	CHECK(listener.events == PENDING);
	stop(plugin);
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	(void)argc;
	(void)argv;
	snprintf(directory, sizeof directory, "%s/otad-fuzz-XXXXXX", access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp");
	CHECK(mkdtemp(directory) != NULL);
	for (int i = 0; i < 3; i++) {
		snprintf(paths[i], sizeof paths[i], "%s/%s", directory, names[i]);
	}
	write_secret(paths[0], KEYS);
	write_secret(paths[1], SECRET "\n");
	atexit(leave);
	flood();
	return 0;
}
