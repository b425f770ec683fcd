/* Inside the native dialect only: a CSV file of licences. Pure. */
#ifndef DIALECT_NATIVE_LICENCE_CSV_H
#define DIALECT_NATIVE_LICENCE_CSV_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct err;
struct licence_new; /* model/licence.h */

enum { NATIVE_LICENCE_ROWS_MAX = 100000 };

/* Lines "serial,key" or "serial,key,encoding" (RFC 4180: fields may stand in quotes; blanks around a field do not count), with or without
 * the names of the columns in the first one; empty lines and a byte order mark are passed over. Every row gets product_id (0 = any product)
 * and its line's number. *out is malloc'd, to be freed by native_licence_csv_free(). False: the sentence begins with the number of the
 * first bad line; no sentence shows a key. */
bool native_licence_csv(const char *text, size_t len, int64_t product_id, struct licence_new **out, size_t *count, struct err *err);

/* Wipes the keys, too. */
void native_licence_csv_free(struct licence_new **rows, size_t count);

#endif
