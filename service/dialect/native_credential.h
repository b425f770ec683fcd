/* Inside the native dialect only: /api/v3/devices/{id}/credentials. The password is in the answer that makes it, and nowhere else. */
#ifndef DIALECT_NATIVE_CREDENTIAL_H
#define DIALECT_NATIVE_CREDENTIAL_H

#include <stdbool.h>

#include "http/server.h"

struct buf;
struct device;
struct engine;
struct err;

http_handler native_credential_get;    /* never the password */
http_handler native_credential_show;   /* once */
http_handler native_credential_rotate; /* a new one; the old one is dead */
http_handler native_credential_block;
http_handler native_credential_unblock;

/* ,"username":"..","password":".." of the present epoch */
bool native_credential_put(struct engine *engine, struct buf *out, const struct device *device, struct err *err);

#endif
