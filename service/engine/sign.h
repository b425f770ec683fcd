/* Inside engine/ only: a sign of life of a device that was away hastens the push that waits for it. */
#ifndef ENGINE_SIGN_H
#define ENGINE_SIGN_H

#include <stdint.h>

struct config;
struct device_entry;
struct engine;
struct fleet;

enum { SIGN_AWAY_S = 30 }; /* unseen for this long = was away */

/* Notes that the device was seen. Answers the push task to send at once because it had been away, or 0. Under the reader's hold. */
int64_t sign_seen(struct fleet *fleet, const struct device_entry *device, int64_t now_ms, const struct config *config);

/* Sends a live push again, now. Never blocks. */
void sign_hasten(struct engine *engine, int64_t device_id, int64_t task_id);

/* The same, whoever has sent it when: what was sent does not help. */
void sign_again(struct engine *engine, int64_t device_id, int64_t task_id);

#endif
