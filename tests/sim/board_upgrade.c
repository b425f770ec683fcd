/* The download: one bare GET, straight into the free slot. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "board.h"
#include "common/err.h"
#include "sim.h"

enum { PERCENT_OF_LOSS = 50 };

void board_fetch_stop(struct board *b)
{
	if (b->write) {
		flash_write_stop(b->write);
		free(b->write);
		b->write = NULL;
	}
}

static void give_up(struct board *b, enum board_event event, const char *why)
{
	wire_stop(&b->wire);
	board_fetch_stop(b);
	board_because(b, event, "%s", why);
}

static bool loses_power(struct board *b)
{
	const struct wire *w = &b->wire;
	if (b->losses_left == 0 || w->received < (uint64_t)w->length * PERCENT_OF_LOSS / 100) {
		return false;
	}
	b->losses_left--;
	board_tell(b, EVENT_POWER_LOST, "after %llu of %lld bytes", (unsigned long long)w->received, (long long)w->length);
	board_happen(b, BOARD_POWER_LOST);
	return true;
}

static bool is_same(const struct board *b)
{
	return b->write->begun && b->traits & TRAIT_SKIPS_SAME && strcmp(b->write->image.version, flash_running(&b->flash)->version) == 0;
}

/* The firmware asks for the length before it reads: without it there is no download. */
static bool has_length(struct board *b)
{
	const struct wire *w = &b->wire;
	if (w->length > 0) {
		return true;
	}
	const char *why =
		w->misspelt ? "Content-Length is not spelt so: a 4G modem does not find it" : "the image comes without Content-Length";
	give_up(b, BOARD_HURT, why);
	return false;
}

static bool on_body(void *ctx, const char *data, size_t len)
{
	struct board *b = ctx;
	struct err err = {0};
	if (!has_length(b)) {
		return false;
	}
	b->sim->stats.bytes += len;
	if (!flash_write_put(b->write, &b->flash, data, len, &err)) {
		give_up(b, BOARD_FAILED, err.text);
		return false;
	}
	if (is_same(b)) {
		give_up(b, BOARD_FAILED, "the image has the version that runs: skipped");
		return false;
	}
	return !loses_power(b);
}

static void install(struct board *b)
{
	struct err err = {0};
	char version[FLASH_VERSION_SIZE];
	board_tell(b, EVENT_DOWNLOADED, "%llu bytes", (unsigned long long)b->write->total);
	if (!flash_write_end(b->write, &b->flash, &err)) {
		give_up(b, BOARD_FAILED, err.text);
		return;
	}
	snprintf(version, sizeof version, "%s", b->write->image.version);
	board_fetch_stop(b);
	board_tell(b, EVENT_INSTALLED, "version %s in %s", version, b->flash.boots ? "ota_1" : "ota_0");
	board_happen(b, BOARD_INSTALLED);
}

static void on_done(void *ctx, const char *why, const char *data, size_t len)
{
	(void)data;
	(void)len;
	struct board *b = ctx;
	const struct wire *w = &b->wire;
	char text[64];
	if (why) {
		give_up(b, BOARD_FAILED, why);
	} else if (w->status >= 300 && w->status < 400) {
		give_up(b, BOARD_HURT, "the image's URL redirects: a device does not follow");
	} else if (w->status == 200 && w->chunked) {
		give_up(b, BOARD_HURT, "the image comes in chunks: a device finds no length");
	} else if (w->status != 200) {
		snprintf(text, sizeof text, "HTTP status %d", w->status);
		give_up(b, BOARD_FAILED, text);
	} else if (has_length(b)) {
		install(b);
	}
}

void board_fetch(struct board *b)
{
	struct err err = {0};
	board_tell(b, EVENT_DOWNLOAD, "%s", b->url);
	b->write = calloc(1, sizeof *b->write);
	if (!b->write) {
		abort();
	}
	flash_write_start(b->write);
	b->wire.body = on_body;
	b->wire.done = on_done;
	b->wire.ctx = b;
	b->wire.rate = b->sim->opt.drip;
	wire_content(&b->wire, "", 0);
	if (!wire_start(&b->wire, b->sim->tls, "GET", b->url, NULL, &err)) {
		give_up(b, BOARD_FAILED, err.text);
	}
}
