/* Licences: serial number -> HMAC key, sealed. Writes run inside the caller's transaction; none of them audits. Keys go in and out in clear
 * here and nowhere else; `seal` is the engine's. */
#ifndef STORE_LICENCE_H
#define STORE_LICENCE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct db;
struct err;
struct licence;
struct licence_key;
struct licence_new; /* model/licence.h */
struct page;
struct seal_key;

/* id, rev and times come back. ERR_EXISTS: the serial is taken; ERR_INVALID: there is no such product. */
bool store_licence_create(struct db *db, const struct seal_key *seal, struct licence_new *inout, struct err *err);
/* All n rows or none, in one statement. *bad: the index of the first row that is refused (ERR_EXISTS: its serial is taken, or stands in an
 * earlier row), n when it is none of them. */
bool store_licence_import(struct db *db, const struct seal_key *seal, const struct licence_new *rows, size_t n, size_t *bad,
			  struct err *err);
bool store_licence_delete(struct db *db, int64_t id, struct err *err);
bool store_licence_get(struct db *db, int64_t id, struct licence *out, struct err *err);
/* The licence of a serial with its key in clear, which the caller wipes. ERR_NOT_FOUND. */
bool store_licence_open(struct db *db, const struct seal_key *seal, const char *serial, struct licence *out, struct licence_key *key,
			struct err *err);
/* page->name is a serial. *out is malloc'd, the caller frees it. */
bool store_licence_list(struct db *db, const struct page *page, struct licence **out, size_t *count, struct err *err);

#endif
