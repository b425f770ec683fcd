#include "plugin/journal_file.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/buf.h"
#include "common/err.h"
#include "common/scoped.h"
#include "common/text.h"
#include "plugin/revocations.h"

#define HEADER "otad-revocations 1\n"

enum {
	HEADER_LEN = sizeof HEADER - 1,
	LINE_SIZE = CREDENTIAL_DEVICE_SIZE + 16,
	PAGE_MAX = 65536, /* rows that one line closes */
	LINES_FREE = 256, /* a small file is never worth rewriting */
};

static const size_t file_max = (size_t)1 << 31;

/* --- reading --- */

/* A reader of the file's text. */
struct reader {
	const char *at;
	const char *end;
	const char *closed; /* behind the last line that closes a page */
	uint64_t revision;
	uint64_t lines; /* up to closed */
	uint64_t seen;
	struct revocation_row *rows; /* of the page that is open */
	size_t count;
};

/* "<device> <epoch> <blocked>" */
static bool read_row(char *line, struct revocation_row *row)
{
	uint64_t epoch;
	char *at = line;
	const char *device = strsep(&at, " ");
	const char *number = strsep(&at, " ");
	if (!number || !at || !text_is_device_name(device) || !text_to_u64(number, &epoch) || epoch > CREDENTIAL_EPOCH_MAX ||
	    (strcmp(at, "0") != 0 && strcmp(at, "1") != 0)) {
		return false;
	}
	*row = (struct revocation_row){.epoch = (uint32_t)epoch, .blocked = *at == '1'};
	return text_copy(row->device, sizeof row->device, device);
}

static bool close_page(struct reader *r, const char *number, struct revocations *kept)
{
	uint64_t revision;
	if (!text_to_u64(number, &revision) || revision < r->revision || !revocations_apply(kept, r->rows, r->count)) {
		return false;
	}
	r->revision = revision;
	r->count = 0;
	r->closed = r->at;
	r->lines = r->seen;
	return true;
}

static bool read_line(struct reader *r, const char *end, struct revocations *kept)
{
	char line[LINE_SIZE];
	size_t len = (size_t)(end - r->at);
	r->seen++;
	if (len >= sizeof line || memchr(r->at, '\0', len)) {
		return false;
	}
	memcpy(line, r->at, len);
	line[len] = '\0';
	r->at = end + 1;
	if (strncmp(line, "= ", 2) == 0) {
		return close_page(r, line + 2, kept);
	}
	return r->count < PAGE_MAX && read_row(line, &r->rows[r->count++]);
}

static bool read_lines(struct reader *r, struct revocations *kept, struct err *err)
{
	const char *end;
	while (r->at < r->end && (end = memchr(r->at, '\n', (size_t)(r->end - r->at)))) {
		if (!read_line(r, end, kept)) {
			return err_set(err, ERR_INVALID, "line %llu is not one of a list of revocations", (unsigned long long)r->seen);
		}
	}
	return true;
}

static bool read_text(const char *text, size_t len, struct revocations *kept, struct reader *r, struct err *err)
{
	if (len < HEADER_LEN && memcmp(text, HEADER, len) == 0) {
		*r = (struct reader){.closed = text};
		return true;
	}
	if (len < HEADER_LEN || memcmp(text, HEADER, HEADER_LEN) != 0) {
		return err_set(err, ERR_INVALID, "it does not begin with \"%.*s\"", (int)HEADER_LEN - 1, HEADER);
	}
	scoped_free struct revocation_row *rows = calloc(PAGE_MAX, sizeof *rows);
	if (!rows) {
		return err_set(err, ERR_INTERNAL, "out of memory");
	}
	*r = (struct reader){.at = text + HEADER_LEN, .end = text + len, .closed = text + HEADER_LEN, .lines = 1, .seen = 1, .rows = rows};
	bool ok = read_lines(r, kept, err);
	r->rows = NULL;
	return ok;
}

static char *read_all(int fd, size_t *len, struct err *err)
{
	struct stat st;
	if (fstat(fd, &st) != 0 || !S_ISREG(st.st_mode) || st.st_size < 0 || (size_t)st.st_size > file_max) {
		err_set(err, ERR_INVALID, "it is not a regular file of at most 2 GiB");
		return NULL;
	}
	scoped_free char *text = malloc((size_t)st.st_size + 1);
	size_t have = 0;
	while (text && have < (size_t)st.st_size) {
		ssize_t n = read(fd, text + have, (size_t)st.st_size - have);
		if (n <= 0) {
			err_set(err, ERR_INTERNAL, "%s", n < 0 ? err_errno(errno) : "it became shorter while it was read");
			return NULL;
		}
		have += (size_t)n;
	}
	if (!text) {
		err_set(err, ERR_INTERNAL, "out of memory");
		return NULL;
	}
	*len = have;
	return steal(&text);
}

/* --- writing --- */

static bool write_all(int fd, const char *text, size_t len, struct err *err)
{
	while (len > 0) {
		ssize_t n = write(fd, text, len);
		if (n < 0 && errno == EINTR) {
			continue;
		}
		if (n <= 0) {
			return err_set(err, errno == ENOSPC ? ERR_NO_SPACE : ERR_INTERNAL, "%s", err_errno(errno));
		}
		text += n;
		len -= (size_t)n;
	}
	return true;
}

static void put_row(struct buf *out, const char *device, uint32_t epoch, bool blocked)
{
	buf_puts(out, device);
	buf_putc(out, ' ');
	buf_put_u64(out, epoch);
	buf_puts(out, blocked ? " 1\n" : " 0\n");
}

static void put_close(struct buf *out, uint64_t revision)
{
	buf_puts(out, "= ");
	buf_put_u64(out, revision);
	buf_putc(out, '\n');
}

void journal_file_page(struct buf *out, const struct revocation_row *rows, size_t count, uint64_t revision)
{
	for (size_t i = 0; i < count; i++) {
		put_row(out, rows[i].device, rows[i].epoch, rows[i].blocked);
	}
	put_close(out, revision);
}

/* All that matters, closed in pieces that can be read again; the last line has the revision. Returns the lines. */
static uint64_t put_all(struct buf *out, const struct revocations *kept, uint64_t revision)
{
	struct revocation_view row;
	uint64_t lines = 1;
	buf_puts(out, HEADER);
	for (size_t i = 0; revocations_next(kept, &i, &row);) {
		if (!revocations_matters(&row)) {
			continue;
		}
		put_row(out, row.device, row.epoch, row.blocked);
		if (++lines % PAGE_MAX == 0) {
			put_close(out, 0);
			lines++;
		}
	}
	put_close(out, revision);
	return lines + 1;
}

static bool sync_directory(const char *path, struct err *err)
{
	char directory[PATH_MAX];
	const char *slash = strrchr(path, '/');
	int len = slash ? (int)(slash - path) + (slash == path) : 1;
	if (snprintf(directory, sizeof directory, "%.*s", len, slash ? path : ".") >= (int)sizeof directory) {
		return err_set(err, ERR_INVALID, "the name is too long");
	}
	scoped_close int fd = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return (fd >= 0 && fsync(fd) == 0) || err_set(err, ERR_INTERNAL, "its directory: %s", err_errno(errno));
}

/* The open new file, or -1. */
static int write_new(const char *path, const struct buf *text, struct err *err)
{
	scoped_close int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_APPEND | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0) {
		err_set(err, ERR_INTERNAL, "%s", err_errno(errno));
		return -1;
	}
	if (!write_all(fd, text->data, text->len, err)) {
		return -1;
	}
	if (fsync(fd) != 0) {
		err_set(err, ERR_INTERNAL, "%s", err_errno(errno));
		return -1;
	}
	return steal_fd(&fd);
}

static bool replace(struct journal_file *file, const struct buf *text, struct err *err)
{
	scoped_free char *fresh = NULL;
	if (asprintf(&fresh, "%s.new", file->path) < 0) {
		fresh = NULL;
		return err_set(err, ERR_INTERNAL, "out of memory");
	}
	scoped_close int fd = write_new(fresh, text, err);
	if (fd < 0) {
		unlink(fresh);
		return err_prefix(err, "%s", fresh);
	}
	if (rename(fresh, file->path) != 0) {
		err_set(err, ERR_INTERNAL, "%s: %s", file->path, err_errno(errno));
		unlink(fresh);
		return false;
	}
	if (file->fd >= 0) {
		close(file->fd);
	}
	file->fd = steal_fd(&fd);
	return sync_directory(file->path, err) || err_prefix(err, "%s", file->path);
}

bool journal_file_rewrite(struct journal_file *file, const struct revocations *kept, uint64_t revision, struct err *err)
{
	struct buf text;
	buf_init(&text, file_max);
	uint64_t lines = put_all(&text, kept, revision);
	bool ok = buf_ok(&text) ? replace(file, &text, err) : err_set(err, ERR_INTERNAL, "%s: out of memory", file->path);
	buf_free(&text);
	file->broken = !ok;
	file->lines = ok ? lines : file->lines;
	return ok;
}

static uint64_t count_lines(const struct buf *text)
{
	uint64_t lines = 0;
	for (size_t i = 0; i < text->len; i++) {
		lines += text->data[i] == '\n';
	}
	return lines;
}

bool journal_file_append(struct journal_file *file, struct buf *pages, const struct revocations *kept, uint64_t revision, struct err *err)
{
	uint64_t lines = file->lines + count_lines(pages);
	if (file->broken || !buf_ok(pages) || lines > 2 * revocations_count(kept) + LINES_FREE) {
		return journal_file_rewrite(file, kept, revision, err);
	}
	bool ok = write_all(file->fd, pages->data, pages->len, err);
	if (ok && fdatasync(file->fd) != 0) {
		ok = err_set(err, ERR_INTERNAL, "%s", err_errno(errno));
	}
	file->lines = lines;
	file->broken = !ok;
	return ok || err_prefix(err, "%s", file->path);
}

/* --- opening --- */

static bool load(struct journal_file *file, struct revocations *kept, uint64_t *revision, struct err *err)
{
	size_t len;
	struct reader r = {0};
	scoped_free char *text = read_all(file->fd, &len, err);
	if (!text || !read_text(text, len, kept, &r, err)) {
		return false;
	}
	*revision = r.revision;
	file->lines = r.lines;
	size_t good = (size_t)(r.closed - text);
	if (good < HEADER_LEN) {
		return journal_file_rewrite(file, kept, 0, err);
	}
	if (good < len && (ftruncate(file->fd, (off_t)good) != 0 || fdatasync(file->fd) != 0)) {
		return err_set(err, ERR_INTERNAL, "its unfinished end cannot be cut off: %s", err_errno(errno));
	}
	return file->lines <= 2 * revocations_count(kept) + LINES_FREE || journal_file_rewrite(file, kept, *revision, err);
}

bool journal_file_open(struct journal_file *file, const char *path, struct revocations *kept, uint64_t *revision, struct err *err)
{
	*file = (struct journal_file){.path = strdup(path), .fd = -1};
	*revision = 0;
	if (!file->path) {
		return err_set(err, ERR_INTERNAL, "out of memory");
	}
	file->fd = open(path, O_RDWR | O_APPEND | O_CLOEXEC);
	bool ok;
	if (file->fd < 0 && errno == ENOENT) {
		ok = journal_file_rewrite(file, kept, 0, err);
	} else if (file->fd < 0) {
		ok = err_set(err, ERR_INVALID, "%s: %s", path, err_errno(errno));
	} else {
		ok = load(file, kept, revision, err) || err_prefix(err, "%s", path);
	}
	if (!ok) {
		journal_file_close(file);
	}
	return ok;
}

void journal_file_close(struct journal_file *file)
{
	if (file->fd >= 0) {
		close(file->fd);
	}
	free(file->path);
	*file = (struct journal_file){.fd = -1};
}
