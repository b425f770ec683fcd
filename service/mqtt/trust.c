#include "mqtt/trust.h"

#include <arpa/inet.h>
#include <errno.h>
#include <openssl/bio.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509_vfy.h>
#include <stdio.h>
#include <string.h>

#include "common/err.h"
#include "common/scoped.h"

enum { PATIENCE_S = 5 };

static void close_file(FILE **file)
{
	if (*file) {
		fclose(*file);
	}
}

static void free_ctx(SSL_CTX **ctx)
{
	SSL_CTX_free(*ctx);
}

static void free_bio(BIO **bio)
{
	BIO_free_all(*bio);
}

bool trust_check(const char *ca_file, struct err *err)
{
	if (ca_file[0] == '\0') {
		return true;
	}
	scoped(close_file) FILE *file = fopen(ca_file, "re");
	if (file == NULL) {
		return err_set(err, ERR_INVALID, "mqtt_ca_file: %s: %s", ca_file, err_errno(errno));
	}
	X509 *first = PEM_read_X509(file, NULL, NULL, NULL);
	bool ok = first != NULL;
	X509_free(first);
	return ok || err_set(err, ERR_INVALID, "mqtt_ca_file: %s holds no certificate in PEM form", ca_file);
}

static bool load_trust(SSL_CTX *ctx, const char *ca_file)
{
	int rc = ca_file[0] != '\0' ? SSL_CTX_load_verify_file(ctx, ca_file) : SSL_CTX_set_default_verify_paths(ctx);
	return rc == 1;
}

static void demand(SSL *ssl, char *host)
{
	X509_VERIFY_PARAM *param = SSL_get0_param(ssl);
	if (X509_VERIFY_PARAM_set1_ip_asc(param, host) != 1) {
		X509_VERIFY_PARAM_set1_host(param, host, 0);
		SSL_set_tlsext_host_name(ssl, host);
	}
}

/* A failed handshake with `result` of the verification. */
static void say(long result, const char *host, const char *ca_file, char *reason, size_t size)
{
	const char *what = X509_verify_cert_error_string(result);
	if (result == X509_V_OK) {
		snprintf(reason, size, "the broker's port is open, but TLS does not come about: is this its TLS port (mqtt_port)?");
	} else if (result == X509_V_ERR_HOSTNAME_MISMATCH || result == X509_V_ERR_IP_ADDRESS_MISMATCH) {
		snprintf(reason, size, "the broker's certificate does not name %s: set mqtt_host to a name in it, or renew it", host);
	} else {
		snprintf(reason, size, "the broker's certificate is not trusted by %s: %s", ca_file[0] != '\0' ? ca_file : "the system",
			 what);
	}
}

void trust_explain(const char *host, int port, const char *ca_file, char *reason, size_t size)
{
	scoped(free_ctx) SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());
	if (ctx == NULL || !load_trust(ctx, ca_file)) {
		snprintf(reason, size, "the certificates in mqtt_ca_file cannot be read: %s", ca_file);
		return;
	}
	SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER, NULL);
	scoped(free_bio) BIO *bio = BIO_new_ssl_connect(ctx);
	SSL *ssl = NULL;
	if (bio == NULL || BIO_get_ssl(bio, &ssl) != 1 || ssl == NULL) {
		snprintf(reason, size, "no memory");
		return;
	}
	char name[256]; /* OpenSSL's macros cast const away */
	char digits[16];
	snprintf(name, sizeof(name), "%s", host);
	snprintf(digits, sizeof(digits), "%d", port);
	BIO_set_conn_hostname(bio, name);
	BIO_set_conn_port(bio, digits);
	demand(ssl, name);
	BIO *tcp = BIO_next(bio);
	if (BIO_do_connect_retry(tcp, PATIENCE_S, 0) != 1) {
		snprintf(reason, size, "no connection");
	} else if (BIO_do_connect_retry(bio, PATIENCE_S, 0) != 1) {
		say(SSL_get_verify_result(ssl), host, ca_file, reason, size);
	} else {
		snprintf(reason, size, "the connection broke off");
	}
}
