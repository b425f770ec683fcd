/* Inside engine/ only: the addresses and credentials that a check is answered with. */
#ifndef ENGINE_VOICE_H
#define ENGINE_VOICE_H

#include <stdbool.h>

#include "engine/check.h"

struct device_entry;
struct fleet_product;

/* device NULL, or one that is not believed: nothing that leads to our own broker. product NULL: it has none. Under the reader's hold. */
void voice_fill(struct engine *engine, const struct check *check, const struct fleet_product *product, const struct device_entry *device,
		struct check_voice *out);

/* Our broker's address for a device that reaches us so. false: there is none that it could use. */
bool voice_endpoint(struct engine *engine, const struct check *check, char out[CHECK_HOST_SIZE]);

#endif
