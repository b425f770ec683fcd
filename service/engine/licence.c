#include "engine/licence.h"

#include "engine/admin_frame.h"
#include "engine/private.h"
#include "model/licence.h"
#include "store/licence.h"

bool licence_open(struct engine *e, struct worker *w, const char *serial, struct licence *out, struct licence_key *key, struct err *err)
{
	if (ADMIN_READ(w, err, store_licence_open(db, e->seal_key, serial, out, key, err))) {
		return true;
	}
	licence_key_wipe(key);
	return false;
}
