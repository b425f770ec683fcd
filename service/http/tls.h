/* The certificate of the TLS listener: loaded from PEM files, exchanged while connections go on. The only file that knows GnuTLS. */
#ifndef HTTP_TLS_H
#define HTTP_TLS_H

#include <stdbool.h>
#include <stddef.h>

struct err;
struct gnutls_session_int;
struct http_credential;
struct http_tls;
struct MHD_OptionItem;

/* For libmicrohttpd: TLS 1.2 and 1.3, ephemeral keys on elliptic curves, authenticated ciphers; the certificate that is current when a
 * handshake asks for it. The connection keeps what it took (http_line.credential) until it ends; http_line.shaken tells when it is over. */
extern const struct MHD_OptionItem *const http_tls_options;

/* A certificate (PEM, followed by its chain in order) and its key (PEM, without password, a file that others may not read). NULL and a
 * sentence that says which file is wrong, and what to do. The new certificate is logged; one that is not valid at this time is loaded all
 * the same, with a warning. */
struct http_tls *http_tls_new(const char *cert_file, const char *key_file, struct err *err);
void http_tls_free(struct http_tls **tls);

/* Handshakes that begin from now on see these files; on failure, what was there. Any thread. */
bool http_tls_reload(struct http_tls *tls, const char *cert_file, const char *key_file, struct err *err);

/* Whether http_tls_new() would take them. */
bool http_tls_check(const char *cert_file, const char *key_file, struct err *err);

/* What http_line.credential holds, when the line ends. NULL inside: nothing. */
void http_tls_drop(struct http_credential **credential);

/* Writes past libmicrohttpd, which must not be writing, after the handshake; what the socket does not take at once is lost. */
void http_tls_send(struct gnutls_session_int *session, const char *data, size_t len);

#endif
