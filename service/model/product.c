#include "model/product.h"

#include <string.h>

#include "common/err.h"
#include "common/text.h"

static const char *const images_names[] = {[IMAGES_ANY] = "any", [IMAGES_ESP32] = "esp32"};
static const char *const identity_names[] = {[IDENTITY_MAC] = "mac", [IDENTITY_PINNED] = "pinned", [IDENTITY_LICENCE] = "licence"};

const char *identity_policy_name(enum identity_policy policy)
{
	return identity_names[policy];
}

bool identity_policy_parse(const char *name, enum identity_policy *out)
{
	for (size_t i = 0; i < sizeof identity_names / sizeof *identity_names; i++) {
		if (strcmp(name, identity_names[i]) == 0) {
			*out = (enum identity_policy)i;
			return true;
		}
	}
	return false;
}

const char *product_images_name(enum product_images images)
{
	return images_names[images];
}

bool product_images_parse(const char *name, enum product_images *out)
{
	for (size_t i = 0; i < sizeof images_names / sizeof *images_names; i++) {
		if (strcmp(name, images_names[i]) == 0) {
			*out = (enum product_images)i;
			return true;
		}
	}
	return false;
}

/* `size` is of one name; names stand one behind the other. */
static bool check_names(const char *what, const char *names, size_t size, size_t count, struct err *err)
{
	for (size_t i = 0; i < count; i++) {
		const char *name = names + i * size;
		size_t len = strlen(name);
		if (len == 0 || !text_is_utf8(name, len) || !text_is_printable(name, len)) {
			return err_set(err, ERR_INVALID, "%s must be names of 1 to %zu bytes of printable UTF-8", what, size - 1);
		}
		for (size_t j = 0; j < i; j++) {
			if (strcmp(name, names + j * size) == 0) {
				return err_set(err, ERR_INVALID, "%s names \"%s\" twice", what, name);
			}
		}
	}
	return true;
}

bool product_check(const struct product *p, struct err *err)
{
	if (!text_is_key(p->key)) {
		return err_set(err, ERR_INVALID, "key must have 1 to %d of the characters A-Z a-z 0-9 . _ -", NAME_SIZE - 1);
	}
	return check_names("boards", p->boards[0], sizeof p->boards[0], p->board_count, err) &&
	       check_names("partitions", p->partitions[0], sizeof p->partitions[0], p->partition_count, err);
}
