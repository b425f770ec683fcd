/* For those who run the service: /healthz, /readyz, /metrics; and the shape of errors outside every API. */
#ifndef DIALECT_OPS_H
#define DIALECT_OPS_H

struct engine;
struct http_dialect;

/* Prefix "/". The engine must outlive the server. */
void ops_dialect(struct http_dialect *out, struct engine *engine);

#endif
