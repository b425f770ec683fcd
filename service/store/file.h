/* Files (model/file.h): a firmware row with a URL and its ranked rollout, written and read together. Writes run inside the caller's
 * transaction and lock in the order firmware, rollout; none of them audits or appends to the change feed. */
#ifndef STORE_FILE_H
#define STORE_FILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct db;
struct err;
struct file;
struct page;

/* A product by its key, or else by its id in digits. ERR_NOT_FOUND. */
bool store_file_product(struct db *db, const char *key_or_id, int64_t *out, struct err *err);

/* firmware's product_id, component and members go in, ids and times come back. now_ms: by the clock that tasks are made by. ERR_EXISTS: the
 * product has a file of that component and version. */
bool store_file_insert(struct db *db, struct file *inout, const char *created_by, int64_t now_ms, struct err *err);

/* Reads and locks it against all other writes and offers. ERR_NOT_FOUND: the product (0 = any) has none with
 * this id. */
bool store_file_lock(struct db *db, int64_t product_id, int64_t id, struct file *out, struct err *err);

/* Writes what is changed of one that is locked; rev and updated_ms come back. anew_ms: tasks of its rollout from before do not count any
 * more; 0 = they do. */
bool store_file_update(struct db *db, struct file *inout, int64_t anew_ms, struct err *err);

/* The rows stay for the history of its tasks. ERR_CONFLICT: another order's task or assignment uses it. */
bool store_file_delete(struct db *db, const struct file *file, struct err *err);

/* By ascending id; page->product_id filters. *out is malloc'd, the caller frees it. */
bool store_file_list(struct db *db, const struct page *page, struct file **out, size_t *count, struct err *err);

/* Those of the product that are there, ascending. *out is malloc'd, the caller frees it. */
bool store_file_read(struct db *db, int64_t product_id, const int64_t *ids, size_t n, struct file **out, size_t *count, struct err *err);

#endif
