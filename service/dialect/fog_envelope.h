/* Inside the fog dialect: the envelope of every answer, {"meta":{"code","message"},"data":...}, and its codes (seed 002). The body begins
 * with { and ends with }: its clients look at both ends. */
#ifndef DIALECT_FOG_ENVELOPE_H
#define DIALECT_FOG_ENVELOPE_H

#include <stdbool.h>
#include <stddef.h>

#include "common/err.h"

struct buf;
struct http_request;
struct worker;

enum { FOG_BAD = 10000, FOG_NO_TASK = 10500, FOG_NOT_IN_TEST = 10501 };

/* Which member of meta stands first: as in the seed's sample of this call. */
enum fog_order { FOG_CODE_FIRST, FOG_MESSAGE_FIRST };

/* {"meta":{"code":0,"message":"..."},"data": into a buffer that the caller has made. */
void fog_begin(struct buf *out, enum fog_order order, const char *message);
void fog_send(struct http_request *req, struct buf *out); /* closes the envelope, replies 200, frees out */

/* HTTP 200 with a code and its message, no data. */
void fog_refuse(struct http_request *req, int code, const char *message);
/* By the kind: 10000 "参数错误:<sentence>" for what the client can do something about (ERR_MISSING: "参数错误:缺少<sentence>参数"), HTTP
 * 401 and 403 for tokens, 503, 507 and 500 for our own faults. */
void fog_refuse_err(struct http_request *req, const struct err *err);
/* The same with this HTTP status. */
void fog_refuse_status(struct http_request *req, int status, const struct err *err);

/* Pages of any origin may call what demands the token and read its answers: they must have been given the token, since no cookie is read
 * here. What is open to everybody is not theirs: they would read it through a browser that stands where they do not. */
void fog_cors(struct http_request *req);

/* Answers the question that a browser asks before such a call. */
void fog_preflight(struct http_request *req, struct worker *worker, void *ctx);

#endif
