/* The vocabulary between the MQTT transport and the dialects that speak over it: what a device's message means, and how ours are written.
 * The transport knows no dialect and the dialect no transport; main.c brings them together.
 */
#ifndef ENGINE_MESSAGE_H
#define ENGINE_MESSAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/alias.h"
#include "common/topic.h"
#include "model/report.h"

struct buf;
struct dispatch_message;
struct err;
struct offer;

/* What arrived. */
struct message {
	enum message_kind {
		MESSAGE_REPORT, /* a device tells something: report */
		MESSAGE_GET,    /* a device asks what there is for it */
		MESSAGE_PUSH,   /* push-shaped: an echo of ours, or forged: alias */
		MESSAGE_CHUNK,  /* a device asks for bytes of a file: chunk, alias */
		MESSAGE_BAD,    /* not understood; err says why */
	} kind;
	char device[NAME_SIZE];
	bool answerable;  /* the device expects a reply */
	bool about_chunk; /* it expects a chunk or a chunk_reply */
	struct report report;
	char alias[ALIAS_SIZE + 1]; /* "" if it is no possible alias, or (MESSAGE_CHUNK) not told */
	struct message_chunk {
		int64_t task_id; /* above 0 unless there is an alias */
		int64_t offset;  /* 0 or more */
		int64_t length;  /* 1 .. MESSAGE_CHUNK_MAX */
	} chunk;
};

enum { MESSAGE_CHUNK_MAX = 16 * 1024 };

/* What a running device answered to a call of ours (engine/climb.h). */
struct message_answer {
	enum answer_kind {
		ANSWER_NONE,    /* whatever else it says: not for us */
		ANSWER_TAKEN,   /* it will fetch the file */
		ANSWER_NO_TOOL, /* it does not know how: detail */
		ANSWER_REFUSED, /* it will not: detail */
	} kind;
	char device[NAME_SIZE]; /* who, by the topic */
	int32_t call;           /* the number of the call */
	char detail[TEXT_SIZE]; /* its own words; "" = none */
};

/* A dialect whose devices subscribe to nothing: the broker hands them what is meant for them, and they answer on a topic of their own. */
struct message_direct {
	const char *const *filters; /* NULL-terminated; heard at most once */
	/* Is the topic one of its? Then out says what the message means. Pure, and cheap for what is not for us: devices talk much there.
	 */
	bool (*decode)(const char *topic, const void *payload, size_t len, struct message_answer *out);
	/* A call or command: where and what. message->how is not DISPATCH_TOPIC. */
	void (*push)(const struct dispatch_message *message, const char *public_url, char topic[TOPIC_SIZE], struct buf *payload);
};

struct message_dialect {
	const char *const *report_filters; /* NULL-terminated */
	const char *const *push_filters;   /* heard at most once: our own pushes that come by again, and what is asked again if need be */
	/* Pure. err is filled for MESSAGE_BAD. */
	void (*decode)(const char *topic, const void *payload, size_t len, struct message *out, struct err *err);
	/* A push: where and what. */
	void (*push)(const struct dispatch_message *message, const char *public_url, char topic[TOPIC_SIZE], struct buf *payload);
	/* The reply to a report (why NULL: committed). */
	void (*report_reply)(const char *device, const struct err *why, char topic[TOPIC_SIZE], struct buf *payload);
	/* The reply to a get: the offer, or nothing, or why not. */
	void (*get_reply)(const char *device, const struct offer *offer, const struct err *why, const char *public_url,
			  char topic[TOPIC_SIZE], struct buf *payload);
	/* Where a chunk goes; its payload is the bytes alone. */
	void (*chunk)(const char *device, const struct message_chunk *chunk, char topic[TOPIC_SIZE]);
	/* Why there is no chunk. */
	void (*chunk_reply)(const char *device, const struct err *why, char topic[TOPIC_SIZE], struct buf *payload);
};

#endif
