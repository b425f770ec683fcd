/* "Which of my components has something newer?": devices that run firmware in several parts (an MCU behind a Wi-Fi module), whatever their
 * dialect. Asked for all parts at once; each part is offered by itself. Answered from memory; only what moves a task waits for the group
 * commit. And the report of what each part runs, which ends tasks.
 */
#ifndef ENGINE_PARTS_H
#define ENGINE_PARTS_H

#include <stdbool.h>
#include <stdint.h>

#include "common/alias.h"
#include "model/nouns.h"

struct engine;
struct err;

enum { PARTS_MAX = 2, PARTS_IDS_MAX = 4, PARTS_ID_SIZE = NAME_SIZE };

struct parts_ask {
	int64_t product_id;                     /* 0 = not told */
	char ids[PARTS_IDS_MAX][PARTS_ID_SIZE]; /* what it says it is: deviceName, MAC, serial number; "" = not told */
	struct part {
		char component[COMPONENT_SIZE];
		char version[VERSION_SIZE]; /* "" = unknown; in a report: as before */
	} parts[PARTS_MAX];
};

/* A part's firmware. */
struct parts_offer {
	bool offered;
	char component[COMPONENT_SIZE];
	char url[TEXT_SIZE]; /* its own; "" = the alias, at our downloads */
	char alias[ALIAS_SIZE];
	char md5[65];
	char version[VERSION_SIZE];
	char customize[TEXT_SIZE];
};

struct parts_answer {
	struct parts_offer offers[PARTS_MAX]; /* in the order of the parts asked for */
};

/* What the product says of its devices' calls. Memory only. false: there is none of this key (or id in digits). */
struct parts_product {
	int64_t id;
	bool token; /* they must bring an operator's token */
};
bool parts_product(struct engine *engine, const char *key_or_id, struct parts_product *out);

/* The same of the product of the device that the ask names. false: nobody knows it. */
bool parts_of_device(struct engine *engine, const struct parts_ask *ask, struct parts_product *out);

/* answer NULL: err says why (ERR_BLOCKED, ERR_INVALID: what it says it is names several devices, or one of another product;
 * ERR_UNAVAILABLE, ERR_BUSY). A device that tells nothing of itself, that nobody knows, or whose product believes no name gets no task: it
 * is shown what is for it as far as its word goes; who believes no name: what is for the whole product. On the caller's thread at once, or
 * later on the commit's. */
typedef void parts_done(void *ctx, const struct parts_answer *answer, const struct err *err);
void parts_check(struct engine *engine, const struct parts_ask *ask, parts_done *done, void *ctx);

/* Each part's version through its task; "" leaves that part as it is. done (err NULL: all are committed) on the commit's thread, or at
 * once. ERR_NOT_FOUND: nobody knows the device. ERR_DENIED: its product believes no name. */
typedef void parts_heard(void *ctx, const struct err *err);
void parts_report(struct engine *engine, const struct parts_ask *ask, parts_heard *done, void *ctx);

#endif
