#include "artifact/cache_file.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "common/digest.h"
#include "common/err.h"
#include "common/log.h"
#include "common/scoped.h"
#include "common/text.h"
#include "metrics/metrics.h"
#include "model/nouns.h"
#include "store/artifact.h"

enum { PATH_SIZE = CACHE_DIR_MAX + 128, HEX_SIZE = 65, PAST_S = 60 };

static void close_dir(DIR **dir)
{
	if (*dir) {
		closedir(*dir);
	}
}
#define scoped_dir scoped(close_dir)

static void path_of(char path[PATH_SIZE], const char *dir, const uint8_t sha256[32])
{
	char hex[HEX_SIZE];
	text_hex(hex, sha256, 32);
	snprintf(path, PATH_SIZE, "%s/%.2s/%s", dir, hex, hex);
}

static bool fail(struct err *err, const char *path)
{
	int e = errno;
	enum err_kind kind = ERR_INTERNAL;
	if (e == ENOENT) {
		kind = ERR_GONE; /* somebody deletes the directory */
	} else if (e == ENOSPC || e == EDQUOT || e == EFBIG) {
		kind = ERR_NO_SPACE;
	} else if (e == EMFILE || e == ENFILE) {
		kind = ERR_BUSY;
	}
	return err_set(err, kind, "cache file %s: %s", path, strerrordesc_np(e));
}

/* --- directories --- */

static bool make_dirs(const char *path, struct err *err)
{
	char part[PATH_SIZE];
	snprintf(part, sizeof part, "%s", path);
	for (char *end = part; end;) {
		end = strchr(end + 1, '/');
		if (end) {
			*end = '\0';
		}
		if (mkdir(part, 0700) != 0 && errno != EEXIST) {
			return fail(err, part);
		}
		if (end) {
			*end = '/';
		}
	}
	return true;
}

static void empty_dir(const char *path)
{
	scoped_dir DIR *dir = opendir(path);
	if (!dir) {
		return;
	}
	for (struct dirent *entry; (entry = readdir(dir));) {
		if (entry->d_name[0] != '.') {
			unlinkat(dirfd(dir), entry->d_name, 0);
		}
	}
}

bool cache_file_prepare(const char *dir, struct err *err)
{
	char path[PATH_SIZE];
	snprintf(path, sizeof path, "%s/tmp", dir);
	if (!make_dirs(path, err)) {
		return false;
	}
	empty_dir(path);
	return true;
}

static void scan_shelf(const char *path, void (*found)(void *, const struct cache_found *), void *context)
{
	scoped_dir DIR *dir = opendir(path);
	if (!dir) {
		return;
	}
	for (struct dirent *entry; (entry = readdir(dir));) {
		struct cache_found file;
		struct stat st;
		if (text_unhex(entry->d_name, file.sha256, sizeof file.sha256) &&
		    fstatat(dirfd(dir), entry->d_name, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISREG(st.st_mode)) {
			file.size = st.st_size;
			file.modified_s = st.st_mtim.tv_sec;
			found(context, &file);
		}
	}
}

void cache_file_scan(const char *dir, void (*found)(void *, const struct cache_found *), void *context)
{
	for (int i = 0; i < 256; i++) {
		char path[PATH_SIZE];
		snprintf(path, sizeof path, "%s/%02x", dir, i);
		scan_shelf(path, found, context);
	}
}

/* --- identity --- */

/* False with errno; what is deleted already does not exist. */
static bool identify(int fd, struct cache_id *id)
{
	struct stat st;
	if (fstat(fd, &st) != 0) {
		return false;
	}
	if (!S_ISREG(st.st_mode) || st.st_nlink == 0) {
		errno = ENOENT;
		return false;
	}
	*id = (struct cache_id){.device = st.st_dev, .inode = st.st_ino, .size = st.st_size, .modified = st.st_mtim, .changed = st.st_ctim};
	return true;
}

static bool same_time(const struct timespec *a, const struct timespec *b)
{
	return a->tv_sec == b->tv_sec && a->tv_nsec == b->tv_nsec;
}

static bool same_file(const struct cache_id *a, const struct cache_id *b)
{
	return a->device == b->device && a->inode == b->inode && a->size == b->size && same_time(&a->modified, &b->modified);
}

bool cache_file_same(int fd, const struct cache_id *id)
{
	struct cache_id now;
	return identify(fd, &now) && same_file(&now, id) && same_time(&now.changed, &id->changed);
}

static bool set_past(int fd)
{
	struct timespec past;
	clock_gettime(CLOCK_REALTIME, &past);
	past.tv_sec -= PAST_S;
	const struct timespec times[2] = {past, past};
	return futimens(fd, times) == 0;
}

static int open_path(const char *path)
{
	return open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
}

int cache_file_open(const char *dir, const uint8_t sha256[32])
{
	char path[PATH_SIZE];
	path_of(path, dir, sha256);
	return open_path(path);
}

uint64_t cache_file_room(const char *dir)
{
	struct statvfs st;
	return statvfs(dir, &st) == 0 ? (uint64_t)st.f_bavail * st.f_frsize : 0;
}

void cache_file_remove(const char *dir, const uint8_t sha256[32])
{
	char path[PATH_SIZE];
	path_of(path, dir, sha256);
	remove(path);
}

/* --- what is on disk --- */

static bool hash_file(int fd, uint8_t sha256[32])
{
	scoped_digest struct digest *digest = digest_new();
	if (!digest) {
		return false;
	}
	uint8_t block[32 * 1024];
	off_t at = 0;
	for (ssize_t n; (n = pread(fd, block, sizeof block, at)) != 0; at += n) {
		if (n < 0) {
			return false;
		}
		digest_update(digest, block, (size_t)n);
	}
	uint8_t md5[DIGEST_MD5_LEN];
	digest_final(digest, md5, sha256);
	return true;
}

static bool is_artifact(int fd, const struct artifact *artifact, struct cache_id *id)
{
	uint8_t sha256[32];
	return set_past(fd) && identify(fd, id) && id->size == artifact->size && hash_file(fd, sha256) &&
	       memcmp(sha256, artifact->sha256, sizeof sha256) == 0 && cache_file_same(fd, id);
}

int cache_file_verify(const char *dir, const struct artifact *artifact, struct cache_id *id)
{
	char path[PATH_SIZE];
	path_of(path, dir, artifact->sha256);
	scoped_close int fd = open_path(path);
	if (fd < 0) {
		return -1;
	}
	if (is_artifact(fd, artifact, id)) {
		return steal_fd(&fd);
	}
	metrics_add(METRIC_CACHE_CORRUPT, 1);
	log_warn("cached file altered, thrown away", LOG_S("path", path));
	remove(path);
	return -1;
}

/* --- from the database --- */

static bool write_all(int fd, const uint8_t *data, size_t len)
{
	while (len > 0) {
		ssize_t n = write(fd, data, len);
		if (n < 0 && errno == EINTR) {
			continue;
		}
		if (n <= 0) {
			return false;
		}
		data += n;
		len -= (size_t)n;
	}
	return true;
}

static bool copy_chunks(int fd, const char *path, struct db *db, const struct artifact *artifact, struct err *err)
{
	scoped_digest struct digest *digest = digest_new();
	scoped_free uint8_t *chunk = digest ? malloc(STORE_CHUNK_SIZE) : NULL;
	if (!chunk) {
		return err_set(err, ERR_INTERNAL, "out of memory");
	}
	int64_t size = 0;
	size_t len = 0;
	int seq = 0;
	do {
		if (!store_chunk_read(db, artifact->sha256, seq++, chunk, &len, err)) {
			return false;
		}
		if (!write_all(fd, chunk, len)) {
			return fail(err, path);
		}
		digest_update(digest, chunk, len);
		size += (int64_t)len;
	} while (len > 0 && size < artifact->size);
	uint8_t md5[DIGEST_MD5_LEN];
	uint8_t sha256[32];
	digest_final(digest, md5, sha256);
	if (size != artifact->size || memcmp(sha256, artifact->sha256, sizeof sha256) != 0) {
		return err_set(err, ERR_INTERNAL, "the firmware's bytes in the database are damaged: %s", path);
	}
	return true;
}

/* Moves the finished file into place; *id is what is there then. */
static int publish(int tmp, const char *tmp_path, const char *path, struct cache_id *id, struct err *err)
{
	struct cache_id written;
	if (!set_past(tmp) || !identify(tmp, &written) || rename(tmp_path, path) != 0) {
		fail(err, tmp_path);
		return -1;
	}
	scoped_close int fd = open_path(path);
	if (fd < 0 || !identify(fd, id)) {
		fail(err, path);
		return -1;
	}
	if (!same_file(id, &written)) {
		err_set(err, ERR_GONE, "cache file %s: replaced by somebody", path);
		return -1;
	}
	return steal_fd(&fd);
}

static int fetch_once(const char *dir, struct db *db, const struct artifact *artifact, struct cache_id *id, struct err *err)
{
	char path[PATH_SIZE];
	char tmp_path[PATH_SIZE];
	path_of(path, dir, artifact->sha256);
	char *slash = strrchr(path, '/');
	*slash = '\0';
	snprintf(tmp_path, sizeof tmp_path, "%s/tmp", dir);
	if (!make_dirs(path, err) || !make_dirs(tmp_path, err)) {
		return -1;
	}
	*slash = '/';
	snprintf(tmp_path, sizeof tmp_path, "%s/tmp/%s.XXXXXX", dir, slash + 1);
	scoped_close int tmp = mkostemp(tmp_path, O_CLOEXEC);
	if (tmp < 0) {
		fail(err, tmp_path);
		return -1;
	}
	int fd = copy_chunks(tmp, tmp_path, db, artifact, err) ? publish(tmp, tmp_path, path, id, err) : -1;
	if (fd < 0) {
		unlink(tmp_path);
	}
	return fd;
}

int cache_file_fetch(const char *dir, struct db *db, const struct artifact *artifact, struct cache_id *id, struct err *err)
{
	int fd = fetch_once(dir, db, artifact, id, err);
	if (fd < 0 && err->kind == ERR_GONE) {
		fd = fetch_once(dir, db, artifact, id, err);
	}
	if (fd < 0 && err->kind == ERR_GONE) {
		err->kind = ERR_INTERNAL;
	}
	if (fd >= 0) {
		metrics_add(METRIC_CACHE_FILLS, 1);
	}
	return fd;
}
