/* Inside the native dialect only: ETags "{revision}-{16 hex of the body's SHA-256}". A reader's copy is fresh while the whole tag is the
 * same; a writer is up to date while the revision is, whatever a device may have reported since. Pure.
 */
#ifndef DIALECT_NATIVE_ETAG_H
#define DIALECT_NATIVE_ETAG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { NATIVE_ETAG_SIZE = 48 };

void native_etag_make(char out[NATIVE_ETAG_SIZE], int64_t rev, const void *body, size_t len);

/* If-None-Match (NULL = absent) names this tag, weak or strong, or is "*". */
bool native_etag_is_fresh(const char *if_none_match, const char *etag);

/* If-Match (NULL = absent: no condition) names this revision by a strong tag, or is "*". */
bool native_etag_may_change(const char *if_match, int64_t rev);

#endif
