/* Runs a fuzz target over the files of its corpus, without a fuzzer: fuzz_NAME DIRECTORY. Says what it did as cmocka does, so that
 * the corpus is counted in inputs. */
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/scoped.h"
#include "fuzz.h"

enum { INPUT_MAX = 1 << 20 };

/* Most targets have nothing to prepare. */
__attribute__((weak)) int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	(void)argc;
	(void)argv;
	return 0;
}

static int is_input(const struct dirent *entry)
{
	return entry->d_name[0] != '.';
}

static bool replay(const char *directory, const char *name)
{
	static char input[INPUT_MAX];
	char path[4096];
	snprintf(path, sizeof path, "%s/%s", directory, name);
	FILE *file = fopen(path, "rb");
	if (!file) {
		perror(path);
		return false;
	}
	size_t len = fread(input, 1, sizeof input, file);
	bool whole = feof(file) && !ferror(file);
	fclose(file);
	if (!whole) {
		fprintf(stderr, "%s: cannot be read, or is larger than %d bytes\n", path, INPUT_MAX);
		return false;
	}
	scoped_free char *data = malloc(len + !len); /* just as long: what reads beyond is caught */
	if (!data) {
		perror(path);
		return false;
	}
	memcpy(data, input, len);
	printf("[ RUN      ] %s\n", name);
	fflush(stdout); /* the last line before a crash names the input */
	LLVMFuzzerTestOneInput((const uint8_t *)data, len);
	return true;
}

int main(int argc, char **argv)
{
	struct dirent **list = NULL;
	int count = argc == 2 ? scandir(argv[1], &list, is_input, alphasort) : -1;
	if (count < 0) {
		fprintf(stderr, "usage: %s DIRECTORY (one that can be read)\n", argv[0]);
		return 2;
	}
	LLVMFuzzerInitialize(&argc, &argv);
	int passed = 0;
	for (int i = 0; i < count; i++) {
		passed += replay(argv[1], list[i]->d_name);
		free(list[i]);
	}
	free(list);
	printf("[  PASSED  ] %d test(s).\n", passed);
	if (passed < count || count == 0) {
		printf("[  FAILED  ] %d test(s).\n", count ? count - passed : 1);
		return 1;
	}
	return 0;
}
