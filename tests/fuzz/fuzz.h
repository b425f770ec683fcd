/* What the fuzz targets share.
 *
 * A target is one file with LLVMFuzzerTestOneInput(). With OTAD_FUZZ it is linked with libFuzzer; without, with replay.c, which runs the
 * files of corpus/<target>/ as a plain test. Corpora are text as far as it goes: one field a line, so that a seed can be read.
 */
#ifndef FUZZ_FUZZ_H
#define FUZZ_FUZZ_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Called once per input; always returns 0. What does not hold aborts. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Called once before all, if the target has one. */
int LLVMFuzzerInitialize(int *argc, char ***argv);

/* An invariant. Unlike assert() it is never compiled out. */
#define CHECK(condition) ((condition) ? (void)0 : fuzz_failed(__FILE__, __LINE__, #condition))
_Noreturn void fuzz_failed(const char *file, int line, const char *condition);

/* The input, taken piece by piece. Whatever is returned from the heap has exactly its size, so that a read beyond it is seen; the caller
 * frees. */
struct fuzz_input {
	const uint8_t *at;
	size_t left;
};

/* A NUL-terminated text up to the next newline (dropped), NUL or the end. Never NULL. */
char *fuzz_line(struct fuzz_input *in);

/* All that is left, without a NUL. Never NULL. */
char *fuzz_rest(struct fuzz_input *in, size_t *len);

/* Number from the next bytes, little-endian; what is missing counts as 0. */
uint64_t fuzz_number(struct fuzz_input *in, unsigned bytes);

#endif
