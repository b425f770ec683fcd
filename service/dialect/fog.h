/* The fog dialect (seed 002): firmware files per product. */
#ifndef DIALECT_FOG_H
#define DIALECT_FOG_H

struct engine;
struct http_dialect;

/* engine must outlive the server. */
void fog_dialect(struct http_dialect *out, struct engine *engine);

#endif
