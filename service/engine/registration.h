/* Devices that nobody knows and that make themselves known by a report, where their product lets them (autoRegister).
 *
 * They prove nothing, so forged ids must fill neither database nor memory: a product has at most auto_register_max such devices, counted in
 * its row, so for all replicas together; and an address (IPv6: a /64) registers at most register_per_address in an hour, each replica for
 * itself. What is refused is counted, and audited once an hour a product and reason; for a second after a refusal the next ones are refused
 * from memory.
 */
#ifndef ENGINE_REGISTRATION_H
#define ENGINE_REGISTRATION_H

#include <stdbool.h>
#include <stdint.h>

struct actor;
struct engine;
struct err;
struct parts_ask;
struct parts_product;
struct worker;

/* May this unknown device's report register it? Its product: the one told, or the only one that registers devices. Memory only. */
bool registration_find(struct engine *engine, const struct parts_ask *ask, struct parts_product *out);

/* Whether it is worth a try now; ERR_CONFLICT: refused a moment ago. Memory only. */
bool registration_is_open(int64_t product_id, const char *address, struct err *err);

/* Registers ids[0] as a device of the product, by its MAC if it is one; also if it is there already. The snapshot then shows it.
 * ERR_INVALID: it can be no name. ERR_CONFLICT: its product has as many as it may, its address has registered too many, or another
 * device has this as its client id. */
bool registration_make(struct engine *engine, struct worker *worker, const struct actor *actor, const struct parts_ask *ask,
		       int64_t product_id, struct err *err);

#endif
