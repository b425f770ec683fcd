/* Inside the fog dialect: the form that a browser posts to the object store. */
#ifndef DIALECT_FOG_OSS_POST_H
#define DIALECT_FOG_OSS_POST_H

#include "dialect/fog_oss_error.h"
#include "http/server.h"

struct artifact;

/* What a policy is good for, in seconds, and what keys begin with. */
enum { FOG_OSS_TOKEN_S = 600 };
#define FOG_OSS_DIR "ota/"

/* Fields before the file: key, policy, OSSAccessKeyId, signature; success_action_status, callback and x:... may be there, others are passed
 * over.
 */
extern const struct http_upload fog_oss_post;

/* The code for what the form was refused; OSS_NONE: it was the server that refused. */
enum oss_code fog_oss_post_code(const struct http_request *req);

/* "<MD5, upper case>" with its quotes. */
void fog_oss_etag(const struct artifact *artifact, char out[35]);

#endif
