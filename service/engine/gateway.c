#include "engine/gateway.h"

#include "common/secret.h"
#include "engine/admin_frame.h"
#include "engine/private.h"
#include "store/gateway.h"

bool gateway_open(struct engine *e, struct worker *w, int64_t product_id, struct gateway *out, struct secret *key, struct err *err)
{
	secret_clear(key);
	return ADMIN_READ(w, err, store_gateway_open(db, e->seal_key, product_id, out, key, err));
}
