/* Who is there: what the broker tells of connections and subscriptions, and other signs of life. A device that comes back, or begins to
 * listen, gets the push that waits for it at once, and once: what it has got already (since it listens, or out of its session's queue) is
 * not sent again. Nothing here blocks.
 */
#ifndef ENGINE_PRESENCE_H
#define ENGINE_PRESENCE_H

#include <stdbool.h>
#include <stdint.h>

struct engine;

/* The broker: connected, subscribed to its pushes, or gone. resumed: with the subscriptions of an earlier session, whose queue it has got.
 * age_ms: how long ago that was. Unknown devices are ignored. */
enum presence_event { PRESENCE_CONNECTED, PRESENCE_SUBSCRIBED, PRESENCE_GONE };
void presence_told(struct engine *engine, const char *device, enum presence_event event, bool resumed, int64_t age_ms);

/* A list of all that are connected follows (presence_listed), or the broker is not heard any more. */
void presence_reset(struct engine *engine);
void presence_listed(struct engine *engine, const char *device);

/* Is the list complete? Until then nobody's presence is known. */
void presence_complete(struct engine *engine, bool complete);
/* 1 connected, 0 not, -1 not known. */
int8_t presence_of(struct engine *engine, const char *device);

/* The device asks what there is for it (.../sys/ota/get). */
void presence_asked(struct engine *engine, const char *device);

#endif
