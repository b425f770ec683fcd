/* The file of the revocations: the whole input is the file. Whatever was read is read again, and a page behind it as well. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/buf.h"
#include "common/err.h"
#include "fuzz.h"
#include "plugin/journal_file.h"
#include "plugin/revocations.h"

static char directory[64];
static char path[96];

static void leave(void)
{
	unlink(path);
	rmdir(directory);
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	(void)argc;
	(void)argv;
	snprintf(directory, sizeof directory, "%s/otad-fuzz-XXXXXX", access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp");
	CHECK(mkdtemp(directory) != NULL);
	snprintf(path, sizeof path, "%s/revocations", directory);
	atexit(leave);
	return 0;
}

static void write_input(const uint8_t *data, size_t size)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	CHECK(fd >= 0 && write(fd, data, size) == (ssize_t)size);
	close(fd);
}

static void check_again(const struct revocations *kept, uint64_t revision)
{
	struct journal_file file;
	struct revocations again = {0};
	struct revocation_view row;
	uint64_t read = 0;
	CHECK(journal_file_open(&file, path, &again, &read, NULL) && read == revision);
	for (size_t i = 0; revocations_next(kept, &i, &row);) {
		CHECK(revocations_is_blocked(&again, row.device) == row.blocked);
		CHECK(row.epoch < 2 || revocations_refuses(&again, row.device, row.epoch - 1));
		CHECK(row.epoch < 1 || row.blocked || !revocations_refuses(&again, row.device, row.epoch));
	}
	revocations_clear(&again);
	journal_file_close(&file);
}

static void append(struct journal_file *file, struct revocations *kept, uint64_t revision)
{
	static const struct revocation_row one = {.device = "one-more", .blocked = true, .epoch = 7};
	struct buf text;
	buf_init(&text, 4096);
	CHECK(revocations_apply(kept, &one, 1));
	journal_file_page(&text, &one, 1, revision);
	CHECK(journal_file_append(file, &text, kept, revision, NULL));
	buf_free(&text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct journal_file file;
	struct revocations kept = {0};
	struct err err = {0};
	uint64_t revision = 0;
	write_input(data, size);
	if (journal_file_open(&file, path, &kept, &revision, &err)) {
		check_again(&kept, revision);
		append(&file, &kept, revision);
		check_again(&kept, revision);
		journal_file_close(&file);
	} else {
		CHECK(*err.text);
	}
	revocations_clear(&kept);
	return 0;
}
