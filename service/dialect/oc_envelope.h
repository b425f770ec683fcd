/* Inside the oc dialect: the envelope of every answer, {"success","errorCode","errorMsg","data"}, and its codes (seed 003's platform). */
#ifndef DIALECT_OC_ENVELOPE_H
#define DIALECT_OC_ENVELOPE_H

#include "common/err.h"

struct buf;
struct firmware;
struct http_request;

/* The code and the HTTP status of an error. Business errors are HTTP 200: the platform's clients read errorCode. Authentication, overload
 * and the like keep their status, which scripts and load balancers rely on. */
int oc_code(enum err_kind kind);

/* {"success":true,"errorCode":200,"errorMsg":"成功","data": ... */
void oc_begin(struct buf *out);
void oc_send(struct http_request *req, struct buf *out); /* closes the envelope, replies 200, frees out */

/* Replies the error. code 0: by its kind. */
void oc_refuse(struct http_request *req, const struct err *err, int code);
void oc_refuse_status(struct http_request *req, int status, const struct err *err, int code);

/* {"id":1,"path":"firmware-1.bin","name":"..","productId":2} */
void oc_put_firmware(struct buf *out, const struct firmware *f);

#endif
