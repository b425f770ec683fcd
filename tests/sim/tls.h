/* TLS towards the host that an answer has named; who asks for the same host again shares the context. */
#ifndef SIM_TLS_H
#define SIM_TLS_H

#include <openssl/types.h>

struct tls;

struct tls *tls_new(const char *cafile); /* NULL: the system's authorities; the text must live as long */
void tls_free(struct tls **tls);

/* A context that takes only certificates for this host. It lives as long as tls. NULL: the certificates of the CA cannot be read. */
SSL_CTX *tls_for(struct tls *tls, const char *host);

#endif
