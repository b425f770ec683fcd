/* Inside of the room: what one key's type cannot say: values with a grammar of their own, and keys that depend on each other. */
#ifndef CONFIG_CONFIG_CHECK_H
#define CONFIG_CONFIG_CHECK_H

#include <stdbool.h>

struct config;
struct err;

/* The sentence begins with the key at fault. Drops trailing slashes of public_url. */
bool config_check(struct config *c, struct err *err);

#endif
