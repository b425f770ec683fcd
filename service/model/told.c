#include "model/told.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "common/buf.h"
#include "common/text.h"

enum { FORM_SIZE = 4096 };

static void put_text(struct buf *out, const char *text)
{
	buf_put(out, text, strlen(text) + 1);
}

static void put_number(struct buf *out, int64_t n)
{
	buf_put(out, (const char *)&n, sizeof n);
}

/* All fields, one after another, so that no two facts read alike. Who makes two that collide hides only what it told itself. */
uint64_t told_fingerprint(const struct told *t)
{
	char mem[FORM_SIZE];
	struct buf form;
	buf_init_fixed(&form, mem, sizeof mem);
	put_number(&form, (t->read ? 1 : 0) + (t->has_elf ? 2 : 0));
	buf_put(&form, (const char *)t->elf_sha256, t->has_elf ? sizeof t->elf_sha256 : 0);
	put_text(&form, t->board_name);
	put_text(&form, t->board_type);
	put_text(&form, t->chip);
	put_text(&form, t->slot);
	put_text(&form, t->client_uuid);
	put_text(&form, t->language);
	put_number(&form, t->flash_size);
	for (size_t i = 0; i < t->partition_count; i++) {
		const struct told_partition *p = &t->partitions[i];
		put_text(&form, p->label);
		put_number(&form, (int64_t)p->size * 65536 + p->type * 256 + p->subtype);
	}
	uint64_t sum = text_sum(form.data, form.len);
	return sum ? sum : 1;
}

void told_print_partitions(const struct told *t, struct buf *out)
{
	for (size_t i = 0; i < t->partition_count; i++) {
		const struct told_partition *p = &t->partitions[i];
		buf_put_u64(out, p->type);
		buf_putc(out, ' ');
		buf_put_u64(out, p->subtype);
		buf_putc(out, ' ');
		buf_put_u64(out, p->size);
		buf_putc(out, ' ');
		buf_puts(out, p->label);
		buf_putc(out, '\n');
	}
}

/* The number at *at, and over the blank behind it. */
static bool take_number(const char **at, uint64_t max, uint64_t *out)
{
	char *end;
	errno = 0;
	*out = strtoull(*at, &end, 10);
	bool good = **at >= '0' && **at <= '9' && *end == ' ' && !errno && *out <= max;
	*at = good ? end + 1 : *at;
	return good;
}

void told_parse_partitions(struct told *t, const char *text)
{
	uint64_t type;
	uint64_t subtype;
	uint64_t size;
	t->partition_count = 0;
	while (t->partition_count < TOLD_PARTITIONS && take_number(&text, UINT8_MAX, &type) && take_number(&text, UINT8_MAX, &subtype) &&
	       take_number(&text, UINT32_MAX, &size)) {
		size_t len = strcspn(text, "\n");
		if (len >= TOLD_LABEL_SIZE) {
			return;
		}
		struct told_partition *p = &t->partitions[t->partition_count++];
		*p = (struct told_partition){.type = (uint8_t)type, .subtype = (uint8_t)subtype, .size = (uint32_t)size};
		memcpy(p->label, text, len);
		text += len + (text[len] == '\n');
	}
}

static size_t size_of(const struct told *t)
{
	return offsetof(struct told, partitions) + t->partition_count * sizeof *t->partitions;
}

struct told *told_keep(const struct told *t)
{
	struct told *copy = malloc(size_of(t));
	if (copy) {
		memcpy(copy, t, size_of(t));
	}
	return copy;
}

void told_copy(struct told *to, const struct told *from)
{
	memcpy(to, from, size_of(from));
}

const struct told_partition *told_find(const struct told *t, const char *label)
{
	for (size_t i = 0; i < t->partition_count; i++) {
		if (strcmp(t->partitions[i].label, label) == 0) {
			return &t->partitions[i];
		}
	}
	return NULL;
}

uint64_t told_pin(const char *client_uuid)
{
	uint64_t sum = *client_uuid ? text_hash(client_uuid, strlen(client_uuid)) : 0;
	return *client_uuid && !sum ? 1 : sum;
}
