#include "test_http_client.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include "unit.h"

int client_open_narrow(uint16_t port, int receive_buffer)
{
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_true(fd >= 0);
	if (receive_buffer) {
		setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &receive_buffer, sizeof(receive_buffer));
	}
	struct timeval limit = {.tv_sec = 20};
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit));
	union {
		struct sockaddr any;
		struct sockaddr_in in;
	} a = {.in = {.sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)}};
	assert_int_equal(connect(fd, &a.any, sizeof(a.in)), 0);
	return fd;
}

int client_open(uint16_t port)
{
	return client_open_narrow(port, 0);
}

void client_send_bytes(int fd, const void *data, size_t len)
{
	const char *p = data;
	while (len) {
		ssize_t n = send(fd, p, len, MSG_NOSIGNAL);
		if (n <= 0) {
			return;
		}
		p += n;
		len -= (size_t)n;
	}
}

void client_send(int fd, const char *text)
{
	client_send_bytes(fd, text, strlen(text));
}

/* Byte by byte up to the empty line: slow, but it takes nothing of what follows. */
static bool read_head(int fd, struct answer *a)
{
	size_t n = 0;
	while (n < 4 || memcmp(a->head + n - 4, "\r\n\r\n", 4) != 0) {
		assert_true(n + 1 < sizeof(a->head));
		if (recv(fd, a->head + n, 1, 0) != 1) {
			return false;
		}
		n++;
	}
	a->head[n] = '\0';
	assert_memory_equal(a->head, "HTTP/1.1 ", 9);
	a->status = (int)strtol(a->head + 9, NULL, 10);
	return true;
}

bool client_read(int fd, struct answer *a, bool head_only)
{
	a->body = NULL;
	a->len = 0;
	do {
		if (!read_head(fd, a)) {
			return false;
		}
	} while (a->status == 100);
	const char *length = client_header(a, "Content-Length");
	assert_non_null(length);
	size_t len = a->status != 304 && !head_only ? strtoull(length, NULL, 10) : 0;
	a->body = calloc(1, len + 1);
	assert_non_null(a->body);
	while (a->len < len) {
		ssize_t n = recv(fd, a->body + a->len, len - a->len, 0);
		if (n <= 0) {
			return false;
		}
		a->len += (size_t)n;
	}
	return true;
}

bool client_is_closed(int fd)
{
	char c;
	ssize_t n;
	while ((n = recv(fd, &c, 1, 0)) == 1) {
	}
	return n == 0;
}

void client_reset(int fd)
{
	struct linger now = {.l_onoff = 1, .l_linger = 0};
	setsockopt(fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
	close(fd);
}

void client_request(uint16_t port, const char *method, const char *target, const char *extra, const char *body, struct answer *a)
{
	char head[8192];
	int n = snprintf(head, sizeof(head), "%s %s HTTP/1.1\r\nHost: test:%u\r\n%s", method, target, port, extra ? extra : "");
	assert_true(n > 0 && (size_t)n < sizeof(head));
	int fd = client_open(port);
	client_send(fd, head);
	if (body) {
		snprintf(head, sizeof(head), "Content-Length: %zu\r\n\r\n", strlen(body));
		client_send(fd, head);
		client_send(fd, body);
	} else {
		client_send(fd, "\r\n");
	}
	assert_true(client_read(fd, a, strcmp(method, "HEAD") == 0));
	close(fd);
}

const char *client_header(const struct answer *a, const char *name)
{
	static char value[1024];
	char line[128];
	snprintf(line, sizeof(line), "\r\n%s: ", name);
	const char *at = strstr(a->head, line);
	if (!at) {
		return NULL;
	}
	at += strlen(line);
	size_t len = strcspn(at, "\r");
	assert_true(len < sizeof(value));
	memcpy(value, at, len);
	value[len] = '\0';
	return value;
}
