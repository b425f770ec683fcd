/* Inside the fog dialect: what the object store answers, in OSS's shape: <Error><Code>..., with headers that let pages of other origins
 * read it. */
#ifndef DIALECT_FOG_OSS_ERROR_H
#define DIALECT_FOG_OSS_ERROR_H

#include <stdbool.h>

#include "common/err.h"

struct http_request;

/* Codes of OSS that we use; each has its HTTP status. */
enum oss_code {
	OSS_NONE,
	OSS_ACCESS_DENIED,
	OSS_BAD_ACCESS_KEY,
	OSS_BAD_SIGNATURE,
	OSS_BAD_POLICY,
	OSS_BAD_ARGUMENT,
	OSS_BAD_NAME,
	OSS_BAD_FORM,
	OSS_TOO_LARGE,
	OSS_TOO_SMALL,
	OSS_EXISTS,
	OSS_NO_KEY,
	OSS_NO_METHOD,
	OSS_BUSY,
	OSS_CALLBACK_FAILED, /* the object is there all the same */
	OSS_INTERNAL,
};

/* Headers of every answer: any origin may ask (no cookie or token is read here), and may read ETag. */
void fog_oss_headers(struct http_request *req);

/* Replies the error with the status of its code. */
void fog_oss_refuse(struct http_request *req, enum oss_code code, const char *message);

/* The same by what a call of the engine says, with Retry-After where it helps. */
void fog_oss_fail(struct http_request *req, const struct err *err);

/* By what the server itself says. */
enum oss_code fog_oss_of_status(int status);

#endif
