/* Sealed values. As a whole: a value from a database that others can write. Then by its parts: line 1 a context; one byte where and one how
 * to alter; the rest what is to be sealed. */
#include <stdlib.h>
#include <string.h>

#include "common/scoped.h"
#include "common/seal.h"
#include "fuzz.h"

static struct seal_key *key;
static struct seal_key *other_key;

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	(void)argc;
	(void)argv;
	static uint8_t bytes[32] = "the key of the seeds";
	key = seal_key_new(bytes);
	bytes[31] = 1;
	other_key = seal_key_new(bytes);
	CHECK(key && other_key);
	return 0;
}

/* Nobody makes one up. (The seed "genuine" was sealed under this key.) */
static void any_value(const uint8_t *data, size_t size)
{
	uint8_t *out = malloc(size ? size : 1);
	size_t len = size;
	bool genuine = seal_open(key, "seed", data, size, out, &len, NULL);
	CHECK(!genuine || (len == size - SEAL_OVERHEAD && len == 5 && memcmp(out, "hello", 5) == 0));
	free(out);
}

static void sealed_here(struct fuzz_input *in)
{
	size_t len;
	scoped_free char *context = fuzz_line(in);
	size_t where = fuzz_number(in, 2);
	uint8_t how = (uint8_t)fuzz_number(in, 1);
	scoped_free char *clear = fuzz_rest(in, &len);
	size_t size = len + SEAL_OVERHEAD;
	scoped_free uint8_t *value = malloc(size);
	scoped_free uint8_t *back = malloc(len ? len : 1);
	size_t back_len = 0;
	CHECK(seal_close(key, context, clear, len, value, NULL));
	CHECK(seal_open(key, context, value, size, back, &back_len, NULL));
	CHECK(back_len == len && memcmp(back, clear, len) == 0);
	CHECK(!seal_open(other_key, context, value, size, back, NULL, NULL));
	CHECK(!seal_open(key, *context ? context + 1 : "x", value, size, back, NULL, NULL));
	CHECK(!seal_open(key, context, value, where % size, back, NULL, NULL));
	value[where % size] ^= how;
	CHECK(seal_open(key, context, value, size, back, NULL, NULL) == (how == 0));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fuzz_input in = {data, size};
	any_value(data, size);
	sealed_here(&in);
	return 0;
}
