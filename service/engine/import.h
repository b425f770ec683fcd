/* Imports: the service itself fetches the bytes of a file's URL, holds them against what the file tells (md5 of 32 hex digits, a size in
 * digits, a SHA-256 that comes with the order) and keeps them as if they had been uploaded; all of it or nothing.
 *
 * Only from the hosts of the configuration's import_hosts, at addresses that address_check() (fetch/address.h) lets through, and one at a
 * time: it has a thread and a database connection of its own, so that a slow server holds up nobody.
 */
#ifndef ENGINE_IMPORT_H
#define ENGINE_IMPORT_H

#include <stdbool.h>
#include <stdint.h>

#include "model/file.h"

struct engine;
struct err;
struct worker;

struct import_order {
	struct actor actor;
	/* What is done to the file in the same transaction, as files_edit() takes it; fields may be 0. to.firmware.id 0: a new file, as
	 * files_create() takes it. Its ranges must stay until it is done. */
	struct file_edit edit;
	bool sha256_told;
	uint8_t sha256[32];
};

/* Once, on the thread of imports or before import_begin() returns. file: as it is then. NULL: nothing was changed, and err says why:
 * ERR_INVALID and ERR_EMPTY (what the server answered, bytes that are not the told ones, an image that the product does not take),
 * ERR_CONFLICT (the file was changed meanwhile), ERR_UNAVAILABLE (the server or the database; trying again may help), and as files_edit().
 */
typedef void import_done(void *ctx, struct worker *worker, const struct file *file, const struct err *err);

/* On a worker. False, and done is not called: refused before anything was fetched. ERR_INVALID: the host is not allowed (the sentence says
 * what the configuration must say), or there is nothing that the bytes could be held against; ERR_BUSY: another one is under way; and as
 * files_preview(). A file whose bytes are ours already is only edited. */
bool import_begin(struct engine *engine, struct worker *worker, const struct import_order *order, import_done *done, void *ctx,
		  struct err *err);

#endif
