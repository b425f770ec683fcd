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
#include "config/config_mask.h"
#include "config/config_table.h"
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

static void check_dsn(const char *original, const char *read)
{
	struct buf masked;
	buf_init(&masked, OUT_MAX);
	config_mask_dsn(original, &masked);
	CHECK(buf_ok(&masked) && strcmp(buf_cstr(&masked), read) == 0);
	buf_free(&masked);
}

/* What is printed can be read again and says the same, but for the masks. */
static void check_printed(struct config *c)
{
	struct buf text;
	buf_init(&text, OUT_MAX);
	config_print(c, &text);
	CHECK(buf_ok(&text));
	scoped(config_free) struct config *again = load(text.data, text.len);
	CHECK(again != NULL);
	for (size_t i = 0; i < config_table_count; i++) {
		const struct config_key *key = &config_table[i];
		if (key->type == CONFIG_TYPE_dsn) {
			check_dsn(*config_table_text(c, key), *config_table_text(again, key));
		} else if (key->type != CONFIG_TYPE_secret) {
			CHECK(config_table_equal(c, again, key));
		}
	}
	buf_free(&text);
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
		if (!*c->mqtt_password_file) {
			check_printed(c);
		}
	}
	return 0;
}
