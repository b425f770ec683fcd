#include "dialect/serve.h"

#include <stddef.h>
#include <stdint.h>

#include "engine/deliver.h"
#include "http/reply.h"
#include "http/request.h"
#include "model/nouns.h"

static void delivered(void *ctx, uint64_t offset, uint64_t len)
{
	struct delivery *d = ctx;
	if (len > 0) {
		delivery_bytes(d, offset, len);
	} else {
		delivery_free(&d);
	}
}

void serve_file(struct http_request *req, struct delivery *d, int fd, bool plain)
{
	bool head = http_request_is_head(req);
	const struct artifact *a = delivery_artifact(d);
	struct http_file file = {
		.fd = fd,
		.size = (uint64_t)a->size,
		.content_type = "application/octet-stream",
		.etag = delivery_etag(d),
		.sha256 = plain ? NULL : a->sha256,
		.cache_control = plain ? NULL : "private, max-age=3600, immutable",
		.delivered = delivered,
		.delivered_ctx = d,
	};
	if (!head) {
		delivery_begun(d);
	}
	http_reply_file(req, &file);
}
