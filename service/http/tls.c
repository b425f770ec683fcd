#include "http/tls.h"

#include <errno.h>
#include <gnutls/abstract.h>
#include <gnutls/gnutls.h>
#include <gnutls/x509.h>
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>
#include <time.h>

#include "common/err.h"
#include "common/log.h"
#include "common/scoped.h"
#include "common/secret.h"
#include "common/text.h"
#include "http/inside.h"
#include "http/line.h"

enum { CHAIN_MAX = 16, ID_SIZE = 64, SERIAL_SIZE = 64 };

/* Without keys from finite fields (slow, and every client has curves), RSA key exchange (no forward secrecy) and CBC. */
static const char priorities[] = "NORMAL:-VERS-ALL:+VERS-TLS1.3:+VERS-TLS1.2:-RSA:-DHE-RSA:-GROUP-DH-ALL:-AES-256-CBC:-AES-128-CBC:"
				 "%SERVER_PRECEDENCE";

struct http_credential {
	atomic_uint users;
	unsigned count;
	gnutls_pcert_st chain[CHAIN_MAX]; /* the server's own first */
	gnutls_privkey_t key;
};

struct http_tls {
	pthread_mutex_t lock;
	struct http_credential *current; /* under lock */
};

/* --- one certificate with its key ---------------------------------------------------------------------------------------------------- */

void http_tls_drop(struct http_credential **credential)
{
	struct http_credential *c = *credential;
	*credential = NULL;
	if (!c || atomic_fetch_sub(&c->users, 1) > 1) {
		return;
	}
	for (unsigned i = 0; i < c->count; i++) {
		gnutls_pcert_deinit(&c->chain[i]);
	}
	if (c->key) {
		gnutls_privkey_deinit(c->key);
	}
	free(c);
}

static bool load_chain(struct http_credential *c, const char *path, struct err *err)
{
	gnutls_datum_t pem;
	int rc = gnutls_load_file(path, &pem);
	if (rc != GNUTLS_E_SUCCESS) {
		return err_set(err, ERR_INVALID, "%s: %s", path, err_errno(errno));
	}
	unsigned count = CHAIN_MAX;
	rc = gnutls_pcert_list_import_x509_raw(c->chain, &count, &pem, GNUTLS_X509_FMT_PEM, GNUTLS_X509_CRT_LIST_FAIL_IF_UNSORTED);
	gnutls_free(pem.data);
	if (rc == GNUTLS_E_CERTIFICATE_LIST_UNSORTED) {
		return err_set(err, ERR_INVALID, "%s: the certificates are not in order; put the server's own first, then its issuer",
			       path);
	}
	if (rc == GNUTLS_E_SHORT_MEMORY_BUFFER) {
		return err_set(err, ERR_INVALID, "%s: more than %d certificates; name a file with the server's own and its chain only",
			       path, CHAIN_MAX);
	}
	if (rc != GNUTLS_E_SUCCESS || count == 0) {
		return err_set(err, ERR_INVALID, "%s holds no certificate in PEM form (%s)", path, gnutls_strerror(rc));
	}
	c->count = count;
	return true;
}

static bool load_key(struct http_credential *c, const char *path, struct err *err)
{
	scoped(secret_clear) struct secret pem = {0};
	if (!secret_from_whole_file(&pem, path, err)) {
		return false;
	}
	gnutls_datum_t text = {.data = (unsigned char *)pem.reveal, .size = (unsigned)strlen(pem.reveal)};
	int rc = gnutls_privkey_init(&c->key);
	if (rc == GNUTLS_E_SUCCESS) {
		rc = gnutls_privkey_import_x509_raw(c->key, &text, GNUTLS_X509_FMT_PEM, NULL, 0);
	}
	if (rc == GNUTLS_E_DECRYPTION_FAILED) {
		return err_set(err, ERR_INVALID, "%s is protected by a password; write the key without one (openssl pkey -in ... -out ...)",
			       path);
	}
	return rc == GNUTLS_E_SUCCESS || err_set(err, ERR_INVALID, "%s holds no private key in PEM form (%s)", path, gnutls_strerror(rc));
}

static bool key_id(gnutls_pubkey_t key, unsigned char id[ID_SIZE], size_t *size)
{
	*size = ID_SIZE;
	return gnutls_pubkey_get_key_id(key, GNUTLS_KEYID_USE_SHA256, id, size) == GNUTLS_E_SUCCESS;
}

static bool belong_together(const struct http_credential *c)
{
	unsigned char left[ID_SIZE];
	unsigned char right[ID_SIZE];
	size_t left_size;
	size_t right_size;
	gnutls_pubkey_t own;
	if (gnutls_pubkey_init(&own) != GNUTLS_E_SUCCESS) {
		return false;
	}
	bool same = gnutls_pubkey_import_privkey(own, c->key, 0, 0) == GNUTLS_E_SUCCESS && key_id(own, left, &left_size) &&
		    key_id(c->chain[0].pubkey, right, &right_size) && left_size == right_size && memcmp(left, right, left_size) == 0;
	gnutls_pubkey_deinit(own);
	return same;
}

static struct http_credential *load(const char *cert_file, const char *key_file, struct err *err)
{
	scoped(http_tls_drop) struct http_credential *c = calloc(1, sizeof(*c));
	if (!c) {
		err_set(err, ERR_INTERNAL, "out of memory");
		return NULL;
	}
	atomic_init(&c->users, 1);
	if (!load_chain(c, cert_file, err)) {
		err_prefix(err, "tls_cert_file");
		return NULL;
	}
	if (!load_key(c, key_file, err)) {
		err_prefix(err, "tls_key_file");
		return NULL;
	}
	if (!belong_together(c)) {
		err_set(err, ERR_INVALID,
			"tls_key_file: %s is not the key of the first certificate in %s; give the pair that belongs together", key_file,
			cert_file);
		return NULL;
	}
	return steal(&c);
}

/* --- what is in force ------------------------------------------------------------------------------------------------------------- */

static void print_time(time_t at, char out[32])
{
	struct tm tm;
	if (!gmtime_r(&at, &tm) || strftime(out, 32, "%Y-%m-%dT%H:%M:%SZ", &tm) == 0) {
		memcpy(out, "?", 2);
	}
}

/* So that those who exchange certificates see which one is in use, and until when. */
static void log_loaded(const struct http_credential *c, const char *path)
{
	gnutls_x509_crt_t crt;
	unsigned char serial[SERIAL_SIZE];
	size_t len = sizeof(serial);
	char hex[2 * SERIAL_SIZE + 1] = "";
	char from[32];
	char until[32];
	if (gnutls_x509_crt_init(&crt) != GNUTLS_E_SUCCESS) {
		return;
	}
	if (gnutls_x509_crt_import(crt, &c->chain[0].cert, GNUTLS_X509_FMT_DER) == GNUTLS_E_SUCCESS) {
		time_t now = time(NULL);
		time_t begin = gnutls_x509_crt_get_activation_time(crt);
		time_t end = gnutls_x509_crt_get_expiration_time(crt);
		print_time(begin, from);
		print_time(end, until);
		if (gnutls_x509_crt_get_serial(crt, serial, &len) == GNUTLS_E_SUCCESS) {
			text_hex(hex, serial, len);
		}
		log_info("certificate loaded", LOG_S("file", path), LOG_S("serial", hex), LOG_S("expires", until));
		if (now < begin || now >= end) {
			log_warn("the certificate is not valid now: clients will refuse it; put a new one in place and send SIGHUP",
				 LOG_S("file", path), LOG_S("from", from), LOG_S("until", until));
		}
	}
	gnutls_x509_crt_deinit(crt);
}

struct http_tls *http_tls_new(const char *cert_file, const char *key_file, struct err *err)
{
	struct http_credential *c = load(cert_file, key_file, err);
	if (!c) {
		return NULL;
	}
	struct http_tls *tls = calloc(1, sizeof(*tls));
	if (!tls) {
		http_tls_drop(&c);
		err_set(err, ERR_INTERNAL, "out of memory");
		return NULL;
	}
	pthread_mutex_init(&tls->lock, NULL);
	tls->current = c;
	log_loaded(c, cert_file);
	return tls;
}

void http_tls_free(struct http_tls **tls)
{
	if (*tls) {
		http_tls_drop(&(*tls)->current);
		pthread_mutex_destroy(&(*tls)->lock);
		free(*tls);
		*tls = NULL;
	}
}

bool http_tls_reload(struct http_tls *tls, const char *cert_file, const char *key_file, struct err *err)
{
	struct http_credential *fresh = load(cert_file, key_file, err);
	if (!fresh) {
		return false;
	}
	log_loaded(fresh, cert_file);
	pthread_mutex_lock(&tls->lock);
	struct http_credential *old = tls->current;
	tls->current = fresh;
	pthread_mutex_unlock(&tls->lock);
	http_tls_drop(&old);
	return true;
}

bool http_tls_check(const char *cert_file, const char *key_file, struct err *err)
{
	struct http_credential *c = load(cert_file, key_file, err);
	bool ok = c != NULL;
	http_tls_drop(&c);
	return ok;
}

/* Dropped again when the connection ends. */
static struct http_credential *take(struct http_tls *tls)
{
	pthread_mutex_lock(&tls->lock);
	struct http_credential *c = tls->current;
	atomic_fetch_add(&c->users, 1);
	pthread_mutex_unlock(&tls->lock);
	return c;
}

/* --- sessions --------------------------------------------------------------------------------------------------------------------- */

/* libmicrohttpd has left the connection in the session's pointer. */
static struct http_line *line_of(gnutls_session_t session)
{
	struct MHD_Connection *conn = gnutls_session_get_ptr(session);
	return MHD_get_connection_info(conn, MHD_CONNECTION_INFO_SOCKET_CONTEXT)->socket_context;
}

/* The client's Finished: what comes next is a request. */
static int finished(gnutls_session_t session, unsigned type, unsigned when, unsigned incoming, const gnutls_datum_t *msg)
{
	(void)type;
	(void)when;
	(void)msg;
	struct http_line *line = line_of(session);
	if (incoming) {
		line->shaken = true;
		line->sighted = false;
		line->since = line->loop->now;
	}
	return 0;
}

/* GnuTLS asks for the certificate, perhaps twice in a handshake. */
static int present(gnutls_session_t session, const gnutls_datum_t *names, int name_count, const gnutls_pk_algorithm_t *algorithms,
		   int algorithm_count, gnutls_pcert_st **chain, unsigned *count, gnutls_privkey_t *key)
{
	(void)names;
	(void)name_count;
	(void)algorithms;
	(void)algorithm_count;
	struct http_line *line = line_of(session);
	if (!line) {
		return -1;
	}
	if (!line->credential) {
		line->credential = take(line->loop->server->tls);
		gnutls_handshake_set_hook_function(session, GNUTLS_HANDSHAKE_FINISHED, GNUTLS_HOOK_POST, finished);
	}
	*chain = line->credential->chain;
	*count = line->credential->count;
	*key = line->credential->key;
	return 0;
}

static const struct MHD_OptionItem daemon_options[] = {
	{MHD_OPTION_HTTPS_CERT_CALLBACK, 0, (void *)(uintptr_t)present},
	{MHD_OPTION_HTTPS_PRIORITIES, 0, (void *)(uintptr_t)priorities},
	{MHD_OPTION_END, 0, NULL},
};
const struct MHD_OptionItem *const http_tls_options = daemon_options;

void http_tls_send(struct gnutls_session_int *session, const char *data, size_t len)
{
	while (len > 0) {
		ssize_t n = gnutls_record_send(session, data, len);
		if (n <= 0) { /* the socket is full: the peer does without the rest, as over TCP */
			return;
		}
		data += n;
		len -= (size_t)n;
	}
}
