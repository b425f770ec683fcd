/* The body of the check, put together as the firmware does: nothing is escaped. */
#include <stdio.h>
#include <string.h>

#include "board.h"
#include "common/buf.h"
#include "sim.h"

const char *board_sku(const struct board *b)
{
	return b->kind == GENERATION_WEB ? "xiaoling-web-test" : b->sim->opt.board;
}

static void put_application(const struct board *b, struct buf *out)
{
	const struct flash_image *image = flash_running(&b->flash);
	buf_putf(out, "\"application\":{\"name\":\"xiaozhi\",\"version\":\"%s\",", image->version);
	buf_puts(out, "\"compile_time\":\"Nov 15 2025T16:51:32Z\",\"idf_version\":\"v5.5.1-dirty\",\"elf_sha256\":\"");
	buf_put_hex(out, image->elf, sizeof image->elf);
	buf_puts(out, "\"}");
}

static void put_partition(struct buf *out, const char *label, int type, int subtype, uint32_t *at, uint32_t size)
{
	buf_putf(out, "%s{\"label\":\"%s\",\"type\":%d,\"subtype\":%d,\"address\":%u,\"size\":%u}", *at == 36864 ? "" : ",", label, type,
		 subtype, (unsigned)*at, (unsigned)size);
	*at += size;
}

static void put_partitions(const struct board *b, struct buf *out)
{
	const struct flash *f = &b->flash;
	uint32_t at = 36864;
	buf_puts(out, "\"partition_table\":[");
	put_partition(out, "nvs", 1, 2, &at, 16384);
	put_partition(out, "otadata", 1, 0, &at, 8192);
	put_partition(out, "phy_init", 1, 1, &at, 4096);
	if (f->slots == 0) {
		put_partition(out, "factory", 0, 0, &at, f->slot_size);
	}
	for (int i = 0; i < f->slots; i++) {
		put_partition(out, i ? "ota_1" : "ota_0", 0, 16 + i, &at, f->slot_size);
	}
	if (f->assets) {
		put_partition(out, "assets", 1, 130, &at, 8388608);
	}
	buf_putf(out, "],\"ota\":{\"label\":\"%s\"}", flash_label(f));
}

static void put_board(const struct board *b, struct buf *out)
{
	const struct options *opt = &b->sim->opt;
	const char *type = opt->board_type ? opt->board_type : opt->board;
	if (strcmp(opt->network, "wifi") == 0) {
		buf_putf(out, "\"board\":{\"type\":\"%s\",\"name\":\"%s\",\"ssid\":\"%s\",\"rssi\":-55,\"channel\":1,", type, opt->board,
			 opt->ssid);
		buf_putf(out, "\"ip\":\"192.168.1.11\",\"mac\":\"%s\"}", b->mac);
	} else if (strcmp(opt->network, "4g") == 0) {
		buf_putf(out, "\"board\":{\"type\":\"%s\",\"name\":\"%s\",\"revision\":\"ML307R-DL-MBRH0S00\",", type, opt->board);
		buf_puts(out,
			 "\"carrier\":\"CHINA MOBILE\",\"csq\":\"22\",\"imei\":\"869663071312008\",\"iccid\":\"898604670224D0049048\",");
		buf_puts(out, "\"cereg\":{\"stat\":1,\"tac\":\"2490\",\"ci\":\"015B290F\",\"AcT\":7}}");
	} else {
		buf_putf(out, "\"board\":{\"type\":\"%s\"}", type);
	}
}

static void put_firmware(const struct board *b, struct buf *out)
{
	const struct options *opt = &b->sim->opt;
	const char *quote = b->traits & TRAIT_HEAP_AS_TEXT ? "\"" : "";
	buf_putc(out, '{');
	if (b->traits & TRAIT_CLIENT_ID) {
		buf_putf(out, "\"version\":2,\"language\":\"%s\",", opt->language);
	}
	buf_putf(out, "\"flash_size\":16777216,\"minimum_free_heap_size\":%s8425048%s,\"mac_address\":\"%s\",", quote, quote, b->mac);
	if (b->traits & TRAIT_CLIENT_ID) {
		buf_putf(out, "\"uuid\":\"%s\",", b->uuid);
	}
	buf_putf(out, "\"chip_model_name\":\"%s\",\"chip_info\":{\"model\":%d,\"cores\":2,\"revision\":2,\"features\":18},", opt->chip,
		 b->flash.chip);
	put_application(b, out);
	buf_putc(out, ',');
	put_partitions(b, out);
	if (b->traits & TRAIT_DISPLAY) {
		buf_puts(out, ",\"display\":{\"monochrome\":true,\"width\":128,\"height\":32}");
	}
	buf_putc(out, ',');
	put_board(b, out);
	buf_putc(out, '}');
}

static void put_python(const struct board *b, struct buf *out)
{
	buf_putc(out, '{');
	put_application(b, out);
	buf_putf(out, ",\"board\":{\"type\":\"%s\",\"name\":\"py-xiaozhi\",\"ip\":\"192.168.1.12\",\"mac\":\"%s\"}}", board_sku(b), b->mac);
}

/* Its elf_sha256 has 48 digits, and its partition table one empty entry. */
static void put_web(const struct board *b, struct buf *out)
{
	const char *name = board_sku(b);
	buf_putf(out, "{\"version\":0,\"uuid\":\"\",\"application\":{\"name\":\"%s\",\"version\":\"%s\",", name,
		 flash_running(&b->flash)->version);
	buf_puts(out, "\"compile_time\":\"2025-04-16 10:00:00\",\"idf_version\":\"4.4.3\","
		      "\"elf_sha256\":\"1234567890abcdef1234567890abcdef1234567890abcdef\"},");
	buf_putf(out, "\"ota\":{\"label\":\"%s\"},\"board\":{\"type\":\"%s\",\"name\":\"%s\",", name, name, name);
	buf_putf(out, "\"ssid\":\"xxxxxx\",\"rssi\":0,\"channel\":0,\"ip\":\"192.168.1.1\",\"mac\":\"%s\"},", b->mac);
	buf_putf(out, "\"flash_size\":0,\"minimum_free_heap_size\":0,\"mac_address\":\"%s\",\"chip_model_name\":\"\",", b->mac);
	buf_puts(out, "\"chip_info\":{\"model\":0,\"cores\":0,\"revision\":0,\"features\":0},"
		      "\"partition_table\":[{\"label\":\"\",\"type\":0,\"subtype\":0,\"address\":0,\"size\":0}]}");
}

void board_describe(const struct board *b, struct buf *out)
{
	switch (b->kind) {
	case GENERATION_FIRMWARE:
		put_firmware(b, out);
		break;
	case GENERATION_PYTHON:
		put_python(b, out);
		break;
	case GENERATION_WEB:
		put_web(b, out);
		break;
	}
}
