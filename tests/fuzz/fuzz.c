#include "fuzz.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

_Noreturn void fuzz_failed(const char *file, int line, const char *condition)
{
	fprintf(stderr, "%s:%d: does not hold: %s\n", file, line, condition);
	abort();
}

static void *copy(const void *data, size_t len, size_t size)
{
	char *out = malloc(size ? size : 1);
	CHECK(out != NULL);
	if (len) {
		memcpy(out, data, len);
	}
	return out;
}

static void skip(struct fuzz_input *in, size_t len)
{
	in->at += len;
	in->left -= len;
}

char *fuzz_line(struct fuzz_input *in)
{
	const uint8_t *end = in->left ? memchr(in->at, '\n', in->left) : NULL;
	size_t len = end ? (size_t)(end - in->at) : in->left;
	const uint8_t *nul = len ? memchr(in->at, '\0', len) : NULL;
	size_t text = nul ? (size_t)(nul - in->at) : len;
	char *out = copy(in->at, text, text + 1);
	out[text] = '\0';
	skip(in, end ? len + 1 : len);
	return out;
}

char *fuzz_rest(struct fuzz_input *in, size_t *len)
{
	*len = in->left;
	char *out = copy(in->at, in->left, in->left);
	skip(in, in->left);
	return out;
}

uint64_t fuzz_number(struct fuzz_input *in, unsigned bytes)
{
	uint64_t value = 0;
	for (unsigned i = 0; i < bytes && in->left; i++) {
		value |= (uint64_t)*in->at << (8 * i);
		skip(in, 1);
	}
	return value;
}
