#include "command_key.h"

#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <inttypes.h>
#include <libgen.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/credential.h"
#include "common/digest.h"
#include "common/err.h"
#include "common/scoped.h"
#include "common/secret.h"
#include "common/text.h"

enum {
	EXIT_USAGE = 2,
	SECRET_BYTES = 32,
	SECRET_SIZE = 44, /* as base64url */
	LINE_SIZE = CREDENTIAL_KEY_ID_SIZE + 130,
	MODE = 0640,
	NUMBER_MAX = 999999999,
};

static const char help[] = "usage: otad mqtt-key FILE\n"
			   "       otad mqtt-key --retire FILE\n"
			   "\n"
			   "FILE holds the keys that devices' MQTT passwords are signed with: otad signs with the first one, the\n"
			   "broker's plugin accepts both. Both read the same file (mqtt_keys_file, plugin_opt_keys_file).\n"
			   "\n"
			   "Without FILE on disk, it is made with one key (mode 0640). Otherwise the keys are rotated: a new one\n"
			   "signs, the one that signed is still accepted, an older one is dropped. --retire drops the second key:\n"
			   "passwords that were signed with it are refused from then on.\n"
			   "\n"
			   "  1. otad mqtt-key FILE             then SIGHUP to the broker, then to otad\n"
			   "  2. give every device its new password (POST /api/v3/devices/{id}/credentials/rotate)\n"
			   "  3. otad mqtt-key --retire FILE    then SIGHUP to both\n";

struct key_line {
	char id[CREDENTIAL_KEY_ID_SIZE];
	char text[LINE_SIZE]; /* "<key id> <secret>" */
};

/* What FILE holds, or is to hold. */
struct ring {
	struct key_line at[CREDENTIAL_KEYS_MAX];
	size_t count;
	struct stat file; /* st_mode 0: there is none yet */
};

static void forget(struct ring *ring)
{
	explicit_bzero(ring, sizeof *ring);
}

/* ---- reading ---- */

/* text has been found good: every line is blank, a comment or a key. */
static void take_lines(struct ring *ring, const char *text, const struct credential_keys *keys)
{
	for (const char *line = text; *line && ring->count < keys->count;) {
		size_t len = strcspn(line, "\n");
		size_t kept = strcspn(line, "\r\n");
		if (kept > 0 && *line != '#') {
			struct key_line *out = &ring->at[ring->count];
			snprintf(out->id, sizeof out->id, "%s", keys->at[ring->count].id);
			snprintf(out->text, sizeof out->text, "%.*s", (int)kept, line);
			ring->count++;
		}
		line += len + (line[len] == '\n');
	}
}

/* An empty file is one that somebody has made for its owner and mode. */
static bool load(struct ring *ring, const char *path, struct err *err)
{
	struct credential_keys keys = {.count = 0};
	struct secret text = {0};
	if (stat(path, &ring->file) != 0) {
		ring->file.st_mode = 0;
		return errno == ENOENT || err_set(err, ERR_INVALID, "%s: %s", path, err_errno(errno));
	}
	if (S_ISREG(ring->file.st_mode) && ring->file.st_size == 0) {
		return true;
	}
	bool ok = secret_from_whole_file(&text, path, err);
	if (ok && !credential_keys_parse(&keys, text.reveal, err)) {
		ok = err_prefix(err, "%s", path);
	}
	if (ok) {
		take_lines(ring, text.reveal, &keys);
	}
	credential_keys_clear(&keys);
	secret_clear(&text);
	return ok;
}

/* ---- writing ---- */

static bool write_all(int fd, const struct ring *ring)
{
	for (size_t i = 0; i < ring->count; i++) {
		if (dprintf(fd, "%s\n", ring->at[i].text) < 0) {
			return false;
		}
	}
	return fsync(fd) == 0;
}

/* A new file is 0640; one that was there keeps its owner, group and mode, for they say who may read it. */
static bool keep_access(int fd, const struct stat *old)
{
	bool there = old->st_mode != 0;
	return (!there || fchown(fd, old->st_uid, old->st_gid) == 0) && fchmod(fd, there ? old->st_mode & 0770 : MODE) == 0;
}

/* Whoever reads the file sees the old keys or the new ones, also after a power cut. */
static bool replace(const struct ring *ring, const char *path, int dir, struct err *err)
{
	char fresh[PATH_MAX];
	if (snprintf(fresh, sizeof fresh, "%s.new-XXXXXX", path) >= (int)sizeof fresh) {
		return err_set(err, ERR_INVALID, "%s: the name is too long", path);
	}
	scoped_close int fd = mkostemp(fresh, O_CLOEXEC);
	if (fd < 0) {
		return err_set(err, ERR_INVALID, "%s: %s", fresh, err_errno(errno));
	}
	if (!keep_access(fd, &ring->file) || !write_all(fd, ring) || rename(fresh, path) != 0) {
		int code = errno;
		unlink(fresh);
		return err_set(err, ERR_INVALID, "%s: %s; it is as it was", path, err_errno(code));
	}
	return fsync(dir) == 0 || err_set(err, ERR_INTERNAL, "%s: written, but perhaps not to disk: %s", path, err_errno(errno));
}

/* ---- what is done ---- */

/* k1, k2 ...: beyond every number that is in the file, so that an id never comes back with another secret. */
static void name_next(const struct ring *ring, char id[CREDENTIAL_KEY_ID_SIZE])
{
	uint64_t last = 0;
	for (size_t i = 0; i < ring->count; i++) {
		uint64_t n = 0;
		if (ring->at[i].id[0] == 'k' && text_to_u64(ring->at[i].id + 1, &n) && n <= NUMBER_MAX && n > last) {
			last = n;
		}
	}
	snprintf(id, CREDENTIAL_KEY_ID_SIZE, "k%" PRIu64, last + 1);
}

static void make_key(const struct ring *ring, struct key_line *out)
{
	uint8_t random[SECRET_BYTES];
	char secret[SECRET_SIZE];
	digest_random(random, sizeof random);
	text_base64url(secret, random, sizeof random);
	char id[CREDENTIAL_KEY_ID_SIZE];
	name_next(ring, id);
	memcpy(out->id, id, sizeof id);
	snprintf(out->text, sizeof out->text, "%s %s", id, secret);
	explicit_bzero(random, sizeof random);
	explicit_bzero(secret, sizeof secret);
}

static void tell_made(const char *path, const struct ring *ring)
{
	printf("%s: made, with the key %s\n"
	       "next: let otad and the broker read it, nobody else; name it in both configurations (mqtt_keys_file, "
	       "plugin_opt_keys_file)\n",
	       path, ring->at[0].id);
}

static void tell_rotated(const char *path, const struct ring *ring, const char *dropped)
{
	printf("%s: %s signs from now on, %s is still accepted\n", path, ring->at[0].id, ring->at[1].id);
	if (*dropped) {
		printf("%s is gone: passwords that were signed with it will be refused\n", dropped);
	}
	printf("next: SIGHUP to the broker, then to otad; give every device its new password;\n"
	       "      when no device uses one of %s any more: otad mqtt-key --retire %s\n",
	       ring->at[1].id, path);
}

static bool rotate(struct ring *ring, const char *path, int dir, struct err *err)
{
	scoped(forget) struct ring fresh = {.file = ring->file};
	char dropped[CREDENTIAL_KEY_ID_SIZE] = "";
	make_key(ring, &fresh.at[fresh.count++]);
	if (ring->count > 0) {
		fresh.at[fresh.count++] = ring->at[0];
	}
	if (ring->count > 1) {
		text_copy(dropped, sizeof dropped, ring->at[1].id);
	}
	if (!replace(&fresh, path, dir, err)) {
		return false;
	}
	if (fresh.count == 1) {
		tell_made(path, &fresh);
	} else {
		tell_rotated(path, &fresh, dropped);
	}
	return true;
}

static bool retire(struct ring *ring, const char *path, int dir, struct err *err)
{
	if (ring->count == 0) {
		return err_set(err, ERR_NOT_FOUND, "%s: there is no key in it; `otad mqtt-key %s` makes one", path, path);
	}
	if (ring->count == 1) {
		return err_set(err, ERR_CONFLICT, "%s: %s is its only key; nothing can be retired", path, ring->at[0].id);
	}
	ring->count = 1;
	if (!replace(ring, path, dir, err)) {
		return false;
	}
	printf("%s: %s is gone: passwords that were signed with it will be refused; %s signs\n"
	       "next: SIGHUP to the broker and to otad\n",
	       path, ring->at[1].id, ring->at[0].id);
	return true;
}

/* The file itself, also when FILE is a link to it: the link stays. */
static bool resolve(const char *path, char out[PATH_MAX], struct err *err)
{
	if (realpath(path, out)) {
		return true;
	}
	return (errno == ENOENT && text_copy(out, PATH_MAX, path)) || err_set(err, ERR_INVALID, "%s: %s", path, err_errno(errno));
}

/* The lock is the directory's: the file itself is replaced. */
static bool change(const char *name, bool retiring, struct err *err)
{
	char path[PATH_MAX];
	char parent[PATH_MAX];
	scoped(forget) struct ring ring = {.count = 0};
	if (!resolve(name, path, err)) {
		return false;
	}
	text_copy(parent, sizeof parent, path);
	const char *where = dirname(parent);
	scoped_close int dir = open(where, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (dir < 0 || flock(dir, LOCK_EX) != 0) {
		return err_set(err, ERR_INVALID, "%s: %s", where, err_errno(errno));
	}
	return load(&ring, path, err) && (retiring ? retire : rotate)(&ring, path, dir, err);
}

int command_key(int argc, char **argv)
{
	static const struct option options[] = {
		{"retire", no_argument, NULL, 'r'},
		{"help", no_argument, NULL, 'h'},
		{NULL, 0, NULL, 0},
	};
	struct err err = {0};
	bool retiring = false;
	optind = 0; /* main has used getopt already: begin anew */
	for (int option; (option = getopt_long(argc, argv, "h", options, NULL)) != -1;) {
		if (option == 'h') {
			fputs(help, stdout);
			return EXIT_SUCCESS;
		}
		if (option != 'r') {
			fputs(help, stderr);
			return EXIT_USAGE;
		}
		retiring = true;
	}
	if (argc - optind != 1 || !*argv[optind]) {
		fprintf(stderr, "otad: `mqtt-key` needs one FILE\n%s", help);
		return EXIT_USAGE;
	}
	if (!change(argv[optind], retiring, &err)) {
		fprintf(stderr, "otad: %s\n", err.text);
		return EXIT_FAILURE;
	}
	if (fflush(stdout) != 0) {
		perror("otad: standard output");
		return EXIT_FAILURE;
	}
	return EXIT_SUCCESS;
}
