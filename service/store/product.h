/* Products. Writes run inside the caller's transaction; none of them audits or appends to the change feed. */
#ifndef STORE_PRODUCT_H
#define STORE_PRODUCT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct db;
struct err;
struct page;
struct product;

/* id, rev and times come back. ERR_EXISTS if the key or one of the boards is another product's; the sentence says whose. Waits for other
 * writes of products. */
bool store_product_create(struct db *db, struct product *inout, struct err *err);
/* Sets all of inout->id. rev: the expected revision, 0 = any; another one is ERR_CONFLICT. ERR_NOT_FOUND,
 * ERR_EXISTS.
 */
bool store_product_update(struct db *db, struct product *inout, int64_t rev, struct err *err);
/* With the history of what it had. ERR_CONFLICT while it has devices, firmware, licences or a standing rollout; the sentence counts them.
 * Its gateway and its voice go along. */
bool store_product_delete(struct db *db, int64_t id, struct err *err);
bool store_product_get(struct db *db, int64_t id, struct product *out, struct err *err);
/* page->name is a key. *out is malloc'd, the caller frees it. */
bool store_product_list(struct db *db, const struct page *page, struct product **out, size_t *count, struct err *err);

#endif
