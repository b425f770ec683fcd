/* The one place through which every answer to a Xiaozhi device goes.
 *
 * Some well-meant answers make a device abort at every boot (xiaozhi.md 4). What is asked for here is encoded, or refused with a sentence;
 * nothing that could hurt leaves. Refusals are our own faults or an operator's settings: log them and answer xiaozhi_answer_error(). Pure.
 */
#ifndef DIALECT_XIAOZHI_ANSWER_H
#define DIALECT_XIAOZHI_ANSWER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/err.h"

struct buf;

enum {
	XIAOZHI_ANSWER_KEY_MAX = 15,    /* a flash key's length */
	XIAOZHI_ANSWER_TEXT_MAX = 3999, /* a flash value's */
	XIAOZHI_ANSWER_MESSAGE_SIZE = 320,
};

/* Shown to whoever sets the device up. A challenge alone: silent activation. A code needs its challenge and a message. */
struct xiaozhi_activation {
	const char *code; /* digits */
	const char *message;
	const char *challenge;
	int64_t timeout_ms; /* 0 = not said */
};

/* Devices keep every member and never forget one, so all are said: NULL is sent as "" (subscribe_topic: "null"). */
struct xiaozhi_mqtt {
	const char *endpoint; /* host or host:port */
	const char *client_id;
	const char *username;
	const char *password;
	const char *publish_topic;
	const char *subscribe_topic;
	int keepalive; /* seconds; 0 = not said, as for firmware that takes all of this for texts (up to 1.6.2) */
};

struct xiaozhi_websocket {
	const char *url;   /* ws:// or wss:// */
	const char *token; /* NULL is sent as "" */
	int version;       /* 0 = not said */
};

struct xiaozhi_server_time {
	int64_t timestamp_ms;
	const char *timezone; /* "Asia/Shanghai"; NULL = not said */
	int offset_min;       /* east of Greenwich positive: 480 for China */
};

/* Nothing to install: xiaozhi_answer_echo(). */
struct xiaozhi_firmware {
	const char *version; /* dotted */
	const char *url;     /* http:// or https://; "" = none */
	bool force;          /* install it even if it is older */
};

/* NULL = without that part. */
struct xiaozhi_answer {
	const char *own_version; /* what the device says that it runs; "" = unknown */
	const struct xiaozhi_mqtt *mqtt;
	const struct xiaozhi_websocket *websocket;
	const struct xiaozhi_server_time *server_time;
	const struct xiaozhi_firmware *firmware; /* NULL only for an own version that is known and not dotted */
	const struct xiaozhi_activation *activation;
};

/* Appends the body of a 200. False and a sentence: refused, or out is full; out is then as it was. */
bool xiaozhi_answer_encode(struct buf *out, const struct xiaozhi_answer *answer, struct err *err);

/* What says "nothing to install" to a device of this version: its own version without a url, "0.0.0" if unknown; NULL = leave the part out,
 * for it would abort while it reads its own version. firmware is filled and returned; it keeps own_version's memory. */
const struct xiaozhi_firmware *xiaozhi_answer_echo(const char *own_version, struct xiaozhi_firmware *firmware);

/* "host\ncode" with the words around it that the language has (Chinese, English). False if it does not fit. */
bool xiaozhi_answer_message(char out[XIAOZHI_ANSWER_MESSAGE_SIZE], const char *language, const char *host, const char *code);

/* The check failed: appends {"error":...} in the protocol's words and returns the HTTP status: 400, 413 or 500. Never 200. */
int xiaozhi_answer_error(struct buf *out, enum err_kind kind);

/* /activate. Done (200); ask again in three seconds (202); or no, in err's words: any other status, 500 in the protocol's. */
int xiaozhi_answer_activated(struct buf *out, int64_t device_id);
int xiaozhi_answer_waiting(struct buf *out);
int xiaozhi_answer_refused(struct buf *out, const struct err *err);

#endif
