/* Activation: a device that nobody has bound shows a code, its owner enters it; one with a licence proves itself instead. All run on worker
 * threads. Attempts are limited in memory (engine/throttle.h, each replica for itself), what waits by the database, so that forged MACs
 * fill neither.
 *
 * A device is believed when it is bound and its product's policy is content: the MAC alone, or the Client-Id of its binding besides. One
 * that is not believed begins. Each (MAC, Client-Id) has a code of its own, so that who borrows a MAC never gets the code on the screen.
 */
#ifndef ENGINE_ACTIVATION_H
#define ENGINE_ACTIVATION_H

#include <stdbool.h>
#include <stdint.h>

#include "model/activation.h"
#include "model/nouns.h"

struct engine;
struct err;
struct worker;

struct activation {
	bool bound;        /* the device is believed: nothing to activate, code and challenge are "" */
	bool licensed;     /* its serial has a licence that may be its own, and no proof of it has failed of late: it may be left to prove
			    * itself silently, without the code */
	int64_t device_id; /* of this MAC, bound or not; 0 = none */
	char code[ACTIVATION_CODE_SIZE];
	char challenge[UUID_SIZE];
};

/* A check of a device that the snapshot does not believe: its code, the same until it expires (activation_ttl after its last check) or is
 * used, and a fresh challenge; the latest four challenges count. ERR_BUSY: this address asks too often, or there is no room for another
 * first contact (what is silent longest makes room, but only after ten minutes): the device is to come again. ERR_INVALID: a fact that is
 * too long or no UTF-8. ERR_UNAVAILABLE. */
bool activation_begin(struct engine *engine, struct worker *worker, const struct activation_facts *facts, struct activation *out,
		      struct err *err);

/* Has it been bound meanwhile? out->bound and device_id; else false with ERR_NOT_FOUND: it is not even waiting (it must check again), or
 * true. For devices that post no proof. ERR_BUSY as above. */
bool activation_ask(struct engine *engine, struct worker *worker, const struct activation_facts *facts, struct activation *out,
		    struct err *err);

struct activation_confirmation {
	const char *code; /* as entered */
	const char *nick_name;
	int64_t product_id;
};
/* An operator enters a code: the device of its MAC is made, or taken if it is known, and bound; audited. One confirmation of a code wins,
 * however many come. ERR_NOT_FOUND: an unknown code; ERR_GONE: an expired one; ERR_EXISTS: bound already; ERR_INVALID: no code at all, no
 * such product; ERR_CONFLICT: the device is another product's, or the product's policy asks for more; ERR_BUSY: 30 wrong codes of this
 * operator in five minutes. */
bool activation_confirm(struct engine *engine, struct worker *worker, const struct actor *actor,
			const struct activation_confirmation *confirmation, struct device *out, struct err *err);

/* Counts an offer of this rollout to a device that waits to be activated. false: it has had three (err->kind ERR_NONE), or the database
 * does not answer. */
bool activation_offer(struct engine *engine, struct worker *worker, const struct activation_facts *facts, int64_t rollout_id,
		      struct err *err);

struct activation_proof {
	const struct activation_facts *facts; /* mac, client_uuid, serial and address count */
	const char *challenge;
	const char *hmac;   /* lower-case hex HMAC-SHA256 of the challenge under the licence's key */
	int64_t product_id; /* where the licence names none; 0 = the one whose board it is */
};
/* A device proves its licence. Right: it is bound to the licence's product, else to product_id (out->bound), audited; where neither is
 * known the proof is kept for whoever enters its code. A challenge serves once. ERR_DENIED: no such licence, a wrong hmac, or a challenge
 * that is not outstanding, in words that do not say which serials exist; ERR_CONFLICT: the licence is another device's or product's;
 * ERR_BUSY: this proof has failed, too, after 10 for this MAC or 100 of this address in five minutes; a right one counts even then, so
 * that nobody who knows a MAC can lock its device out. */
bool activation_prove(struct engine *engine, struct worker *worker, const struct activation_proof *proof, struct activation *out,
		      struct err *err);

/* An operator takes a binding away: the device must activate again, what was issued to it is dead. Its history stays, and so does the
 * licence it has. ERR_NOT_FOUND; ERR_CONFLICT while a task of it is live. */
bool activation_unbind(struct engine *engine, struct worker *worker, const struct actor *actor, int64_t device_id, struct err *err);

#endif
