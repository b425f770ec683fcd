/* Inside engine/ only: the decision for a device that has told what board it is. */
#ifndef ENGINE_SUITED_H
#define ENGINE_SUITED_H

#include "engine/candidates.h"
#include "model/decide.h"

struct device_entry;
struct fleet;
struct fleet_product;
struct told;

struct suited {
	const struct device_entry *device;   /* NULL = nobody knows it */
	const struct fleet_product *product; /* its own, else whose board it is; NULL = none: nothing is offered */
	const struct told *told;
	const char *version; /* that it runs; "" = unknown */
	const char *component;
	/* what the decision points into */
	struct product_needs needs;
	struct candidate candidates[CANDIDATES_MAX];
};

/* Under the reader's hold, for as long as the decision is used. trace may be NULL. */
struct decision suited_decide(const struct fleet *fleet, struct suited *suited, struct decision_trace *trace);

#endif
