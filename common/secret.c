#include "common/secret.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "common/err.h"
#include "common/scoped.h"

enum { LINE_MAX_LEN = 4095 };

bool secret_set(struct secret *s, const char *text)
{
	char *copy = strdup(text);
	if (copy == NULL) {
		return false;
	}
	secret_clear(s);
	s->reveal = copy;
	return true;
}

void secret_clear(struct secret *s)
{
	if (s->reveal != NULL) {
		explicit_bzero(s->reveal, strlen(s->reveal));
		free(s->reveal);
		s->reveal = NULL;
	}
}

bool secret_is_set(const struct secret *s)
{
	return s->reveal != NULL;
}

bool secret_equals(const struct secret *s, const char *text)
{
	if (s->reveal == NULL) {
		return false;
	}
	size_t own = strlen(s->reveal);
	size_t len = strlen(text);
	size_t diff = own ^ len;
	for (size_t i = 0; i < len; i++) {
		diff |= (unsigned char)s->reveal[i < own ? i : own] ^ (unsigned char)text[i];
	}
	return diff == 0;
}

static bool check_mode(int fd, const char *path, struct err *err)
{
	struct stat st;
	if (fstat(fd, &st) != 0) {
		return err_set(err, ERR_INTERNAL, "%s: %s", path, err_errno(errno));
	}
	if (!S_ISREG(st.st_mode)) {
		return err_set(err, ERR_INVALID, "%s is not a regular file", path);
	}
	if ((st.st_mode & (S_IROTH | S_IWOTH)) != 0) {
		return err_set(err, ERR_INVALID, "%s holds a secret but every user may read or write it; run: chmod o= '%s'", path, path);
	}
	return true;
}

static ssize_t read_all(int fd, char *out, size_t size)
{
	size_t len = 0;
	while (len < size) {
		ssize_t n = read(fd, out + len, size - len);
		if (n < 0 && errno == EINTR) {
			continue;
		}
		if (n < 0) {
			return -1;
		}
		if (n == 0) {
			break;
		}
		len += (size_t)n;
	}
	return (ssize_t)len;
}

/* line[n] is what the file holds, up to the cap. */
static bool take_first_line(struct secret *s, char *line, size_t n, const char *path, struct err *err)
{
	char *end = memchr(line, '\n', n);
	if (end == NULL && n > LINE_MAX_LEN) {
		return err_set(err, ERR_TOO_LARGE, "%s: the first line is longer than %d bytes", path, LINE_MAX_LEN);
	}
	size_t len = end != NULL ? (size_t)(end - line) : n;
	if (len > 0 && line[len - 1] == '\r') {
		len--;
	}
	if (len == 0) {
		return err_set(err, ERR_EMPTY, "%s: the first line is empty; it should be the secret", path);
	}
	if (memchr(line, '\0', len) != NULL) {
		return err_set(err, ERR_INVALID, "%s: the first line contains a NUL byte", path);
	}
	line[len] = '\0';
	return secret_set(s, line) || err_set(err, ERR_INTERNAL, "%s: out of memory", path);
}

/* Opens what only its owner and group may read. -1: err says why not. */
static int open_secret(const char *path, struct err *err)
{
	scoped_close int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	if (fd < 0) {
		err_set(err, errno == ENOENT ? ERR_NOT_FOUND : ERR_INVALID, "%s: %s", path, err_errno(errno));
		return -1;
	}
	return check_mode(fd, path, err) ? steal_fd(&fd) : -1;
}

bool secret_from_file(struct secret *s, const char *path, struct err *err)
{
	scoped_close int fd = open_secret(path, err);
	if (fd < 0) {
		return false;
	}
	char line[LINE_MAX_LEN + 2];
	ssize_t n = read_all(fd, line, sizeof line - 1);
	bool ok = n >= 0 ? take_first_line(s, line, (size_t)n, path, err) : err_set(err, ERR_INTERNAL, "%s: %s", path, err_errno(errno));
	explicit_bzero(line, sizeof line);
	return ok;
}

static bool take_all(struct secret *s, char *text, size_t n, const char *path, struct err *err)
{
	if (n > LINE_MAX_LEN) {
		return err_set(err, ERR_TOO_LARGE, "%s is longer than %d bytes", path, LINE_MAX_LEN);
	}
	if (memchr(text, '\0', n) != NULL) {
		return err_set(err, ERR_INVALID, "%s contains a NUL byte", path);
	}
	text[n] = '\0';
	return secret_set(s, text) || err_set(err, ERR_INTERNAL, "%s: out of memory", path);
}

bool secret_from_whole_file(struct secret *s, const char *path, struct err *err)
{
	scoped_close int fd = open_secret(path, err);
	if (fd < 0) {
		return false;
	}
	char text[LINE_MAX_LEN + 2];
	ssize_t n = read_all(fd, text, sizeof text - 1);
	bool ok = n >= 0 ? take_all(s, text, (size_t)n, path, err) : err_set(err, ERR_INTERNAL, "%s: %s", path, err_errno(errno));
	explicit_bzero(text, sizeof text);
	return ok;
}
