#include "engine/callback.h"

#include <stdio.h>
#include <string.h>

#include "common/digest.h"
#include "common/err.h"
#include "common/secret.h"
#include "common/text.h"
#include "config/config.h"
#include "engine/private.h"
#include "fetch/fetch.h"
#include "metrics/metrics.h"

enum { CONNECT_MS = 3000, TOTAL_MS = 5000 };

#define SIGNATURE "X-Otad-Signature-256: sha256="
enum { SIGNATURE_SIZE = sizeof SIGNATURE + 2 * DIGEST_SHA256_LEN };

/* The next item of the list from *at on; its length, 0 = there is none. */
static size_t next_target(const char **at)
{
	*at += strspn(*at, ", ");
	return strcspn(*at, ", ");
}

bool callback_first(struct engine *e, char out[CALLBACK_URL_SIZE])
{
	const char *at = e->config->callback_urls;
	size_t len = next_target(&at);
	if (len == 0 || len >= CALLBACK_URL_SIZE) {
		return false;
	}
	memcpy(out, at, len);
	out[len] = '\0';
	return true;
}

bool callback_is_target(struct engine *e, const char *url)
{
	const char *at = e->config->callback_urls;
	for (size_t len; (len = next_target(&at)) > 0; at += len) {
		if (strlen(url) == len && memcmp(at, url, len) == 0) {
			return true;
		}
	}
	return false;
}

/* The receiver makes the same of the body that he got. */
static bool sign(const struct config *config, const struct callback_body *body, char out[SIGNATURE_SIZE])
{
	uint8_t mac[DIGEST_SHA256_LEN];
	const char *secret = config->callback_secret.reveal;
	struct digest_key *key = digest_key_new(secret, strlen(secret));
	if (!key) {
		return false;
	}
	digest_mac(key, body->data, body->len, mac);
	digest_key_free(&key);
	memcpy(out, SIGNATURE, sizeof SIGNATURE);
	text_hex(out + sizeof SIGNATURE - 1, mac, sizeof mac);
	return true;
}

static bool post(const struct config *config, const char *url, const struct callback_body *body, struct buf *answer, int *status,
		 struct err *err)
{
	char signature[SIGNATURE_SIZE];
	const char *const headers[] = {signature, NULL};
	struct fetch_answer got = {0};
	struct fetch_request request = {
		.url = url,
		.ca_file = config->fetch_ca_file,
		.connect_ms = CONNECT_MS,
		.total_ms = TOTAL_MS,
		.max_bytes = CALLBACK_ANSWER_MAX,
	};
	if (secret_is_set(&config->callback_secret)) {
		if (!sign(config, body, signature)) {
			return err_set(err, ERR_INTERNAL, "out of memory");
		}
		request.headers = headers;
	}
	bool ok = fetch_post(&request, &(struct fetch_body){body->type, body->data, body->len}, answer, &got, err);
	*status = got.status;
	return ok;
}

bool callback_post(struct engine *e, const char *url, const struct callback_body *body, struct buf *answer, int *status, struct err *err)
{
	const struct config *config = e->config;
	unsigned max = config->workers < 4 ? 1 : (unsigned)config->workers / 2;
	*status = 0;
	if (!callback_is_target(e, url)) {
		return err_set(err, ERR_DENIED, "the callbackUrl is none of this service's any more");
	}
	metrics_add(METRIC_CALLBACKS, 1);
	bool ok = atomic_fetch_add(&e->callbacks, 1) < max ? post(config, url, body, answer, status, err)
							   : err_set(err, ERR_BUSY, "too many callback requests");
	atomic_fetch_sub(&e->callbacks, 1);
	return ok;
}
