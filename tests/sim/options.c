#include "options.h"

#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/err.h"
#include "common/text.h"
#include "flash.h"
#include "generation.h"

enum type { HEADING, FLAG, TEXT, NUMBER, DURATION, BYTES };

struct option {
	const char *name; /* of a HEADING: its text */
	enum type type;
	const char *value; /* what --help calls it */
	size_t at;
	int64_t min; /* of a NUMBER */
	int64_t max;
	const char *help;
};

#define AT(field) offsetof(struct options, field)

static const struct option TABLE[] = {
	{"Which devices", HEADING, NULL, 0, 0, 0, NULL},
	{"device", TEXT, "NAME", AT(device), 0, 0, "one device of that name"},
	{"devices", TEXT, "PREFIX", AT(prefix), 0, 0, "many: PREFIX1, PREFIX2 ... (with --count)"},
	{"count", NUMBER, "N", AT(count), 1, 100000, "how many (default 1)"},
	{"first", NUMBER, "N", AT(first), 0, 1000000000, "number of the first (default 1)"},

	{"Where to", HEADING, NULL, 0, 0, 0, NULL},
	{"mqtt", TEXT, "HOST:PORT", AT(mqtt), 0, 0,
	 "the broker; none: only HTTP (default $OTAD_MQTT_HOST:$OTAD_MQTT_PORT; with --poll: none)"},
	{"url", TEXT, "URL", AT(url), 0, 0,
	 "otad, for polls and for pushes without a full URL (default $OTAD_URL or http://127.0.0.1:8080)"},
	{"client-id", TEXT, "TEXT", AT(client_id), 0, 0, "{device} stands for the device's name (default {device})"},
	{"username", TEXT, "TEXT", AT(username), 0, 0, "likewise (default {device}, if there is a password)"},
	{"password-file", TEXT, "FILE", AT(password_file), 0, 0, "its first line is the password (or $OTAD_SIM_PASSWORD holds it)"},
	{"password", TEXT, "TEXT", AT(password), 0, 0, "the same, where everybody on this machine may read it; {device} as above"},
	{"mqtt-keys", TEXT, "FILE", AT(mqtt_keys), 0, 0,
	 "otad's mqtt_keys_file: every device's own password is derived from it, for epoch 1 (default $OTAD_MQTT_KEYS_FILE; none)"},
	{"cafile", TEXT, "FILE", AT(cafile), 0, 0, "TLS to the broker, and this CA for it and for https (default $OTAD_CA; none)"},
	{"persistent", FLAG, NULL, AT(persistent), 0, 0, "keep the session at the broker (clean session off)"},
	{"keepalive", NUMBER, "S", AT(keepalive_s), 5, 3600, "MQTT keep-alive in seconds (default 60)"},
	{"parallel", NUMBER, "N", AT(parallel), 1, 100000, "HTTP connections at once, all devices together (default 1000)"},

	{"How a device behaves", HEADING, NULL, 0, 0, 0, NULL},
	{"minimal", FLAG, NULL, AT(minimal), 0, 0,
	 "knows only fileName, version and md5; downloads URL/api/v2/micro/{fileName}; never reports"},
	{"receive-only", FLAG, NULL, AT(receive_only), 0, 0,
	 "a push is done when it has arrived: nothing is downloaded or reported (to measure pushes)"},
	{"report-by", TEXT, "mqtt|none", AT(report_by), 0, 0, "how it reports its version after an update (default mqtt)"},
	{"report-every", DURATION, "TIME", AT(report_every_ms), 0, 0, "repeat an unanswered report (default 3s)"},
	{"hello", FLAG, NULL, AT(hello), 0, 0, "reports its version after each connect, too"},
	{"progress", FLAG, NULL, AT(progress), 0, 0, "reports 0, 10 ... 100 percent while it downloads"},
	{"poll", DURATION, "TIME", AT(poll_ms), 0, 0, "asks URL/api/v2/otaPassiveEnable that often"},
	{"initial-version", TEXT, "V", AT(initial_version), 0, 0,
	 "what it runs at first (default 0.0.0; a Xiaozhi device: its generation)"},
	{"install-ms", NUMBER, "MS", AT(install_ms), 0, 3600000, "how long an install takes (default 100)"},

	{"How it downloads", HEADING, NULL, 0, 0, 0, NULL},
	{"range", BYTES, "BYTES", AT(range), 0, 0, "in parts of that size; an interrupted download goes on where it was"},
	{"drip", BYTES, "BYTES", AT(drip), 0, 0, "slowly: at most that many bytes a second, small receive buffer"},
	{"retries", NUMBER, "N", AT(retries), 0, 100000,
	 "tries again after a lost connection, 408, 429 or 5xx (default 5), one second apart"},

	{"How it goes wrong", HEADING, NULL, 0, 0, 0, NULL},
	{"fail", NUMBER, "STEP", AT(fail), -4, -2, "-2 cannot download, -3 cannot verify, -4 cannot write: reports that step as progress"},
	{"rollback", FLAG, NULL, AT(rollback), 0, 0, "installs, then boots and reports the old version"},
	{"wrong-version", FLAG, NULL, AT(wrong_version), 0, 0, "reports a version nobody asked for (VERSION-wrong)"},
	{"ignore", NUMBER, "N", AT(ignore), 0, 1000000, "overlooks the first N pushes"},
	{"offline-first", DURATION, "TIME", AT(offline_ms), 0, 0, "connects (and polls) only after that time"},

	{"Xiaozhi devices", HEADING, NULL, 0, 0, 0, NULL},
	{"xiaozhi", TEXT, "V,V...|all", AT(xiaozhi), 0, 0,
	 "plays Xiaozhi devices of these firmware versions (or py, web), in turn over the fleet"},
	{"mac", TEXT, "MAC", AT(mac), 0, 0, "of the first; the others count on (default 02:00:00:00:00:00 plus --first)"},
	{"ota-url", TEXT, "URL", AT(ota_url), 0, 0, "as stored in the device (default --url and /xiaozhi/ota/)"},
	{"board", TEXT, "NAME", AT(board), 0, 0, "board.name, the SKU (default bread-compact-wifi)"},
	{"board-type", TEXT, "TYPE", AT(board_type), 0, 0, "board.type (default: as --board)"},
	{"chip", TEXT, "CHIP", AT(chip), 0, 0, "esp32, esp32s3, esp32c3 ... (default esp32s3)"},
	{"network", TEXT, "wifi|4g|ethernet", AT(network), 0, 0, "what the board tells of its network (default wifi)"},
	{"ssid", TEXT, "TEXT", AT(ssid), 0, 0, "put into the body as it is, which a quote in it breaks (default home)"},
	{"language", TEXT, "TAG", AT(language), 0, 0, "default zh-CN"},
	{"image", TEXT, "FILE", AT(image), 0, 0, "the app image it runs at first: version and elf_sha256 come from there"},
	{"slots", NUMBER, "N", AT(slots), 0, 2, "app slots (default 2)"},
	{"slot-size", BYTES, "BYTES", AT(slot_size), 0, 0, "of each (default: as that firmware is shipped)"},
	{"erased", NUMBER, "N", AT(erased), 0, 1000000, "its flash was erased N times: each time another Client-Id"},
	{"serial", TEXT, "TEXT", AT(serial), 0, 0, "serial number in the eFuse; {device} is the MAC with underscores (from 1.7.0)"},
	{"hmac-key", TEXT, "HEX", AT(hmac_key), 0, 0, "32 bytes in the eFuse, which prove it at /activate"},
	{"hmac-text", FLAG, NULL, AT(hmac_text), 0, 0, "the hex digits themselves are the key (as py does)"},
	{"wrapped", FLAG, NULL, AT(wrapped), 0, 0, "sends the proof inside {\"Payload\":{...}} (as py does)"},
	{"boot-over", DURATION, "TIME", AT(boot_over_ms), 0, 0, "the fleet is switched on one after the other over that time"},
	{"reboot-every", DURATION, "TIME", AT(reboot_every_ms), 0, 0, "switched off and on again that long after each good check"},
	{"talk", DURATION, "TIME", AT(talk_ms), 0, 0, "somebody talks to it that often: it says hello on publish_topic"},
	{"speed", NUMBER, "N", AT(speed), 1, 100000, "divides the firmware's own pauses of 3, 10 and 60 s (default 1)"},
	{"bad-image", NUMBER, "N", AT(bad_image), 0, 1000000, "the first N images start but never check: rolled back"},
	{"power-loss", NUMBER, "N", AT(power_loss), 0, 1000000, "loses power half-way through the first N downloads"},

	{"When to stop, what to show", HEADING, NULL, 0, 0, 0, NULL},
	{"exit-after", NUMBER, "N", AT(exit_after), 0, 1000000,
	 "when each device has done N updates; 0: when all are subscribed, or have checked (default: run until stopped)"},
	{"checks", NUMBER, "N", AT(checks), 1, 1000000, "Xiaozhi: when each device has had N good answers to its checks, bound or not"},
	{"timeout", DURATION, "TIME", AT(timeout_ms), 0, 0, "give up then: exit status 1, and what was missing on stderr"},
	{"linger", DURATION, "TIME", AT(linger_ms), 0, 0, "stay that long after the last update, to see what still comes"},
	{"json", FLAG, NULL, AT(json), 0, 0, "one JSON object a line instead of words"},
	{"quiet", FLAG, NULL, AT(quiet), 0, 0, "no events, only the summary at the end"},
	{"help", FLAG, NULL, AT(help), 0, 0, "this text"},
};

enum { OPTIONS = sizeof TABLE / sizeof TABLE[0] };

static const char INTRO[] =
	"otad-sim: plays devices of the oc dialect, or Xiaozhi devices, one or thousands, against a real broker and a real otad.\n"
	"\n"
	"usage: otad-sim --device NAME [options]\n"
	"       otad-sim --devices PREFIX --count N [options]\n"
	"       otad-sim --xiaozhi VERSION [--mac MAC] [--count N] [options]\n"
	"\n"
	"A device connects, subscribes to /oc/devices/{name}/sys/ota and waits. At a push it downloads the file, verifies\n"
	"size, md5 and sha256, \"installs\" it, and reports its version on .../sys/ota/report until .../sys/ota/report_reply\n"
	"says code 200. A push with a task id that it has handled counts as a duplicate and does nothing.\n"
	"\n"
	"A Xiaozhi device checks when it boots, and only then; shows its code until it is activated; downloads what is newer into\n"
	"its other slot, restarts, and goes back unless its next check ends well; connects to the broker it was told, subscribes to\n"
	"nothing, and answers there. USR1 switches all of them off and on. An answer that would make a real device abort, crash or\n"
	"loop is told (harmed), ends that device, and makes the exit status 1.\n"
	"\n"
	"Without words about the login, the environment says how: after `. var/env` of deploy/up, every device logs in.\n"
	"\n"
	"  otad-sim --device esp-1 --exit-after 1                             one update, shown step by step\n"
	"  otad-sim --devices esp- --count 1000 --exit-after 1 --quiet        esp-1 ... esp-1000, a summary\n"
	"  otad-sim --device esp-1 --poll 5s --exit-after 1                   no MQTT: asks every five seconds\n"
	"  otad-sim --device esp-1 --fail -3 --exit-after 1                   finds the file damaged and says so\n"
	"  otad-sim --xiaozhi 2.0.4 --mac 94:a9:90:2c:84:b8                   a Xiaozhi device: shows its code, connects, obeys\n"
	"  otad-sim --xiaozhi all --count 10000 --boot-over 60s --checks 1 --quiet   a fleet of all generations boots\n"
	"  otad-sim --device esp-1 --minimal --drip 20k --exit-after 1        an old, slow device that never reports\n";

static const char OUTRO[] =
	"\n"
	"TIME is 250ms, 5s, 2m (a bare number: seconds). BYTES is 4096, 16k, 1MB.\n"
	"\n"
	"Events, in the order of an update: connected subscribed push (or offer: found by a poll) download downloaded verified\n"
	"installed reported acknowledged done. Otherwise: duplicate ignored busy bad-push retry failed progress disconnected\n"
	"refused (by the broker, or a report by its reply) poll-failed.\n"
	"Of Xiaozhi devices: boot checked check-failed code activated offer download downloaded installed valid rolled-back\n"
	"power-lost failed connected called (by MQTT) done (an image is proven, or was rolled back) harmed.\n"
	"With --json each is one line on stdout: event, device, ms (since 1970), text, and where they apply task, version,\n"
	"bytes; the last line is the event \"summary\" with all counters.\n"
	"\n"
	"When an update is done: with --fail once the failure has been told; with --receive-only once the push is there; with\n"
	"--minimal, --report-by none or no MQTT once it is installed; otherwise once the report is acknowledged.\n"
	"Exit status: 0 if every device finished what was asked, 1 if not, 2 for a wrong command line.\n";

void options_help(void)
{
	fputs(INTRO, stdout);
	for (size_t i = 0; i < OPTIONS; i++) {
		const struct option *o = &TABLE[i];
		if (o->type == HEADING) {
			printf("\n%s:\n", o->name);
			continue;
		}
		char left[40];
		snprintf(left, sizeof left, "--%s%s%s", o->name, o->value ? " " : "", o->value ? o->value : "");
		printf("  %-24s %s\n", left, o->help);
	}
	generation_help();
	fputs(OUTRO, stdout);
}

static bool store(const struct option *opt, struct options *o, const char *text, struct err *err)
{
	char *field = (char *)o + opt->at;
	int64_t number = 0;
	uint64_t bytes = 0;
	bool good = true;
	switch (opt->type) {
	case FLAG:
		memcpy(field, &(bool){true}, sizeof(bool));
		return true;
	case TEXT:
		memcpy(field, &text, sizeof text);
		return true;
	case NUMBER:
		good = text_to_i64(text, &number) && number >= opt->min && number <= opt->max;
		break;
	case DURATION:
		good = text_to_ms(text, &number) && number >= 0;
		break;
	case BYTES:
		good = text_to_bytes(text, &bytes) && bytes <= INT64_MAX;
		number = good ? (int64_t)bytes : 0;
		break;
	case HEADING:
		return false;
	}
	if (!good && opt->type == NUMBER) {
		return err_set(err, ERR_INVALID, "--%s takes a number from %lld to %lld, not \"%s\"", opt->name, (long long)opt->min,
			       (long long)opt->max, text);
	}
	if (!good) {
		return err_set(err, ERR_INVALID, "--%s takes %s, not \"%s\"", opt->name,
			       opt->type == BYTES ? "bytes such as 4096 or 16k" : "a time such as 250ms or 5s", text);
	}
	memcpy(field, &number, sizeof number);
	return true;
}

static const struct option *find(const char *name, size_t len)
{
	for (size_t i = 0; i < OPTIONS; i++) {
		if (TABLE[i].type != HEADING && strlen(TABLE[i].name) == len && memcmp(TABLE[i].name, name, len) == 0) {
			return &TABLE[i];
		}
	}
	return NULL;
}

static bool read_arguments(struct options *o, int argc, char **argv, struct err *err)
{
	for (int i = 1; i < argc; i++) {
		const char *arg = argv[i];
		size_t len = strcspn(arg, "=");
		const struct option *opt = len > 2 && arg[0] == '-' && arg[1] == '-' ? find(arg + 2, len - 2) : NULL;
		if (!opt) {
			return err_set(err, ERR_INVALID, "unknown option \"%s\"; --help lists them", arg);
		}
		const char *value = arg[len] == '=' ? arg + len + 1 : NULL;
		if (opt->type == FLAG && value) {
			return err_set(err, ERR_INVALID, "--%s takes no value", opt->name);
		}
		if (opt->type != FLAG && !value && !(value = argv[++i])) {
			return err_set(err, ERR_INVALID, "--%s needs a value: %s", opt->name, opt->value);
		}
		if (!store(opt, o, value, err)) {
			return false;
		}
	}
	return true;
}

static bool split_broker(struct options *o, struct err *err)
{
	if (!o->mqtt || strcmp(o->mqtt, "none") == 0) {
		return true;
	}
	const char *colon = strrchr(o->mqtt, ':');
	size_t len = colon ? (size_t)(colon - o->mqtt) : strlen(o->mqtt);
	const char *host = o->mqtt;
	if (len > 2 && host[0] == '[' && host[len - 1] == ']') {
		host++;
		len -= 2;
	}
	uint64_t port = 1883;
	if (len == 0 || len >= sizeof o->mqtt_host || (colon && (!text_to_u64(colon + 1, &port) || port == 0 || port > 65535))) {
		return err_set(err, ERR_INVALID, "--mqtt takes HOST:PORT, [IPv6]:PORT or none, not \"%s\"", o->mqtt);
	}
	memcpy(o->mqtt_host, host, len);
	o->mqtt_host[len] = '\0';
	o->mqtt_port = (int)port;
	return true;
}

/* The broker of the environment, unless the command line says where (or wants a device that only polls). */
static bool broker(struct options *o, struct err *err)
{
	const char *host = getenv("OTAD_MQTT_HOST");
	const char *port = getenv("OTAD_MQTT_PORT");
	uint64_t number = 1883;
	if (o->mqtt || o->poll_ms || !host) {
		return split_broker(o, err);
	}
	if (port && (!text_to_u64(port, &number) || number == 0 || number > 65535)) {
		return err_set(err, ERR_INVALID, "OTAD_MQTT_PORT is no port: \"%s\"", port);
	}
	o->mqtt_port = (int)number;
	return text_copy(o->mqtt_host, sizeof o->mqtt_host, host) || err_set(err, ERR_INVALID, "OTAD_MQTT_HOST is too long");
}

static bool check(struct options *o, struct err *err)
{
	if (!o->device == !o->prefix) {
		return err_set(err, ERR_MISSING, "say --device NAME, or --devices PREFIX --count N");
	}
	if (o->device && o->count != 1) {
		return err_set(err, ERR_INVALID, "--count goes with --devices PREFIX, not with --device");
	}
	char last[96]; /* the longest name */
	if (o->device) {
		snprintf(last, sizeof last, "%s", o->device);
	} else {
		snprintf(last, sizeof last, "%.70s%lld", o->prefix, (long long)(o->first + o->count - 1));
	}
	if (!text_is_device_name(last)) {
		return err_set(err, ERR_INVALID, "\"%s\" is no device name: 1 to 64 characters of A-Z a-z 0-9 _ -", last);
	}
	if (!o->mqtt_host[0] && !o->poll_ms) {
		return err_set(err, ERR_MISSING, "no broker and no polling: say --mqtt HOST:PORT or --poll TIME");
	}
	if (strcmp(o->report_by, "mqtt") != 0 && strcmp(o->report_by, "none") != 0) {
		return err_set(err, ERR_INVALID, "--report-by takes mqtt or none, not \"%s\"", o->report_by);
	}
	o->reports = o->mqtt_host[0] && !o->minimal && !o->receive_only && strcmp(o->report_by, "mqtt") == 0;
	if ((o->hello || o->progress) && !o->reports) {
		return err_set(err, ERR_INVALID, "--hello and --progress need a device that reports by MQTT");
	}
	return true;
}

/* "94:a9:90:2c:84:b8", and the devices that follow. */
static bool read_mac(struct options *o, struct err *err)
{
	char hex[13];
	uint8_t raw[6];
	size_t n = 0;
	if (!o->mac) {
		o->mac_number = 0x020000000000 + (uint64_t)o->first;
		return true;
	}
	for (const char *s = o->mac; *s && n < sizeof hex - 1; s++) {
		hex[n] = *s;
		n += *s != ':' && *s != '-' && *s != '_';
	}
	hex[n] = '\0';
	if (n != 12 || !text_unhex(hex, raw, sizeof raw)) {
		return err_set(err, ERR_INVALID, "--mac takes 12 hex digits such as 94:a9:90:2c:84:b8, not \"%s\"", o->mac);
	}
	for (size_t i = 0; i < sizeof raw; i++) {
		o->mac_number = o->mac_number << 8 | raw[i];
	}
	return true;
}

static bool check_xiaozhi(struct options *o, struct err *err)
{
	char key[32];
	if (o->device || o->prefix || o->mqtt || o->poll_ms) {
		return err_set(err, ERR_INVALID, "--xiaozhi devices have a --mac, and are told their broker: no --device, --mqtt, --poll");
	}
	if (o->hmac_key && !text_unhex(o->hmac_key, key, sizeof key)) {
		return err_set(err, ERR_INVALID, "--hmac-key takes 64 hex digits");
	}
	if (flash_chip(o->chip) < 0) {
		return err_set(err, ERR_INVALID, "--chip takes esp32, esp32s2, s3, c2, c3, c6, h2 or p4, not \"%s\"", o->chip);
	}
	if (strcmp(o->network, "wifi") != 0 && strcmp(o->network, "4g") != 0 && strcmp(o->network, "ethernet") != 0) {
		return err_set(err, ERR_INVALID, "--network takes wifi, 4g or ethernet, not \"%s\"", o->network);
	}
	if (!o->ota_url) {
		snprintf(o->ota_url_mem, sizeof o->ota_url_mem, "%.*s/xiaozhi/ota/", o->url_len, o->url);
		o->ota_url = o->ota_url_mem;
	}
	return read_mac(o, err);
}

static bool is_none(const char *text)
{
	return text && (!*text || strcmp(text, "none") == 0);
}

/* One way to log in: what the command line says, else the environment's password, else the environment's keys, else none. */
static bool choose_login(struct options *o, struct err *err)
{
	if (o->mqtt_keys && (o->username || o->password || o->password_file)) {
		return err_set(err, ERR_INVALID, "--mqtt-keys derives user names and passwords: leave --username and --password out");
	}
	if (o->password && o->password_file) {
		return err_set(err, ERR_INVALID, "--password and --password-file: one of them");
	}
	if (!o->mqtt_keys && !o->password && !o->password_file) {
		o->password = getenv("OTAD_SIM_PASSWORD");
	}
	if (!o->mqtt_keys && !o->username && !o->password && !o->password_file) {
		o->mqtt_keys = getenv("OTAD_MQTT_KEYS_FILE");
	}
	if (!o->username && (o->password || o->password_file)) {
		o->username = "{device}";
	}
	o->mqtt_keys = is_none(o->mqtt_keys) ? NULL : o->mqtt_keys;
	o->cafile = is_none(o->cafile) ? NULL : o->cafile;
	return true;
}

bool options_parse(struct options *o, int argc, char **argv, struct err *err)
{
	*o = (struct options){.count = 1,
			      .first = 1,
			      .url = getenv("OTAD_URL"),
			      .cafile = getenv("OTAD_CA"),
			      .client_id = "{device}",
			      .keepalive_s = 60,
			      .parallel = 1000,
			      .report_by = "mqtt",
			      .install_ms = 100,
			      .report_every_ms = 3000,
			      .retries = 5,
			      .board = "bread-compact-wifi",
			      .chip = "esp32s3",
			      .network = "wifi",
			      .ssid = "home",
			      .language = "zh-CN",
			      .slots = 2,
			      .speed = 1,
			      .exit_after = -1};
	if (!read_arguments(o, argc, argv, err) || o->help) {
		return o->help;
	}
	if (!o->url) {
		o->url = "http://127.0.0.1:8080";
	}
	for (o->url_len = (int)strnlen(o->url, 1024); o->url_len > 0 && o->url[o->url_len - 1] == '/'; o->url_len--) {
	}
	if (o->xiaozhi) {
		o->cafile = is_none(o->cafile) ? NULL : o->cafile;
		return check_xiaozhi(o, err);
	}
	o->initial_version = o->initial_version ? o->initial_version : "0.0.0";
	return broker(o, err) && choose_login(o, err) && check(o, err);
}
