/* Objects: what was posted by a form, under a key. Inside the caller's transaction, but for the sweep. */
#ifndef STORE_OBJECT_H
#define STORE_OBJECT_H

#include <stdbool.h>
#include <stdint.h>

struct artifact; /* model/nouns.h */
struct db;
struct err;

/* Names a sealed artifact. The same bytes again are touched; ERR_EXISTS: other bytes have this key. ERR_UNAVAILABLE: the artifact is gone.
 */
bool store_object_put(struct db *db, const char *key, const struct artifact *artifact, const char *created_by, struct err *err);

/* ERR_NOT_FOUND. use: a file is about to name it, so it is touched, and locked until the transaction ends. */
bool store_object_get(struct db *db, const char *key, struct artifact *out, struct err *err);
bool store_object_use(struct db *db, const char *key, struct artifact *out, struct err *err);
/* Is the URL, told of a firmware with these bytes, that of an object with them? */
bool store_object_names(struct db *db, const char *url, const struct artifact *artifact, bool *out, struct err *err);

/* Deletes objects untouched for a day whose bytes no firmware has and which no file's URL names, a few at a time; their bytes then go with
 * the sweep of artifacts. *count = rows gone: call again while it is not 0. A transaction of its own. */
bool store_object_sweep(struct db *db, int64_t *count, struct err *err);

#endif
