/* Inside engine/ only: may these bytes be a product's firmware? By what an ESP-IDF app image says of itself (model/image.h). */
#ifndef ENGINE_JUDGE_H
#define ENGINE_JUDGE_H

#include <stdbool.h>

#include "model/product.h"

struct db;
struct err;

/* inout->image is what the bytes say of themselves; why: ERR_NONE, or what they are instead. Where the product's images are such, other
 * bytes are refused with it, and the version becomes the image's: one that inout had must be the same (ERR_INVALID). */
bool judge_firmware(enum product_images images, const struct err *why, struct firmware *inout, struct err *err);

/* Reads an artifact through image_feed(), as an upload does while it flows; out and why as above. False: it could not be read. Not inside a
 * transaction. */
bool judge_read(struct db *db, const struct artifact *artifact, struct image *out, struct err *why, struct err *err);

#endif
