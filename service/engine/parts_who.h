/* Inside engine/ only: which device asks for its parts, as far as it says. Under the reader's hold. */
#ifndef ENGINE_PARTS_WHO_H
#define ENGINE_PARTS_WHO_H

#include "engine/ranked.h"

struct device_entry;
struct err;
struct fleet;
struct parts_ask;

struct parts_who {
	const struct device_entry *device; /* NULL = nobody knows it, or it is doubted */
	bool doubted;                      /* its product believes no name */
	struct ranked_who ranked;
};

/* By what is known of it: its name, its MAC and the serial number of its licence. */
void parts_who_name(const struct fleet *fleet, const struct device_entry *device, struct ranked_who *who);

/* false: ERR_BLOCKED; ERR_INVALID: several devices, or one of another product. */
bool parts_who_find(const struct fleet *fleet, const struct parts_ask *ask, struct parts_who *out, struct err *err);

#endif
