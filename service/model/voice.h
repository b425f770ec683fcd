/* Voice: which back end the devices of a product talk to. We are none ourselves; we only tell devices where it is. Pure. */
#ifndef MODEL_VOICE_H
#define MODEL_VOICE_H

#include <stdbool.h>
#include <stdint.h>

struct err;

enum {
	VOICE_TEXT_SIZE = 4000, /* what fits into a device's flash */
	VOICE_VERSION_MAX = 255,
};

/* Where devices connect by MQTT: to our broker, to the product's external gateway, nowhere. */
enum voice_mqtt { VOICE_OWN, VOICE_GATEWAY, VOICE_NONE };

/* All zero is what a product without a word about it has: our own broker, no WebSocket. */
struct voice {
	int64_t product_id;
	enum voice_mqtt mqtt;
	char ws_url[VOICE_TEXT_SIZE]; /* ws:// or wss://; "" = none */
	bool ws_token_set;            /* the token itself never stands here */
	int64_t ws_version;           /* 0 = not said */
	int64_t rev;
	int64_t created_ms;
	int64_t updated_ms;
};

/* What of it is secret or stands elsewhere, in clear, for as long as a call takes. "" = there is none. */
struct voice_means {
	const char *endpoint; /* of the product's gateway */
	const char *gateway_key;
	const char *ws_token;
};

/* "own", "gateway", "none". parse answers false on anything else. */
const char *voice_mqtt_name(enum voice_mqtt mqtt);
bool voice_mqtt_parse(const char *name, enum voice_mqtt *out);

/* May this be told to devices? The sentence does not show the token. */
bool voice_check(const struct voice *voice, const char *token, struct err *err);

#endif
