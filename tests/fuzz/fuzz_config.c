/* The configuration file. The input is the file. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "common/buf.h"
#include "common/err.h"
#include "common/scoped.h"
#include "config/config.h"
#include "fuzz.h"
#include "http/proxy.h"

enum { OUT_MAX = 4 << 20 };

static int file = -1; /* in memory */
static char path[64];

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	(void)argc;
	(void)argv;
	clearenv(); /* OTAD_... would count */
	file = memfd_create("otad.conf", MFD_CLOEXEC);
	CHECK(file >= 0);
	snprintf(path, sizeof path, "/proc/self/fd/%d", file);
	return 0;
}

static struct config *load(const void *text, size_t len)
{
	struct err err = {0};
	CHECK(ftruncate(file, 0) == 0 && pwrite(file, text, len, 0) == (ssize_t)len);
	struct config *c = config_load(path, &err);
	CHECK(c || (err.kind != ERR_NONE && *err.text));
	return c;
}

/* What other rooms rely on. */
static void check_values(const struct config *c)
{
	struct err err = {0};
	struct http_proxies *proxies = http_proxy_new(c->trusted_proxies, &err);
	CHECK(proxies != NULL);
	http_proxy_free(&proxies);
	size_t len = strlen(c->public_url);
	CHECK(len == 0 || (strncmp(c->public_url, "http", 4) == 0 && c->public_url[len - 1] != '/'));
	CHECK(!strpbrk(c->public_url, " \"\\?#@\r\n"));
	CHECK(c->workers >= 1 && c->mqtt_port >= 1 && c->mqtt_port <= 65535 && c->resend_min <= c->resend_max);
}

/* Printed without its blanks, it is another text that means the same. */
static bool is_blank(const char *s)
{
	return *s && s[strspn(s, " ")] == '\0';
}

/* Printed, it can be read again and is then printed the same. */
static void check_printed(const struct config *c)
{
	struct buf first;
	struct buf second;
	buf_init(&first, OUT_MAX);
	buf_init(&second, OUT_MAX);
	config_print(c, &first);
	CHECK(buf_ok(&first));
	scoped(config_free) struct config *again = load(first.data, first.len);
	CHECK(again != NULL);
	config_print(again, &second);
	CHECK(buf_ok(&second) && first.len == second.len && memcmp(first.data, second.data, first.len) == 0);
	buf_free(&first);
	buf_free(&second);
}

/* A reload keeps what only a restart may change. */
static void check_reload(struct config *c)
{
	struct buf ignored;
	struct buf nothing;
	buf_init(&ignored, OUT_MAX);
	buf_init(&nothing, OUT_MAX);
	scoped(config_free) struct config *fresh = load("", 0);
	CHECK(fresh && config_keep_fixed(fresh, c, &ignored) && buf_ok(&ignored));
	CHECK(strcmp(fresh->pg, c->pg) == 0 && fresh->http_port == c->http_port && fresh->upload_max == c->upload_max);
	CHECK(config_keep_fixed(fresh, c, &nothing) && nothing.len == 0);
	buf_free(&ignored);
	buf_free(&nothing);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	scoped(config_free) struct config *c = load(data, size);
	if (c) {
		check_values(c);
		check_reload(c);
		/* a secret is printed as a mask, which would then be a second one beside its file */
		if (!*c->mqtt_password_file && !is_blank(c->pg) && !is_blank(c->pg_migrate)) {
			check_printed(c);
		}
	}
	return 0;
}
