/* /api/v3: the service's own API, which console and command line speak. Its conventions stand in service/INTERFACES.md. */
#ifndef DIALECT_NATIVE_H
#define DIALECT_NATIVE_H

struct engine;
struct http_dialect;

/* Fills out: prefix "/api/v3/", routes, admission by role, errors as problem+json. The engine must outlive the server. */
void native_dialect(struct http_dialect *out, struct engine *engine);

#endif
