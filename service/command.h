/* Users and tokens from the command line: `otad user ...`, `otad token ...`. They speak to the database directly, so they work before the
 * service has ever run; a running service learns of every change by the change feed.
 */
#ifndef COMMAND_H
#define COMMAND_H

struct config;

/* argv[0] is "user", argv[1] "add", "list" ...; argv[argc] is NULL. Prints to stdout and stderr; returns the exit status: 0 done, 1
 * refused, 2 wrong usage. */
int command_user(const struct config *config, int argc, char **argv);

/* argv[0] is "token". `token add` prints nothing but the token on stdout. */
int command_token(const struct config *config, int argc, char **argv);

#endif
