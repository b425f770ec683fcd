/* The file of signing keys from the command line: `otad mqtt-key FILE` makes it or rotates it, `otad mqtt-key --retire FILE` ends a
 * rotation. Its format stands in common/credential.h. No database is asked, and no configuration: the broker's host may be another one.
 */
#ifndef COMMAND_KEY_H
#define COMMAND_KEY_H

/* argv[0] is "mqtt-key"; argv[argc] is NULL. Says on stdout what was done and what comes next, never a secret; returns the exit status: 0
 * done, 1 refused (the file is as it was), 2 wrong usage. The file is replaced whole, and is on disk when this returns; calls at the same
 * time wait for each other. */
int command_key(int argc, char **argv);

#endif
