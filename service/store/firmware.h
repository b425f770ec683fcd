/* Firmware: names for bytes that are in the database already. Writes run inside the caller's transaction; none of them audits or appends to
 * the change feed. */
#ifndef STORE_FIRMWARE_H
#define STORE_FIRMWARE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct db;
struct err;
struct firmware;
struct page;

/* product_id, component ("" = app), name, file_name, version, artifact and image go in; id, rev and created_ms come back. ERR_EXISTS if the
 * product has a firmware of that name, ERR_NOT_FOUND if there is no such product, ERR_UNAVAILABLE if the bytes were swept meanwhile. */
bool store_firmware_create(struct db *db, struct firmware *inout, const char *created_by, struct err *err);
/* Is the name free? The same errors as above. */
bool store_firmware_check(struct db *db, int64_t product_id, const char *name, struct err *err);
/* The row stays for the history of its tasks, without its bytes. ERR_CONFLICT while a live task or an active rollout uses it; the sentence
 * says which. */
bool store_firmware_delete(struct db *db, int64_t id, struct firmware *out, struct err *err);
bool store_firmware_get(struct db *db, int64_t id, struct firmware *out, struct err *err);
/* *out is malloc'd, the caller frees it. */
bool store_firmware_list(struct db *db, const struct page *page, struct firmware **out, size_t *count, struct err *err);

#endif
