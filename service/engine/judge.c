#include "engine/judge.h"

#include <stdlib.h>
#include <string.h>

#include "common/digest.h"
#include "common/err.h"
#include "common/scoped.h"
#include "common/text.h"
#include "model/image.h"
#include "store/artifact.h"

/* The version of an image that devices are to compare; what the firmware was given as its version is no other. */
static bool take_version(struct firmware *firmware, struct err *err)
{
	const char *version = firmware->image.version;
	if (!image_check_version(&firmware->image, err)) {
		return false;
	}
	if (*firmware->version && strcmp(firmware->version, version) != 0) {
		return err_set(err, ERR_INVALID, "the version given is \"%s\", but the image says \"%s\"; give that", firmware->version,
			       version);
	}
	return text_copy(firmware->version, sizeof firmware->version, version);
}

bool judge_firmware(enum product_images images, const struct err *why, struct firmware *inout, struct err *err)
{
	bool strict = images == IMAGES_ESP32;
	if (why->kind != ERR_NONE && (strict || why->kind != ERR_INVALID)) {
		return err_set(err, why->kind, "%s", why->text);
	}
	return !strict || take_version(inout, err);
}

bool judge_read(struct db *db, const struct artifact *artifact, struct image *out, struct err *why, struct err *err)
{
	struct image_reader reader = {0};
	scoped_digest struct digest *digest = digest_new();
	scoped_free uint8_t *chunk = malloc(STORE_CHUNK_SIZE);
	if (!digest || !chunk) {
		return err_set(err, ERR_INTERNAL, "out of memory");
	}
	size_t len = 1;
	for (int seq = 0; len > 0 && reader.part != IMAGE_BAD; seq++) { /* how a bad one goes on changes no word of why */
		if (!store_chunk_read(db, artifact->sha256, seq, chunk, &len, err)) {
			return false;
		}
		image_feed(&reader, digest, chunk, len);
	}
	image_finish(&reader, out, why);
	return true;
}
