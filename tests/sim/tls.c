#include "tls.h"

#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <stdlib.h>
#include <string.h>

enum { HOSTS = 4 };

struct tls {
	const char *cafile;
	struct {
		char *host;
		SSL_CTX *context;
	} known[HOSTS];
};

struct tls *tls_new(const char *cafile)
{
	struct tls *tls = calloc(1, sizeof *tls);
	if (tls) {
		tls->cafile = cafile;
	}
	return tls;
}

void tls_free(struct tls **tls)
{
	for (size_t i = 0; *tls && i < HOSTS; i++) {
		free((*tls)->known[i].host);
		SSL_CTX_free((*tls)->known[i].context);
	}
	free(*tls);
	*tls = NULL;
}

static SSL_CTX *make(const char *cafile, const char *host)
{
	SSL_CTX *context = SSL_CTX_new(TLS_client_method());
	X509_VERIFY_PARAM *param = context ? SSL_CTX_get0_param(context) : NULL;
	if (!context || SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION) != 1 ||
	    (X509_VERIFY_PARAM_set1_ip_asc(param, host) != 1 && X509_VERIFY_PARAM_set1_host(param, host, 0) != 1) ||
	    (cafile ? SSL_CTX_load_verify_file(context, cafile) : SSL_CTX_set_default_verify_paths(context)) != 1) {
		SSL_CTX_free(context);
		return NULL;
	}
	SSL_CTX_set_verify(context, SSL_VERIFY_PEER, NULL);
	SSL_CTX_set_mode(context, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
	return context;
}

SSL_CTX *tls_for(struct tls *tls, const char *host)
{
	size_t i = 0;
	while (i < HOSTS && tls->known[i].host && strcmp(tls->known[i].host, host) != 0) {
		i++;
	}
	if (i == HOSTS) { /* connections that still use it hold it themselves */
		i = HOSTS - 1;
		free(tls->known[i].host);
		SSL_CTX_free(tls->known[i].context);
		tls->known[i].host = NULL;
	}
	if (!tls->known[i].host) {
		tls->known[i].context = make(tls->cafile, host);
		tls->known[i].host = tls->known[i].context ? strdup(host) : NULL;
	}
	return tls->known[i].host ? tls->known[i].context : NULL;
}
