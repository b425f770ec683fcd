/* What revokes a device's credentials. Writes run inside the caller's transaction; none of them audits or appends to the change feed. */
#ifndef STORE_CREDENTIAL_H
#define STORE_CREDENTIAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "model/nouns.h"

struct db;
struct err;

/* Each locks the device and answers its row as it is then. *rev: of the revocation it wrote, 0 = none. ERR_NOT_FOUND. */

/* The next epoch: earlier passwords are dead. The new one counts as shown. */
bool store_credential_rotate(struct db *db, int64_t device_id, struct device *out, int64_t *rev, struct err *err);
/* Notes that the password of the present epoch is shown now. ERR_CONFLICT: it has been before. */
bool store_credential_show(struct db *db, int64_t device_id, struct device *out, struct err *err);
/* Blocks or unblocks; doing it twice changes nothing. */
bool store_credential_block(struct db *db, int64_t device_id, bool blocked, struct device *out, int64_t *rev, struct err *err);

/* Whatever was issued under this name before `epoch` is refused from now on, and with `blocked` all. *rev (may be NULL) is its revision. */
bool store_credential_revoke(struct db *db, const char *name, int64_t epoch, bool blocked, int64_t *rev, struct err *err);

/* What brokers are to be told: after a revision, in their order. */
bool store_revocations_read(struct db *db, int64_t after, struct revocation *out, size_t max, size_t *count, struct err *err);
/* The newest revision, 0 = none. */
bool store_revocations_newest(struct db *db, int64_t *out, struct err *err);

#endif
