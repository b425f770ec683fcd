/* A device's check when it starts ("who am I, is there something for me, and how do I reach you?"), whatever its dialect. The only moment
 * at which such a device can be offered firmware, and the proof that it has booted.
 *
 * Answered from memory, unless something has to be written first: what it says of a task, a task to be made or told, a first contact. Then
 * it waits, at most CHECK_PATIENCE_MS: a device that was just updated rolls back without an answer (protocols/xiaozhi.md 3). After that it
 * is answered from memory, offered nothing, and its evidence is kept until the database takes it. A device to be activated waits for its
 * code, at most CHECK_CONTACT_MS.
 */
#ifndef ENGINE_CHECK_H
#define ENGINE_CHECK_H

#include <stdbool.h>
#include <stdint.h>

#include "common/credential.h"
#include "engine/poll.h"
#include "model/activation.h"
#include "model/licence.h"
#include "model/mac.h"
#include "model/told.h"
#include "model/voice.h"

struct engine;
struct err;

enum { CHECK_PATIENCE_MS = 300, CHECK_CONTACT_MS = 10000, CHECK_HOST_SIZE = 256, CHECK_ADDRESS_SIZE = 64, CHECK_TOPIC_SIZE = 96 };

struct check {
	char mac[MAC_SIZE];
	char name[NAME_SIZE];       /* the deviceName of a device that came by itself: its MAC with underscores */
	char version[VERSION_SIZE]; /* "" = unknown */
	char serial[SERIAL_SIZE];
	char address[CHECK_ADDRESS_SIZE]; /* who asks */
	char host[CHECK_HOST_SIZE];       /* the host by which it reached us, for what the configuration does not say; "" = none */
	const struct told *told;
};

/* How the device reaches its voice back end, or our broker. */
struct check_voice {
	bool mqtt;
	bool websocket;
	int websocket_version; /* 0 = not said */
	char endpoint[CHECK_HOST_SIZE];
	char client_id[CREDENTIAL_CLIENT_ID_SIZE];
	char publish_topic[CHECK_TOPIC_SIZE];
	struct credential credential;
	char websocket_url[VOICE_TEXT_SIZE];
	char websocket_token[VOICE_TEXT_SIZE];
};

struct check_answer {
	int64_t device_id; /* 0 = nobody knows it */
	bool bound;        /* believed: nothing to activate */
	bool offered;
	bool force; /* to be installed even if it is not newer */
	struct offer offer;
	struct activation_shown {
		bool shown;    /* the device is to be activated */
		bool licensed; /* it may prove itself silently */
		char code[ACTIVATION_CODE_SIZE];
		char challenge[UUID_SIZE];
	} activation;
	struct check_voice voice;
};

/* The same as a first contact. */
void check_facts(const struct check *check, struct activation_facts *out);

/* From memory, at once. false: something must be written first; ask again by check_later(). */
bool check_now(struct engine *engine, const struct check *check, struct check_answer *out);

/* The same, after what had to be written. answer NULL: err says why (only of devices that nobody knows: ERR_BUSY, ERR_UNAVAILABLE,
 * ERR_INVALID). On the caller's thread, or later on one of the engine's. */
typedef void check_done(void *ctx, const struct check_answer *answer, const struct err *err);
void check_later(struct engine *engine, const struct check *check, check_done *done, void *ctx);

/* For the page that shows what a device would get: our broker's address for devices that reach us by host ("" = there is none), and whether
 * there is anything to match and to offer. */
struct check_survey {
	bool products;
	bool standing;
};
void check_survey(struct engine *engine, const char *host, char endpoint[CHECK_HOST_SIZE], struct check_survey *out);

#endif
