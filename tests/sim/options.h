/* What the command line asks for. One table in options.c makes the parser and --help. */
#ifndef SIM_OPTIONS_H
#define SIM_OPTIONS_H

#include <stdbool.h>
#include <stdint.h>

struct err;

enum { OPTIONS_HOST_SIZE = 256 };

struct options {
	const char *device; /* one device, or */
	const char *prefix; /* prefix + number */
	int64_t count;
	int64_t first;

	const char *url;
	int url_len; /* without slashes at the end */
	const char *mqtt;
	char mqtt_host[OPTIONS_HOST_SIZE]; /* "" = no MQTT at all */
	int mqtt_port;
	const char *client_id;
	const char *username;
	const char *password;
	const char *password_file; /* $OTAD_SIM_PASSWORD stands in password */
	const char *mqtt_keys;     /* NULL unless passwords are to be derived */
	const char *cafile;        /* NULL: the system's for https, no TLS to the broker */
	bool persistent;
	int64_t keepalive_s;
	int64_t parallel;

	bool minimal;
	bool receive_only;
	const char *report_by;
	bool reports; /* from report_by, minimal, mqtt */
	bool hello;
	bool progress;
	int64_t poll_ms; /* 0 = never */
	const char *initial_version;
	int64_t install_ms;
	int64_t report_every_ms;

	int64_t range; /* bytes a part, 0 = whole */
	int64_t drip;  /* bytes a second, 0 = as fast as it goes */
	int64_t retries;
	int64_t fail; /* 0, -2, -3 or -4 */
	bool rollback;
	bool wrong_version;
	int64_t ignore;
	int64_t offline_ms;

	const char *xiaozhi; /* generations; NULL: devices of the oc dialect */
	const char *mac;
	uint64_t mac_number; /* of mac */
	const char *ota_url;
	char ota_url_mem[1280];
	const char *board;
	const char *board_type; /* NULL: board */
	const char *chip;
	const char *network; /* wifi, 4g, ethernet */
	const char *ssid;
	const char *language;
	const char *image; /* NULL: none, only a version */
	const char *serial;
	const char *hmac_key;
	bool hmac_text;
	bool wrapped;
	int64_t slots;
	int64_t slot_size; /* 0 = as shipped */
	int64_t erased;
	int64_t boot_over_ms;
	int64_t reboot_every_ms; /* 0 = never */
	int64_t talk_ms;         /* 0 = never */
	int64_t speed;
	int64_t bad_image;
	int64_t power_loss;
	int64_t checks; /* ends when each has had so many answers; 0 = not asked */

	int64_t exit_after; /* updates a device; -1 = run until stopped */
	int64_t timeout_ms; /* 0 = none */
	int64_t linger_ms;
	bool json;
	bool quiet;
	bool help;
};

/* Fills o from the arguments, the environment and the defaults. The texts point into argv or the environment. */
bool options_parse(struct options *o, int argc, char **argv, struct err *err);

/* Prints the documentation. */
void options_help(void);

#endif
