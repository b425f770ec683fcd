#include "model/file.h"

#include <string.h>

#include "common/err.h"
#include "common/text.h"

int64_t file_bytes(const char *told)
{
	uint64_t bytes;
	return text_to_bytes(told, &bytes) && bytes <= INT64_MAX ? (int64_t)bytes : 0;
}

int64_t file_size(const char *told)
{
	int64_t bytes;
	return *told && strspn(told, "0123456789") == strlen(told) && text_to_i64(told, &bytes) ? bytes : -1;
}

static bool read_md5(const char *told, uint8_t out[16])
{
	return text_unhex(told, out, 16);
}

bool file_proves(const struct firmware *fw)
{
	uint8_t md5[16];
	return read_md5(fw->told_md5, md5) || file_size(fw->told_size) >= 0;
}

bool file_matches(const struct firmware *fw, const struct artifact *bytes, struct err *err)
{
	uint8_t md5[16];
	char theirs[2 * sizeof md5 + 1];
	int64_t size = file_size(fw->told_size);
	if (size >= 0 && size != bytes->size) {
		return err_set(err, ERR_INVALID, "size: they are %lld bytes, not %lld", (long long)bytes->size, (long long)size);
	}
	if (read_md5(fw->told_md5, md5) && memcmp(md5, bytes->md5, sizeof md5) != 0) {
		text_hex(theirs, bytes->md5, sizeof bytes->md5);
		return err_set(err, ERR_INVALID, "md5: theirs is %s, not %s", theirs, fw->told_md5);
	}
	return true;
}

/* Printable ASCII that stands in JSON and in a header as it is. */
static bool is_plain(const char *text)
{
	for (; *text; text++) {
		if (*text <= ' ' || *text > '~' || strchr("\"\\<>", *text)) {
			return false;
		}
	}
	return true;
}

static bool check_plain(const char *name, const char *text, size_t max, struct err *err)
{
	if (!*text) {
		return err_set(err, ERR_EMPTY, "%s is empty", name);
	}
	if (strlen(text) > max) {
		return err_set(err, ERR_INVALID, "%s has more than %zu bytes", name, max);
	}
	return is_plain(text) || err_set(err, ERR_INVALID, "%s may hold printable ASCII only, without blanks, quotes, <, > and \\", name);
}

static bool check_url(const char *url, struct err *err)
{
	if (!check_plain("file_url", url, FILE_URL_MAX, err)) {
		return false;
	}
	const char *host = strncmp(url, "http://", 7) == 0 ? url + 7 : strncmp(url, "https://", 8) == 0 ? url + 8 : NULL;
	return (host && strcspn(host, "/?#") > 0) || err_set(err, ERR_INVALID, "file_url must begin with http:// or https:// and a host");
}

static bool check_text(const char *name, const char *text, size_t max, struct err *err)
{
	if (strlen(text) > max) {
		return err_set(err, ERR_INVALID, "%s has more than %zu bytes", name, max);
	}
	return text_is_printable(text, strlen(text)) || err_set(err, ERR_INVALID, "%s holds control characters", name);
}

/* 32 hex digits: one spelling. Anything else stays as it was told, and proves nothing. */
static void lower_md5(char *md5)
{
	uint8_t bytes[16];
	if (text_unhex(md5, bytes, sizeof bytes)) {
		text_hex(md5, bytes, sizeof bytes);
	}
}

static bool check_component(const char *name, struct err *err)
{
	size_t len = strlen(name);
	return (len > 0 && strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789_") == len) ||
	       err_set(err, ERR_INVALID, "component must be 1 to %d of a-z, 0-9 and _", COMPONENT_SIZE - 1);
}

bool file_check(struct file *f, struct err *err)
{
	struct firmware *fw = &f->firmware;
	if (!check_component(fw->component, err)) {
		return false;
	}
	if (!check_url(fw->url, err) || !check_plain("md5", fw->told_md5, FILE_MD5_MAX, err) ||
	    !check_plain("version", fw->version, FILE_VERSION_MAX, err)) {
		return false;
	}
	if (!*fw->told_size) {
		return err_set(err, ERR_EMPTY, "size is empty");
	}
	lower_md5(fw->told_md5);
	return check_text("size", fw->told_size, FILE_SIZE_MAX, err) && check_text("customize", fw->customize, FILE_CUSTOMIZE_MAX, err) &&
	       check_text("file_name", fw->file_name, sizeof fw->file_name - 1, err);
}

static bool take_text(char *to, size_t size, const char *from)
{
	bool other = strcmp(to, from) != 0;
	text_copy(to, size, from);
	return other;
}

void file_apply(struct file *f, const struct file_edit *edit, bool *image)
{
	struct firmware *to = &f->firmware;
	const struct firmware *from = &edit->to.firmware;
	unsigned fields = edit->fields;
	bool other = (fields & FILE_URL) && take_text(to->url, sizeof to->url, from->url);
	char md5[sizeof from->told_md5]; /* uploads are answered in upper case */
	text_copy(md5, sizeof md5, from->told_md5);
	lower_md5(md5);
	other = ((fields & FILE_MD5) && take_text(to->told_md5, sizeof to->told_md5, md5)) || other;
	other = ((fields & FILE_VERSION) && take_text(to->version, sizeof to->version, from->version)) || other;
	*image = other;
	if (fields & FILE_SIZE) {
		take_text(to->told_size, sizeof to->told_size, from->told_size);
	}
	if (fields & FILE_NAME) {
		take_text(to->file_name, sizeof to->file_name, from->file_name);
	}
	if (fields & FILE_CUSTOMIZE) {
		take_text(to->customize, sizeof to->customize, from->customize);
	}
	if (fields & FILE_DESCRIPTION) {
		take_text(f->description, sizeof f->description, edit->to.description);
	}
	f->stage = fields & FILE_STAGE ? edit->to.stage : f->stage;
	to->force = fields & FILE_FORCE ? from->force : to->force;
	to->allow_downgrade = fields & FILE_DOWNGRADE ? from->allow_downgrade : to->allow_downgrade;
}
