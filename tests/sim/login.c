#include "login.h"

#include <mosquitto.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <string.h>

#include "common/err.h"
#include "common/scoped.h"
#include "sim.h"

enum { EPOCH = 1 };

/* The certificate must name the host as the user has written it, not the address that was found for it. */
static bool expect_host(SSL_CTX *tls, const char *host)
{
	X509_VERIFY_PARAM *param = SSL_CTX_get0_param(tls);
	return X509_VERIFY_PARAM_set1_ip_asc(param, host) == 1 || X509_VERIFY_PARAM_set1_host(param, host, 0) == 1;
}

static bool load_tls(struct login *login, const struct options *opt, struct err *err)
{
	login->tls = SSL_CTX_new(TLS_client_method());
	if (!login->tls || SSL_CTX_set_min_proto_version(login->tls, TLS1_2_VERSION) != 1 || !expect_host(login->tls, opt->mqtt_host)) {
		return err_set(err, ERR_INTERNAL, "OpenSSL does not start");
	}
	SSL_CTX_set_verify(login->tls, SSL_VERIFY_PEER, NULL);
	return SSL_CTX_load_verify_file(login->tls, opt->cafile) == 1 ||
	       err_set(err, ERR_INVALID, "%s: no certificates in PEM that can be read", opt->cafile);
}

bool login_load(struct sim *sim, struct err *err)
{
	const struct options *opt = &sim->opt;
	struct login *login = &sim->login;
	if (!opt->mqtt_host[0]) {
		return true;
	}
	return (!opt->password_file || secret_from_file(&login->password, opt->password_file, err)) &&
	       (!opt->mqtt_keys || credential_keys_load(&login->keys, opt->mqtt_keys, err)) && (!opt->cafile || load_tls(login, opt, err));
}

void login_clear(struct login *login)
{
	credential_keys_clear(&login->keys);
	secret_clear(&login->password);
	SSL_CTX_free(login->tls);
	login->tls = NULL;
}

static bool apply_derived(const struct device *d, struct mosquitto *client, const char *id)
{
	struct credential c;
	bool ok = credential_issue(&d->sim->login.keys, id, d->name, EPOCH, "", &c) &&
		  mosquitto_username_pw_set(client, c.username, c.password) == MOSQ_ERR_SUCCESS;
	explicit_bzero(&c, sizeof c);
	return ok;
}

static bool apply_given(const struct device *d, struct mosquitto *client)
{
	const struct options *opt = &d->sim->opt;
	const struct secret *secret = &d->sim->login.password;
	char username[LINK_PATTERN_SIZE];
	char password[LINK_PATTERN_SIZE];
	link_fill_in(username, sizeof username, opt->username, d->name);
	link_fill_in(password, sizeof password, opt->password ? opt->password : "", d->name);
	const char *text = secret_is_set(secret) ? secret->reveal : opt->password ? password : NULL;
	return mosquitto_username_pw_set(client, username, text) == MOSQ_ERR_SUCCESS;
}

bool login_apply(const struct device *d, struct mosquitto *client, const char *id)
{
	const struct login *login = &d->sim->login;
	if (login->tls && (mosquitto_void_option(client, MOSQ_OPT_SSL_CTX, login->tls) != MOSQ_ERR_SUCCESS ||
			   mosquitto_int_option(client, MOSQ_OPT_SSL_CTX_WITH_DEFAULTS, 0) != MOSQ_ERR_SUCCESS)) {
		return false;
	}
	if (login->keys.count > 0) {
		return apply_derived(d, client, id);
	}
	return !d->sim->opt.username || apply_given(d, client);
}
