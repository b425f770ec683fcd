#include "flash.h"

#include <openssl/evp.h>
#include <string.h>

#include "common/err.h"

enum {
	AT_CHIP = 0x0C,
	AT_HASHED = 0x17,
	AT_DESCRIPTOR = 0x20,
	AT_VERSION = 0x30,
	AT_ELF = 0xB0,
	IMAGE_MAGIC = 0xE9,
};

static const uint8_t DESCRIPTOR_MAGIC[4] = {0x32, 0x54, 0xCD, 0xAB};

static const struct {
	const char *name;
	int id;
} CHIPS[] = {{"esp32", 0},    {"esp32s2", 2},    {"esp32c3", 5},    {"esp32s3", 9},
	     {"esp32c2", 12}, {"esp32c6", 0x0D}, {"esp32h2", 0x10}, {"esp32p4", 0x12}};

int flash_chip(const char *name)
{
	for (size_t i = 0; i < sizeof CHIPS / sizeof CHIPS[0]; i++) {
		if (strcmp(CHIPS[i].name, name) == 0) {
			return CHIPS[i].id;
		}
	}
	return -1;
}

void flash_fill(struct flash *f, const struct flash_image *image)
{
	f->slot[0] = *image;
	f->state[0] = FLASH_VALID;
	f->state[1] = FLASH_EMPTY;
	f->running = f->boots = 0;
}

bool flash_read(const uint8_t head[FLASH_HEAD_LEN], struct flash_image *out, struct err *err)
{
	if (head[0] != IMAGE_MAGIC || memcmp(head + AT_DESCRIPTOR, DESCRIPTOR_MAGIC, sizeof DESCRIPTOR_MAGIC) != 0) {
		return err_set(err, ERR_INVALID, "it is no app image");
	}
	memcpy(out->version, head + AT_VERSION, FLASH_VERSION_SIZE - 1);
	out->version[FLASH_VERSION_SIZE - 1] = '\0';
	memcpy(out->elf, head + AT_ELF, FLASH_ELF_LEN);
	return true;
}

const struct flash_image *flash_running(const struct flash *f)
{
	return &f->slot[f->running];
}

const char *flash_label(const struct flash *f)
{
	return f->slots == 0 ? "factory" : f->running ? "ota_1" : "ota_0";
}

bool flash_is_pending(const struct flash *f)
{
	return f->state[f->running] == FLASH_PENDING;
}

bool flash_boot(struct flash *f)
{
	uint8_t taken = f->boots;
	bool back = f->state[taken] == FLASH_PENDING;
	if (back) {
		f->state[taken] = FLASH_ABORTED;
		taken ^= 1;
	} else if (f->state[taken] == FLASH_NEW) {
		f->state[taken] = FLASH_PENDING;
	}
	f->running = f->boots = taken;
	return back;
}

bool flash_mark_valid(struct flash *f)
{
	bool pending = flash_is_pending(f);
	f->state[f->running] = FLASH_VALID;
	return pending;
}

void flash_write_start(struct flash_write *w)
{
	*w = (struct flash_write){.sha256 = EVP_MD_CTX_new()};
	EVP_DigestInit_ex(w->sha256, EVP_sha256(), NULL);
}

void flash_write_stop(struct flash_write *w)
{
	EVP_MD_CTX_free(w->sha256);
	w->sha256 = NULL;
}

/* The appended hash covers all but itself, and where the file ends is known only at its end: the last 32 bytes are held back. */
static void hash(struct flash_write *w, const uint8_t *data, size_t len)
{
	uint8_t joined[2 * FLASH_HASH_LEN];
	if (len >= FLASH_HASH_LEN) {
		EVP_DigestUpdate(w->sha256, w->tail, w->tail_len);
		EVP_DigestUpdate(w->sha256, data, len - FLASH_HASH_LEN);
		memcpy(w->tail, data + len - FLASH_HASH_LEN, FLASH_HASH_LEN);
		w->tail_len = FLASH_HASH_LEN;
		return;
	}
	memcpy(joined, w->tail, w->tail_len);
	memcpy(joined + w->tail_len, data, len);
	size_t all = w->tail_len + len;
	size_t over = all > FLASH_HASH_LEN ? all - FLASH_HASH_LEN : 0;
	EVP_DigestUpdate(w->sha256, joined, over);
	w->tail_len = all - over;
	memcpy(w->tail, joined + over, w->tail_len);
}

static bool begin(struct flash_write *w, const struct flash *f, struct err *err)
{
	if (!flash_read(w->head, &w->image, err)) {
		return false;
	}
	if (f->slots < 2) {
		return err_set(err, ERR_INVALID, "the flash has no second app slot");
	}
	if (flash_is_pending(f)) {
		return err_set(err, ERR_CONFLICT, "the image that runs is not proven yet: nothing can be installed over the old one");
	}
	w->begun = true;
	return true;
}

bool flash_write_put(struct flash_write *w, const struct flash *f, const void *data, size_t len, struct err *err)
{
	if (w->head_len < FLASH_HEAD_LEN) {
		size_t room = FLASH_HEAD_LEN - w->head_len;
		size_t n = len < room ? len : room;
		memcpy(w->head + w->head_len, data, n);
		w->head_len += n;
	}
	w->total += len;
	hash(w, data, len);
	if (w->head_len == FLASH_HEAD_LEN && !w->begun && !begin(w, f, err)) {
		return false;
	}
	return w->total <= f->slot_size ||
	       err_set(err, ERR_TOO_LARGE, "the image is larger than the slot's %u bytes", (unsigned)f->slot_size);
}

bool flash_write_end(struct flash_write *w, struct flash *f, struct err *err)
{
	uint8_t digest[EVP_MAX_MD_SIZE];
	if (!w->begun) {
		return err_set(err, ERR_INVALID, "%llu bytes are no app image", (unsigned long long)w->total);
	}
	int chip = w->head[AT_CHIP] | w->head[AT_CHIP + 1] << 8;
	if (chip != f->chip) {
		return err_set(err, ERR_INVALID, "the image is for another chip: %d instead of %d", chip, f->chip);
	}
	EVP_DigestFinal_ex(w->sha256, digest, NULL);
	if (w->head[AT_HASHED] == 1 && memcmp(digest, w->tail, FLASH_HASH_LEN) != 0) {
		return err_set(err, ERR_INVALID, "the image is damaged: its SHA-256 is another");
	}
	uint8_t free_slot = f->running ^ 1;
	f->slot[free_slot] = w->image;
	f->state[free_slot] = FLASH_NEW;
	f->boots = free_slot;
	return true;
}
