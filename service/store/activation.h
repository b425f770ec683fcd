/* First contacts that wait to be activated, and the binding of devices. Writes run inside the caller's transaction unless said otherwise;
 * none of them appends to the change feed. */
#ifndef STORE_ACTIVATION_H
#define STORE_ACTIVATION_H

#include <stdbool.h>
#include <stdint.h>

#include "model/activation.h"
#include "model/nouns.h"

struct db;
struct err;

struct activation_limits {
	int64_t ttl_ms;
	int64_t max;
	int64_t per_network;
};

enum activation_state { ACTIVATION_UNKNOWN, ACTIVATION_WAITING, ACTIVATION_BOUND, ACTIVATION_FULL };

/* What a check finds. */
struct activation_found {
	enum activation_state state;
	char code[ACTIVATION_CODE_SIZE];
	int64_t device_id; /* of this MAC, bound or not; 0 = none */
	bool licensed;     /* the serial has a licence that may be this device's */
};

/* A check of a device, in a transaction of its own: finds its code and renews it, or gives it one;
 * adds the challenge (the latest four count). ACTIVATION_FULL: there is no room, or no free code. */
bool store_activation_begin(struct db *db, const struct activation_facts *facts, const char *challenge,
			    const struct activation_limits *limits, struct activation_found *out, struct err *err);
/* The same question without leaving a trace. */
bool store_activation_ask(struct db *db, const char *mac, const char *client_uuid, int64_t ttl_ms, struct activation_found *out,
			  struct err *err);

/* A first contact in the caller's hand: its row, and all others of its MAC, are locked. */
struct activation_row {
	int64_t id;
	int64_t licence_id; /* proven before; 0 = none */
	char mac[MAC_SIZE];
	char client_uuid[ACTIVATION_WORD_SIZE];
	char board_name[ACTIVATION_WORD_SIZE];
	char board_type[ACTIVATION_WORD_SIZE];
};
/* By its code. ERR_NOT_FOUND: unknown; ERR_GONE: expired; ERR_EXISTS: bound already. Each its sentence. */
bool store_activation_by_code(struct db *db, const char *code, int64_t ttl_ms, struct activation_row *out, struct err *err);
/* By a challenge that is outstanding for this MAC and Client-Id, which is used up. ERR_DENIED: there is none such. */
bool store_activation_by_challenge(struct db *db, const struct activation_facts *facts, const char *challenge, int64_t ttl_ms,
				   struct activation_row *out, struct err *err);
/* Counts an offer of this rollout to a device that waits; *counted = false: it has had max of them, or does not wait. A transaction of its
 * own. */
bool store_activation_offer(struct db *db, const struct activation_facts *facts, int64_t rollout_id, int64_t max, bool *counted,
			    struct err *err);
/* Notes that the device has proven this licence. */
bool store_activation_prove(struct db *db, int64_t id, int64_t licence_id, struct err *err);

struct activation_binding {
	const struct activation_row *row;
	int64_t product_id;
	int64_t licence_id;    /* proven; 0 = none */
	bool by_proof;         /* by the device itself: nobody has entered its code */
	const char *nick_name; /* NULL: stays as it is */
};
/* Makes the device of the row's MAC, or takes the one that is known by it, binds it and ends what waits under this MAC. What was issued to
 * an earlier binding is revoked (*revoked: the revision, 0 = none). *fresh: it was not bound before. ERR_INVALID: no such product;
 * ERR_EXISTS: it is bound and its product trusts the MAC alone; ERR_CONFLICT: another product's, or the product's policy asks for more, or
 * the licence is another device's, or its name is, or it is bound without this licence, which then takes a person with its code. */
bool store_activation_bind(struct db *db, const struct activation_binding *binding, struct device *out, bool *fresh, int64_t *revoked,
			   struct err *err);
/* Takes the binding away: the device must activate again, and what was issued to it is revoked. ERR_NOT_FOUND: no such device, or it is
 * not bound; ERR_CONFLICT while a task of it is live. */
bool store_activation_unbind(struct db *db, int64_t device_id, struct device *out, int64_t *revoked, struct err *err);

/* Forgets what ended or was silent for twice ttl_ms; a transaction of its own. */
bool store_activation_sweep(struct db *db, int64_t ttl_ms, struct err *err);

#endif
