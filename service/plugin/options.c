#include "plugin/options.h"

#include <stdlib.h>
#include <string.h>

#include "common/err.h"
#include "plugin/broker.h"

#define SERVICE_USERNAME "otad"

static char **place(struct options *o, const char *key)
{
	const struct {
		const char *key;
		char **at;
	} known[] = {
		{"keys_file", &o->keys_file},
		{"service_username", &o->service_username},
		{"service_secret_file", &o->service_secret_file},
		{"state_file", &o->state_file},
	};
	for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
		if (strcmp(known[i].key, key) == 0) {
			return known[i].at;
		}
	}
	return NULL;
}

static bool take(struct options *o, const struct mosquitto_opt *opt, struct err *err)
{
	char **at = place(o, opt->key);
	if (!at) {
		return err_set(err, ERR_INVALID,
			       "plugin_opt_%.40s is unknown; known: keys_file, service_username, service_secret_file, state_file",
			       opt->key);
	}
	if (*at || !opt->value || !*opt->value) {
		return err_set(err, ERR_INVALID, "plugin_opt_%s must be given once and not be empty", opt->key);
	}
	*at = strdup(opt->value);
	return *at || err_set(err, ERR_INTERNAL, "out of memory");
}

static bool check(struct options *o, struct err *err)
{
	static const char missing[] = "plugin_opt_%s is missing in the broker's configuration";
	if (!o->keys_file) {
		return err_set(err, ERR_MISSING, missing, "keys_file");
	}
	if (!o->service_secret_file) {
		return err_set(err, ERR_MISSING, missing, "service_secret_file");
	}
	if (!o->state_file) {
		return err_set(err, ERR_MISSING, missing, "state_file");
	}
	if (!o->service_username) {
		o->service_username = strdup(SERVICE_USERNAME);
	}
	return o->service_username || err_set(err, ERR_INTERNAL, "out of memory");
}

bool options_reload(struct options *o, struct err *err)
{
	struct secret secret = {0};
	if (!secret_from_file(&secret, o->service_secret_file, err) || !credential_keys_load(&o->keys, o->keys_file, err)) {
		secret_clear(&secret);
		return false;
	}
	secret_clear(&o->service_secret);
	o->service_secret = secret;
	return true;
}

bool options_read(struct options *out, const struct mosquitto_opt *list, int count, struct err *err)
{
	*out = (struct options){0};
	bool ok = true;
	for (int i = 0; ok && i < count; i++) {
		ok = take(out, &list[i], err);
	}
	ok = ok && check(out, err) && options_reload(out, err);
	if (!ok) {
		options_clear(out);
	}
	return ok;
}

void options_clear(struct options *o)
{
	free(o->keys_file);
	free(o->service_username);
	free(o->service_secret_file);
	free(o->state_file);
	credential_keys_clear(&o->keys);
	secret_clear(&o->service_secret);
	*o = (struct options){0};
}
