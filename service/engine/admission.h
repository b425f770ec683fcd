/* What a broker without our plugin asks: may this client log in, may it do that? Answered from memory, never blocking: keys, snapshot and
 * configuration. Thread-safe. The answers are those of the plugin (protocols: "Broker" in INTERFACES.md), so far as the broker's question
 * tells enough.
 */
#ifndef ENGINE_ADMISSION_H
#define ENGINE_ADMISSION_H

#include <stdbool.h>

struct acl_request;
struct engine;

/* Who may ask: whoever knows broker_hook_secret. Takes the same time whatever is wrong with it; NULL: nothing was presented. */
enum admission_asker {
	ADMISSION_NOBODY, /* no secret is configured: there is nothing to ask here */
	ADMISSION_STRANGER,
	ADMISSION_BROKER,
};
enum admission_asker admission_asker(struct engine *engine, const char *secret);

/* Is this the virtual host that our clients live in (broker_hook_vhost)? */
bool admission_is_vhost(struct engine *engine, const char *vhost);

/* May it connect? The service's own client ids with the service's own login; a device with the password of its present epoch, unless it is
 * blocked or not known. NULL is as good as "". Counted, and logged at debug level with the reason. */
bool admission_login(struct engine *engine, const char *client_id, const char *username, const char *password);

/* Is it a client that may be connected at all? For brokers that ask again after the login, without the password. */
bool admission_is_welcome(struct engine *engine, const char *client_id, const char *username);

/* May a client that was let in do this? The table of common/acl.h; a device that is blocked or gone may do nothing. Counted when denied. */
bool admission_access(struct engine *engine, const char *client_id, const char *username, const struct acl_request *request);

/* Counts a denial that needed no look: a question that could not be read, or that nobody may have answered with yes. */
void admission_denied(void);

#endif
