/* The broker's plugin (INTERFACES.md): asks it who is connected, hears what it tells, and has it refuse what was revoked. A broker without
 * the plugin is a broker all the same: nothing is known of presence then, and revocations are not enforced there.
 */
#ifndef MQTT_CONTROL_H
#define MQTT_CONTROL_H

#include <stdbool.h>
#include <stddef.h>

struct control;
struct engine;
struct err;
struct link;

/* client_id: of the link that asks; the answers come on control_filters, to whoever subscribed. */
struct control *control_start(struct engine *engine, const char *client_id, struct err *err);

/* Where the plugin tells and answers; NULL-terminated, valid as long as the control. */
const char *const *control_filters(const struct control *control);

/* The link it asks by; once, before the first state. */
void control_attach(struct control *control, struct link *link);

/* The link it asks by, and the one it hears by, came up or went down. */
void control_can_ask(struct control *control, bool up);
void control_can_hear(struct control *control, bool up);

/* Is it a topic of the plugin's? Then it is taken. On Paho's thread: never blocks. */
bool control_message(struct control *control, const char *topic, const void *payload, size_t len);

/* Before its link is freed: nothing is asked from then on. */
void control_halt(struct control *control);
/* After the links were freed. */
void control_stop(struct control **control);

#endif
