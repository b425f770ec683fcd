/* A device's flash: one or two app slots with the bootloader's rollback, and an image on its way into the free one.
 *
 * An image that was installed boots once as "pending"; unless it is marked valid before the next boot, the bootloader goes back. What is
 * written is judged as the chip's own library does it: chip, app descriptor, size, appended SHA-256.
 */
#ifndef SIM_FLASH_H
#define SIM_FLASH_H

#include <openssl/types.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct err;

enum { FLASH_VERSION_SIZE = 33, FLASH_ELF_LEN = 32, FLASH_HEAD_LEN = 0x120, FLASH_HASH_LEN = 32 };

struct flash_image {
	char version[FLASH_VERSION_SIZE];
	uint8_t elf[FLASH_ELF_LEN];
};

enum flash_state { FLASH_EMPTY, FLASH_VALID, FLASH_NEW, FLASH_PENDING, FLASH_ABORTED };

struct flash {
	struct flash_image slot[2];
	uint8_t state[2]; /* enum flash_state */
	uint8_t running;
	uint8_t boots; /* the slot that the bootloader takes next */
	uint8_t slots; /* 0 = a factory partition only */
	bool assets;
	uint16_t chip; /* the id in image headers */
	uint32_t slot_size;
};

/* An image on its way. */
struct flash_write {
	uint8_t head[FLASH_HEAD_LEN];
	uint8_t tail[FLASH_HASH_LEN];
	size_t head_len;
	size_t tail_len;
	uint64_t total;
	EVP_MD_CTX *sha256;
	struct flash_image image; /* once the head is there */
	bool begun;               /* the slot is open for writing */
};

/* The id of a chip as devices spell it ("esp32s3"); -1 = none such. */
int flash_chip(const char *name);

/* Slot 0 holds this image, proven. */
void flash_fill(struct flash *f, const struct flash_image *image);
/* Reads version and elf_sha256 out of an image file's first FLASH_HEAD_LEN bytes. */
bool flash_read(const uint8_t head[FLASH_HEAD_LEN], struct flash_image *out, struct err *err);

const struct flash_image *flash_running(const struct flash *f);
/* The label of the partition that runs. */
const char *flash_label(const struct flash *f);
bool flash_is_pending(const struct flash *f);

/* The bootloader. True: the new image was not proven, the old one runs again. */
bool flash_boot(struct flash *f);
/* True: it was pending until now. */
bool flash_mark_valid(struct flash *f);

void flash_write_start(struct flash_write *w);
/* Takes the next bytes; an image that cannot become one, or has no place, is refused with a sentence. */
bool flash_write_put(struct flash_write *w, const struct flash *f, const void *data, size_t len, struct err *err);
/* All bytes are there: verifies, and makes it what boots next. */
bool flash_write_end(struct flash_write *w, struct flash *f, struct err *err);
void flash_write_stop(struct flash_write *w);

#endif
