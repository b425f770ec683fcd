/* A TLS client (OpenSSL, so that the two ends are of different make) and certificates for it. Any failure fails the test. */
#ifndef TEST_HTTP_TLS_CLIENT_H
#define TEST_HTTP_TLS_CLIENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct ssl_st SSL;

struct tls_client {
	int fd;
	SSL *ssl;
};

/* Writes NAME.pem and NAME.key (mode 600) into dir: a certificate for 127.0.0.1, signed by itself, with this serial number. */
void tls_make(const char *dir, const char *name, int serial);

/* Connects; trusts nobody in particular. version: TLS1_2_VERSION, TLS1_3_VERSION, 0 = the best. receive_buffer: 0 = the system's. */
void tls_connect(struct tls_client *c, uint16_t port, int version, int receive_buffer);
void tls_hello(struct tls_client *c); /* the client's first message of the handshake, and no more */
bool tls_shake(struct tls_client *c); /* the handshake; whether it succeeded */
void tls_open(struct tls_client *c, uint16_t port, int version, int receive_buffer);
void tls_close(struct tls_client *c);

void tls_write(struct tls_client *c, const char *text);
size_t tls_read(struct tls_client *c, void *out, size_t len); /* exactly len, unless the connection ends before */

/* Reads one answer's head; the status, 0 if the connection ended before. */
int tls_head(struct tls_client *c, char *out, size_t size);

/* One request on a connection of its own, and its answer with the body. */
int tls_get(uint16_t port, const char *target, const char *extra, char *body, size_t size);

/* The serial number of the certificate that the server showed. */
long tls_serial(const struct tls_client *c);

#endif
