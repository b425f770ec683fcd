/* Forced fixes. Writes run inside the caller's transaction; none of them audits or appends to the change feed. */
#ifndef STORE_FIX_H
#define STORE_FIX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct db;
struct err;
struct fix; /* model/fix.h */
struct page;

/* from_version and board go in; the rest comes back. ERR_EXISTS: there is the same already; ERR_CONFLICT: there are FIX_MAX. */
bool store_fix_create(struct db *db, struct fix *inout, struct err *err);
/* *gone: what it was. ERR_NOT_FOUND. */
bool store_fix_delete(struct db *db, int64_t id, struct fix *gone, struct err *err);
bool store_fix_get(struct db *db, int64_t id, struct fix *out, struct err *err);
/* *out is malloc'd, the caller frees it. */
bool store_fix_list(struct db *db, const struct page *page, struct fix **out, size_t *count, struct err *err);

#endif
