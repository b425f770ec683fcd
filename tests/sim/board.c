#include "board.h"

#include <openssl/evp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/clock.h"
#include "common/digest.h"
#include "common/err.h"
#include "common/scoped.h"
#include "common/text.h"
#include "sim.h"

/* The firmware's own times; --speed divides them. */
enum {
	CHECK_TRIES = 10,
	CHECK_PAUSE_MS = 10000, /* doubles */
	CODE_PAUSE_MS = 60000,  /* of firmware without /activate */
	ACTIVATE_TRIES = 10,
	NOT_YET_MS = 3000,
	REFUSED_MS = 10000,
};

/* Of the partition tables that firmware is shipped with for 16 MB of flash. */
enum { SLOT_BEFORE_ASSETS = 6291456, SLOT_WITH_ASSETS = 4128768 };

static void pause_for(struct board *b, int64_t firmware_ms)
{
	loop_arm(b->sim->loop, &b->timer, firmware_ms / b->sim->opt.speed);
}

/* ---- the actions of the table ---- */

static void note_boot(struct board *b, bool rolled_back)
{
	const struct flash_image *image = flash_running(&b->flash);
	b->traits = generation_traits(b->kind, image->version);
	b->tries = 0;
	b->clean = false;
	b->hung = flash_is_pending(&b->flash) && b->bad_left > 0;
	if (rolled_back) {
		board_tell(b, EVENT_ROLLED_BACK, "back to version %s in %s", image->version, flash_label(&b->flash));
		b->bad_left -= b->bad_left > 0;
	} else {
		board_tell(b, EVENT_BOOT, "version %s in %s%s", image->version, flash_label(&b->flash),
			   flash_is_pending(&b->flash) ? ", to be proven" : "");
	}
}

static void boot(struct board *b)
{
	board_disconnect(b);
	note_boot(b, flash_boot(&b->flash));
	if (b->hung) { /* starts, does not get as far as the network, and the watchdog resets it */
		b->state = BOARD_RESTARTING;
		loop_arm(b->sim->loop, &b->timer, b->sim->opt.install_ms);
	} else {
		board_check(b);
	}
}

static void check_again(struct board *b)
{
	board_check(b);
}

static void prove(struct board *b)
{
	bool proven = flash_mark_valid(&b->flash);
	if (proven) {
		board_tell(b, EVENT_VALID, "version %s is proven", flash_running(&b->flash)->version);
	}
	if (b->expecting) { /* proven, or tried and rolled back: the update has ended */
		b->expecting = false;
		b->updates++;
		stats_took(&b->sim->stats, clock_mono_ms() - b->offered_ms);
		board_tell(b, EVENT_DONE, "update %lld", (long long)b->updates);
	}
}

static void run(struct board *b)
{
	b->tries = 0;
	if (b->sim->opt.reboot_every_ms) {
		loop_arm(b->sim->loop, &b->timer, b->sim->opt.reboot_every_ms);
	}
	board_connect(b);
	board_judge(b);
}

static void settle(struct board *b)
{
	prove(b);
	b->clean = b->was_clean = true;
	run(b);
}

static void wait_longer(struct board *b)
{
	if (b->tries >= CHECK_TRIES) {
		b->state = BOARD_RUNNING; /* with what it has kept; not proven */
		run(b);
	} else {
		pause_for(b, (int64_t)CHECK_PAUSE_MS << (b->tries++));
	}
}

static void show_code(struct board *b)
{
	prove(b);
	if (b->code[0]) {
		board_tell(b, EVENT_CODE, "%s", b->code);
	}
	b->tries = 0;
	if (b->traits & TRAIT_ACTIVATES) {
		board_activate(b);
	} else {
		b->state = BOARD_WAITING;
		pause_for(b, CODE_PAUSE_MS);
	}
}

/* After ten times it checks again, without limit. */
static void ask_later(struct board *b, int64_t pause)
{
	if (++b->tries >= ACTIVATE_TRIES) {
		b->tries = 0;
		b->state = BOARD_WAITING;
	}
	pause_for(b, pause);
}

static void ask_soon(struct board *b)
{
	ask_later(b, NOT_YET_MS);
}

static void ask_much_later(struct board *b)
{
	ask_later(b, REFUSED_MS);
}

static void ask_again(struct board *b)
{
	board_activate(b);
}

static void welcome(struct board *b)
{
	board_tell(b, EVENT_ACTIVATED, "the service knows it now");
	b->tries = 0;
	board_check(b);
}

static void fetch(struct board *b)
{
	b->offered_ms = clock_mono_ms();
	loop_disarm(b->sim->loop, &b->timer);
	board_fetch(b);
}

static void restart(struct board *b)
{
	loop_arm(b->sim->loop, &b->timer, b->sim->opt.install_ms);
}

static void restart_installed(struct board *b)
{
	b->expecting = true;
	restart(b);
}

/* What firmware does when an upgrade has failed is a matter of its generation. */
static void fail(struct board *b)
{
	board_tell(b, EVENT_FAILED, "%s", b->why);
	if (b->ordered) {
		b->state = BOARD_RUNNING;
		board_judge(b);
	} else if (b->traits & TRAIT_REBOOTS_ON_FAILURE) {
		b->state = BOARD_RESTARTING;
		pause_for(b, NOT_YET_MS);
	} else if (b->traits & TRAIT_STAYS_UNPROVEN) {
		b->state = BOARD_RUNNING;
		run(b);
	} else if (b->challenge[0]) {
		b->state = BOARD_ACTIVATING;
		show_code(b);
	} else {
		b->state = BOARD_RUNNING;
		settle(b);
	}
}

static void lose_power(struct board *b)
{
	board_fetch_stop(b);
	wire_stop(&b->wire);
	board_disconnect(b);
	loop_arm(b->sim->loop, &b->timer, b->sim->opt.install_ms);
}

static void die(struct board *b)
{
	b->sim->harmed++;
	board_fetch_stop(b);
	wire_stop(&b->wire);
	board_disconnect(b);
	loop_disarm(b->sim->loop, &b->timer);
	board_tell(b, EVENT_HARMED, "%s", b->why);
	board_judge(b);
}

/* What a device does, complete: what is not in here does nothing. A row's next state is set before its action runs, and an action may go on
 * to another. */
static const struct {
	enum board_state state;
	enum board_event event;
	void (*action)(struct board *b);
	enum board_state next;
	const char *sentence;
} TABLE[] = {
	{BOARD_OFF, BOARD_TIMER, boot, BOARD_CHECKING, "switched on: start and check"},
	{BOARD_CHECKING, BOARD_CLEAN, settle, BOARD_RUNNING, "nothing new: the image is proven, connect"},
	{BOARD_CHECKING, BOARD_CODE, show_code, BOARD_ACTIVATING, "not known yet: show the code and ask whether it was entered"},
	{BOARD_CHECKING, BOARD_OFFERED, fetch, BOARD_UPGRADING, "something newer: fetch it"},
	{BOARD_CHECKING, BOARD_UNANSWERED, wait_longer, BOARD_WAITING, "no good answer: again, after a pause that grows"},
	{BOARD_WAITING, BOARD_TIMER, check_again, BOARD_CHECKING, "time to check again"},
	{BOARD_ACTIVATING, BOARD_ACTIVATED, welcome, BOARD_CHECKING, "200: known now, check again at once"},
	{BOARD_ACTIVATING, BOARD_NOT_YET, ask_soon, BOARD_PAUSING, "202: again in three seconds"},
	{BOARD_ACTIVATING, BOARD_REFUSED, ask_much_later, BOARD_PAUSING, "anything else: again in ten seconds"},
	{BOARD_PAUSING, BOARD_TIMER, ask_again, BOARD_ACTIVATING, "time to ask again"},
	{BOARD_UPGRADING, BOARD_INSTALLED, restart_installed, BOARD_RESTARTING, "the image is in the other slot: start it"},
	{BOARD_UPGRADING, BOARD_FAILED, fail, BOARD_UPGRADING, "no image: as its generation does"},
	{BOARD_RESTARTING, BOARD_TIMER, boot, BOARD_CHECKING, "started: check"},
	{BOARD_RUNNING, BOARD_TIMER, boot, BOARD_CHECKING, "its owner switches it off and on"},
	{BOARD_RUNNING, BOARD_TOLD_REBOOT, restart, BOARD_RESTARTING, "told to restart"},
	{BOARD_RUNNING, BOARD_TOLD_UPGRADE, fetch, BOARD_UPGRADING, "told to fetch an image"},
};

void board_happen(struct board *b, enum board_event event)
{
	if (event == BOARD_HURT || event == BOARD_POWER_LOST) { /* from every state but death */
		if (b->state != BOARD_DEAD && b->state != BOARD_OFF) {
			b->state = event == BOARD_HURT ? BOARD_DEAD : BOARD_OFF;
			(event == BOARD_HURT ? die : lose_power)(b);
		}
		return;
	}
	for (size_t i = 0; i < sizeof TABLE / sizeof TABLE[0]; i++) {
		if (TABLE[i].state == b->state && TABLE[i].event == event) {
			b->state = TABLE[i].next;
			TABLE[i].action(b);
			return;
		}
	}
}

void board_because(struct board *b, enum board_event event, const char *fmt, ...)
{
	va_list args;
	va_start(args, fmt);
	vsnprintf(b->why, sizeof b->why, fmt, args);
	va_end(args);
	board_happen(b, event);
}

void board_tell(struct board *b, enum stats_event event, const char *fmt, ...)
{
	struct stats_who who = {.name = b->name, .version = flash_running(&b->flash)->version};
	va_list args;
	va_start(args, fmt);
	stats_note(b->sim, &who, event, fmt, args);
	va_end(args);
}

/* Connected too, if it was told where to. A hurt device will never be ready: nobody waits for it. */
static bool ready(const struct board *b)
{
	return b->state == BOARD_RUNNING && b->clean && (b->link.up || !b->link.client);
}

void board_judge(struct board *b)
{
	struct sim *sim = b->sim;
	const struct options *opt = &sim->opt;
	bool dead = b->state == BOARD_DEAD;
	bool updated = opt->exit_after >= 0 && ready(b) && b->updates >= opt->exit_after;
	bool checked = opt->checks && b->checks >= opt->checks;
	if (b->finished || !(dead || updated || checked)) {
		return;
	}
	b->finished = true;
	sim->finished += !dead;
	if (sim->finished + sim->harmed == sim->count) {
		loop_arm(sim->loop, &sim->over, sim->opt.linger_ms);
	}
}

void board_missing(const struct board *b, char *out, size_t size)
{
	static const char *const BUSY[] = {
		[BOARD_OFF] = "is not switched on yet",
		[BOARD_CHECKING] = "has no answer to its check",
		[BOARD_WAITING] = "waits until it checks",
		[BOARD_ACTIVATING] = "is not activated",
		[BOARD_PAUSING] = "is not activated",
		[BOARD_UPGRADING] = "is still downloading",
		[BOARD_RESTARTING] = "restarts",
		[BOARD_RUNNING] = "found nothing new",
		[BOARD_DEAD] = "was given what would hurt it",
	};
	const char *what = BUSY[b->state];
	if (b->state == BOARD_RUNNING && !ready(b)) {
		what = b->clean ? "is not connected" : "has no good answer to its check";
	}
	snprintf(out, size, "%s%s%s", what, b->why[0] ? ": " : "", b->why);
}

/* ---- making one ---- */

/* A UUID of version 4 in form, and the same for the same device and number of erasures. */
static void make_uuid(struct board *b)
{
	char seed[64];
	uint8_t raw[DIGEST_SHA256_LEN];
	char hex[33];
	snprintf(seed, sizeof seed, "%s/%lld", b->mac, (long long)b->sim->opt.erased);
	digest_sha256(raw, seed, strlen(seed));
	raw[6] = (uint8_t)((raw[6] & 0x0F) | 0x40);
	raw[8] = (uint8_t)((raw[8] & 0x3F) | 0x80);
	text_hex(hex, raw, 16);
	snprintf(b->uuid, sizeof b->uuid, "%.8s-%.4s-%.4s-%.4s-%.12s", hex, hex + 8, hex + 12, hex + 16, hex + 20);
}

static void make_names(struct board *b, size_t i)
{
	uint64_t mac = b->sim->opt.mac_number + i;
	size_t len = 0;
	for (int at = 40; at >= 0; at -= 8) {
		len += (size_t)snprintf(b->mac + len, sizeof b->mac - len, "%02x%s", (unsigned)(mac >> at & 0xFF), at ? ":" : "");
	}
	memcpy(b->name, b->mac, sizeof b->name);
	for (char *s = b->name; (s = strchr(s, ':')) != NULL; s++) {
		*s = '_';
	}
}

static bool read_file(const char *path, struct flash_image *image, struct err *err)
{
	uint8_t head[FLASH_HEAD_LEN] = {0};
	FILE *file = fopen(path, "rb");
	if (!file) {
		return err_set(err, ERR_INVALID, "%s cannot be read", path);
	}
	size_t n = fread(head, 1, sizeof head, file);
	fclose(file);
	return (n == sizeof head && flash_read(head, image, err)) || err_set(err, ERR_INVALID, "%s is no app image", path);
}

static bool fill_flash(struct board *b, const struct generation *generation, struct err *err)
{
	const struct options *opt = &b->sim->opt;
	struct flash_image image = {0};
	if (opt->image) {
		if (!read_file(opt->image, &image, err)) {
			return false;
		}
	} else {
		char seed[64];
		snprintf(image.version, sizeof image.version, "%s", opt->initial_version ? opt->initial_version : generation->version);
		snprintf(seed, sizeof seed, "build of %s", image.version);
		digest_sha256(image.elf, seed, strlen(seed));
	}
	b->traits = generation_traits(b->kind, image.version);
	b->flash.slots = b->kind == GENERATION_FIRMWARE ? (uint8_t)opt->slots : 0;
	b->flash.assets = b->traits & TRAIT_ASSETS;
	b->flash.chip = (uint16_t)flash_chip(opt->chip);
	b->flash.slot_size = opt->slot_size ? (uint32_t)opt->slot_size : b->flash.assets ? SLOT_WITH_ASSETS : SLOT_BEFORE_ASSETS;
	flash_fill(&b->flash, &image);
	return true;
}

static void on_timer(void *ctx)
{
	board_happen(ctx, BOARD_TIMER);
}

bool board_start(struct board *b, struct sim *sim, size_t i, struct err *err)
{
	const struct options *opt = &sim->opt;
	struct generation generation;
	char version[FLASH_VERSION_SIZE];
	b->sim = sim;
	b->timer = (struct loop_timer){.fn = on_timer, .ctx = b};
	b->wire.loop = sim->loop;
	b->wire.fd = b->link.fd = -1;
	b->bad_left = opt->bad_image;
	b->losses_left = opt->power_loss;
	if (!generation_pick(opt->xiaozhi, i, &generation, version, sizeof version)) {
		return err_set(err, ERR_INVALID, "--xiaozhi takes all, py, web or versions such as 1.5.8,2.0.4, not \"%s\"", opt->xiaozhi);
	}
	b->kind = generation.kind;
	make_names(b, i);
	make_uuid(b);
	if (!fill_flash(b, &generation, err)) {
		return false;
	}
	loop_arm(sim->loop, &b->timer, opt->offline_ms + opt->boot_over_ms * (int64_t)i / (int64_t)sim->count);
	return true;
}

void board_stop(struct board *b)
{
	loop_disarm(b->sim->loop, &b->timer);
	board_fetch_stop(b);
	wire_stop(&b->wire);
	board_disconnect(b);
	free(b->url);
	free(b->told);
	struct board_kept *k = &b->kept;
	char *texts[] = {k->endpoint, k->client_id, k->username, k->password, k->publish_topic};
	for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
		free(texts[i]);
	}
}
