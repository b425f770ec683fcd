#include "login.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "bench.h"
#include "common/err.h"

#define SERVICE_USERNAME "otad"

enum {
	CONNECT = 0x10,
	CLEAN = 0x02,
	PASSWORD = 0x40,
	USERNAME = 0x80,
	KEEPALIVE_S = 600,
	PACKET_MAX = 1024,
	ID_SIZE = 128,
	SECRET_SIZE = 256
};

enum login_form login_form_named(const char *name)
{
	static const char *const names[] = {"anonymous", "plain", "xiaozhi"};
	for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
		if (strcmp(name, names[i]) == 0) {
			return (enum login_form)i;
		}
	}
	bench_die("no form of credentials: %s", name);
}

void login_keys(struct credential_keys *keys, const char *path)
{
	struct err err = {0};
	if (strcmp(path, "-") != 0 && !credential_keys_load(keys, path, &err)) {
		bench_die("%s", err.text);
	}
}

static size_t put_text(uint8_t *at, const char *text)
{
	size_t len = strlen(text);
	at[0] = (uint8_t)(len >> 8);
	at[1] = (uint8_t)len;
	memcpy(at + 2, text, len);
	return len + 2;
}

/* username: NULL = neither that nor a password. */
static struct login make(const char *client_id, const char *username, const char *password, bool clean)
{
	uint8_t body[PACKET_MAX];
	size_t len = put_text(body, "MQTT");
	body[len++] = 4; /* 3.1.1 */
	body[len++] = (uint8_t)((clean ? CLEAN : 0) | (username ? USERNAME | PASSWORD : 0));
	body[len++] = KEEPALIVE_S >> 8;
	body[len++] = KEEPALIVE_S & 255;
	len += put_text(body + len, client_id);
	if (username) {
		len += put_text(body + len, username);
		len += put_text(body + len, password);
	}
	uint8_t head[] = {CONNECT, (uint8_t)(len > 127 ? (len & 127) | 128 : len), (uint8_t)(len >> 7)};
	size_t head_len = len > 127 ? 3 : 2;
	struct login login = {.packet = malloc(head_len + len), .len = head_len + len};
	if (!login.packet) {
		bench_die("out of memory");
	}
	memcpy(login.packet, head, head_len);
	memcpy(login.packet + head_len, body, len);
	return login;
}

struct login login_device(const struct credential_keys *keys, enum login_form form, const char *prefix, size_t i, bool clean)
{
	char id[ID_SIZE];
	char device[CREDENTIAL_DEVICE_SIZE];
	struct credential credential;
	if (form == LOGIN_XIAOZHI) {
		snprintf(device, sizeof device, "02_00_%02zx_%02zx_%02zx_%02zx", i >> 24 & 255, i >> 16 & 255, i >> 8 & 255, i & 255);
		snprintf(id, sizeof id, "GID_bench@@@%s@@@7c98c1ea-62f4-4d58-a1bd-%012zx", device, i);
	} else {
		snprintf(device, sizeof device, "%s%zu", prefix, i);
		snprintf(id, sizeof id, "%s", device);
	}
	if (form == LOGIN_ANONYMOUS) {
		return make(id, NULL, NULL, clean);
	}
	if (!credential_issue(keys, id, device, 1, "192.0.2.7", &credential)) {
		bench_die("no credentials for %s", id);
	}
	return make(id, credential.username, credential.password, clean);
}

struct login login_service(const char *client_id, const char *secret_file)
{
	char secret[SECRET_SIZE] = "";
	if (strcmp(secret_file, "-") == 0) {
		return make(client_id, NULL, NULL, true);
	}
	FILE *file = fopen(secret_file, "re");
	if (!file || !fgets(secret, sizeof secret, file)) {
		bench_die("cannot read %s", secret_file);
	}
	fclose(file);
	secret[strcspn(secret, "\r\n")] = '\0';
	return make(client_id, SERVICE_USERNAME, secret, true);
}

void login_open(struct mqtt_peer *p, int port, const struct login *login)
{
	uint8_t answer[4];
	p->fd = bench_dial(port, 0);
	p->len = p->waiting = 0;
	p->last_id = 0;
	p->out = NULL;
	bench_send(p->fd, login->packet, login->len);
	ssize_t n = recv(p->fd, answer, sizeof answer, MSG_WAITALL);
	if (n != sizeof answer || answer[0] != 0x20 || answer[3] != 0) {
		bench_die("the broker refuses (%zd bytes, code %d)", n, n == sizeof answer ? answer[3] : -1);
	}
}
