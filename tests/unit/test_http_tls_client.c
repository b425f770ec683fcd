#include "test_http_tls_client.h"

#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "test_http_client.h"
#include "unit.h"

void tls_make(const char *dir, const char *name, int serial)
{
	char command[1024];
	snprintf(command, sizeof(command),
		 "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -set_serial %d -subj /CN=test "
		 "-addext subjectAltName=IP:127.0.0.1 -keyout %s/%s.key -out %s/%s.pem 2>/dev/null && chmod 600 %s/%s.key",
		 serial, dir, name, dir, name, dir, name);
	assert_int_equal(system(command), 0); /* NOLINT(cert-env33-c) */
}

void tls_connect(struct tls_client *c, uint16_t port, int version, int receive_buffer)
{
	SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());
	assert_non_null(ctx);
	if (version) {
		SSL_CTX_set_min_proto_version(ctx, version);
		SSL_CTX_set_max_proto_version(ctx, version);
	}
	c->fd = client_open_narrow(port, receive_buffer);
	c->ssl = SSL_new(ctx);
	SSL_CTX_free(ctx);
	assert_non_null(c->ssl);
	SSL_set_fd(c->ssl, c->fd);
	SSL_set_connect_state(c->ssl);
}

void tls_hello(struct tls_client *c)
{
	BIO *nothing = BIO_new(BIO_s_mem());
	BIO_set_mem_eof_return(nothing, -1);
	SSL_set0_rbio(c->ssl, nothing);
	assert_int_equal(SSL_do_handshake(c->ssl), -1);
	assert_int_equal(SSL_set_rfd(c->ssl, c->fd), 1);
}

bool tls_shake(struct tls_client *c)
{
	return SSL_do_handshake(c->ssl) == 1;
}

void tls_open(struct tls_client *c, uint16_t port, int version, int receive_buffer)
{
	tls_connect(c, port, version, receive_buffer);
	assert_true(tls_shake(c));
}

void tls_close(struct tls_client *c)
{
	SSL_free(c->ssl);
	close(c->fd);
}

void tls_write(struct tls_client *c, const char *text)
{
	SSL_write(c->ssl, text, (int)strlen(text));
}

size_t tls_read(struct tls_client *c, void *out, size_t len)
{
	size_t got = 0;
	while (got < len) {
		int n = SSL_read(c->ssl, (char *)out + got, (int)(len - got));
		if (n <= 0) {
			break;
		}
		got += (size_t)n;
	}
	return got;
}

int tls_head(struct tls_client *c, char *out, size_t size)
{
	size_t n = 0;
	out[0] = '\0';
	while (n + 1 < size && tls_read(c, out + n, 1) == 1) {
		out[++n] = '\0';
		if (n >= 4 && memcmp(out + n - 4, "\r\n\r\n", 4) == 0) {
			assert_memory_equal(out, "HTTP/1.1 ", 9);
			return (int)strtol(out + 9, NULL, 10);
		}
	}
	return 0;
}

int tls_get(uint16_t port, const char *target, const char *extra, char *body, size_t size)
{
	struct tls_client c;
	char text[4096];
	tls_open(&c, port, 0, 0);
	snprintf(text, sizeof(text), "GET %s HTTP/1.1\r\nHost: test\r\nConnection: close\r\n%s\r\n", target, extra);
	tls_write(&c, text);
	int status = tls_head(&c, text, sizeof(text));
	size_t n = tls_read(&c, body, size - 1);
	body[n] = '\0';
	tls_close(&c);
	return status;
}

long tls_serial(const struct tls_client *c)
{
	X509 *cert = SSL_get1_peer_certificate(c->ssl);
	assert_non_null(cert);
	long serial = ASN1_INTEGER_get(X509_get0_serialNumber(cert));
	X509_free(cert);
	return serial;
}
