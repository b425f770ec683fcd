/* Start and stop. */
#include "http/server.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/digest.h"
#include "common/err.h"
#include "common/scoped.h"
#include "http/inside.h"
#include "http/loop.h"
#include "http/tls.h"

enum {
	BACKLOG = 4096,
	/* The kernel doubles it. More makes no download faster and lets a thousand slow ones hold gigabytes. */
	SEND_BUFFER = 128 * 1024,
};

union address {
	struct sockaddr any;
	struct sockaddr_in in;
	struct sockaddr_in6 in6;
};

static bool parse_address(const char *text, int port, union address *out, socklen_t *len)
{
	memset(out, 0, sizeof(*out));
	if (inet_pton(AF_INET, text, &out->in.sin_addr) == 1) {
		out->in.sin_family = AF_INET;
		out->in.sin_port = htons((uint16_t)port);
		*len = sizeof(out->in);
		return true;
	}
	out->in6.sin6_family = AF_INET6;
	out->in6.sin6_port = htons((uint16_t)port);
	*len = sizeof(out->in6);
	return inet_pton(AF_INET6, text, &out->in6.sin6_addr) == 1;
}

static void set(int fd, int level, int name, int value)
{
	setsockopt(fd, level, name, &value, sizeof(value));
}

/* The accepted sockets inherit the options. */
static int open_listener(const char *text, int wanted, uint16_t *port, struct err *err)
{
	union address address;
	socklen_t len;
	if (!parse_address(text, wanted, &address, &len)) {
		err_set(err, ERR_INVALID, "%s is not a numeric IP address.", text);
		return -1;
	}
	scoped_close int fd = socket(address.any.sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd >= 0) {
		set(fd, SOL_SOCKET, SO_REUSEADDR, 1);
		set(fd, SOL_SOCKET, SO_SNDBUF, SEND_BUFFER);
		if (address.any.sa_family == AF_INET6) {
			set(fd, IPPROTO_IPV6, IPV6_V6ONLY, 0);
		}
	}
	if (fd < 0 || bind(fd, &address.any, len) != 0 || listen(fd, BACKLOG) != 0 || getsockname(fd, &address.any, &len) != 0) {
		err_set(err, ERR_UNAVAILABLE, "Cannot listen on %s port %d: %s.", text, wanted, strerror(errno));
		return -1;
	}
	*port = ntohs(address.any.sa_family == AF_INET6 ? address.in6.sin6_port : address.in.sin_port);
	return steal_fd(&fd);
}

static void stop_loops(struct http_server *server)
{
	for (unsigned i = 0; i < server->loop_count; i++) {
		http_loop_stir(&server->loop[i]);
	}
	for (unsigned i = 0; i < server->loop_count; i++) {
		http_loop_stop(&server->loop[i]);
	}
}

static void server_free(struct http_server *server)
{
	http_router_free(&server->router);
	http_proxy_free(&server->proxies);
	http_tls_free(&server->tls);
	for (unsigned i = 0; i < HTTP_LISTENERS; i++) {
		if (server->listener[i] >= 0) {
			close(server->listener[i]);
		}
	}
	free(server);
}

static bool wants_tls(const struct http_config *config)
{
	return config->tls_cert_file && *config->tls_cert_file;
}

static bool open_listeners(struct http_server *server, struct err *err)
{
	const struct http_config *config = &server->config;
	const int wanted[HTTP_LISTENERS] = {[HTTP_PLAIN] = config->port, [HTTP_TLS] = server->tls ? config->tls_port : -1};
	bool any = false;
	for (unsigned i = 0; i < HTTP_LISTENERS; i++) {
		if (wanted[i] < 0) {
			continue;
		}
		server->listener[i] = open_listener(config->address, wanted[i], &server->port[i], err);
		if (server->listener[i] < 0) {
			return false;
		}
		any = true;
	}
	return any || err_set(err, ERR_INVALID, "There is no port to listen on: neither HTTP nor a certificate for HTTPS.");
}

static bool open_parts(struct http_server *server, const struct http_dialect *dialects, size_t count, struct err *err)
{
	const struct http_config *config = &server->config;
	server->router = http_router_new(dialects, count, err);
	if (!server->router) {
		return false;
	}
	server->proxies = http_proxy_new(config->trusted_proxies ? config->trusted_proxies : "", err);
	if (!server->proxies) {
		return false;
	}
	if (wants_tls(config) && !(server->tls = http_tls_new(config->tls_cert_file, config->tls_key_file, err))) {
		return false;
	}
	return open_listeners(server, err);
}

static bool start_loops(struct http_server *server, struct err *err)
{
	for (unsigned i = 0; i < server->loop_count; i++) {
		digest_random(&server->loop[i].ids, sizeof(server->loop[i].ids));
		if (!http_loop_start(&server->loop[i], server)) {
			return err_set(err, ERR_INTERNAL, "Cannot start the loops of the HTTP server on %s.", server->config.address);
		}
	}
	return true;
}

struct http_server *http_server_start(const struct http_config *config, const struct http_dialect *dialects, size_t count, struct err *err)
{
	struct http_server *server = calloc(1, sizeof(*server) + config->loops * sizeof(server->loop[0]));
	if (!server) {
		err_set(err, ERR_INTERNAL, "Out of memory.");
		return NULL;
	}
	server->config = *config;
	for (unsigned i = 0; i < HTTP_LISTENERS; i++) {
		server->listener[i] = -1;
	}
	server->loop_count = config->loops;
	server->connections_max = (config->max_connections + config->loops - 1) / config->loops;
	/* a peer that goes away is an error to handle, and sendfile has no flag against the signal */
	signal(SIGPIPE, SIG_IGN);
	if (!open_parts(server, dialects, count, err)) {
		server_free(server);
		return NULL;
	}
	if (!start_loops(server, err)) {
		http_server_stop(&server, 0);
		return NULL;
	}
	return server;
}

uint16_t http_server_port(const struct http_server *server)
{
	return server->port[HTTP_PLAIN];
}

uint16_t http_server_tls_port(const struct http_server *server)
{
	return server->port[HTTP_TLS];
}

bool http_server_reload(struct http_server *server, const char *cert_file, const char *key_file, struct err *err)
{
	if (!*cert_file && !server->tls) {
		return true;
	}
	if (!*cert_file || !server->tls) {
		return err_set(err, ERR_INVALID, "tls_cert_file: HTTPS is switched %s by a restart only", server->tls ? "off" : "on");
	}
	return http_tls_reload(server->tls, cert_file, key_file, err);
}

void http_server_stop(struct http_server **server, int64_t grace_ms)
{
	if (!*server) {
		return;
	}
	atomic_store(&(*server)->deadline, clock_mono_ms() + grace_ms);
	atomic_store(&(*server)->stopping, true);
	stop_loops(*server);
	server_free(*server);
	*server = NULL;
}
