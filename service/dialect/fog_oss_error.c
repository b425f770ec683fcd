#include "dialect/fog_oss_error.h"

#include "common/buf.h"
#include "http/reply.h"
#include "http/request.h"

enum { ANSWER_SIZE = 2048 };

static const struct {
	const char *name;
	int status;
} codes[] = {
	[OSS_NONE] = {"InternalError", 500},
	[OSS_ACCESS_DENIED] = {"AccessDenied", 403},
	[OSS_BAD_ACCESS_KEY] = {"InvalidAccessKeyId", 403},
	[OSS_BAD_SIGNATURE] = {"SignatureDoesNotMatch", 403},
	[OSS_BAD_POLICY] = {"InvalidPolicyDocument", 400},
	[OSS_BAD_ARGUMENT] = {"InvalidArgument", 400},
	[OSS_BAD_NAME] = {"InvalidObjectName", 400},
	[OSS_BAD_FORM] = {"MalformedPOSTRequest", 400},
	[OSS_TOO_LARGE] = {"EntityTooLarge", 400},
	[OSS_TOO_SMALL] = {"EntityTooSmall", 400},
	[OSS_EXISTS] = {"FileAlreadyExists", 409},
	[OSS_NO_KEY] = {"NoSuchKey", 404},
	[OSS_NO_METHOD] = {"MethodNotAllowed", 405},
	[OSS_BUSY] = {"ServiceUnavailable", 503},
	[OSS_CALLBACK_FAILED] = {"CallbackFailed", 203},
	[OSS_INTERNAL] = {"InternalError", 500},
};

void fog_oss_headers(struct http_request *req)
{
	http_reply_header(req, "Access-Control-Allow-Origin", "*");
	http_reply_header(req, "Access-Control-Expose-Headers", "ETag, Content-Length, Content-Range, x-oss-request-id");
	http_reply_header(req, "x-oss-request-id", http_request_id(req));
}

static void put_element(struct buf *out, const char *name, const char *text)
{
	buf_putf(out, "  <%s>", name);
	buf_put_markup(out, text);
	buf_putf(out, "</%s>\n", name);
}

void fog_oss_refuse(struct http_request *req, enum oss_code code, const char *message)
{
	char text[ANSWER_SIZE];
	struct buf out;
	const char *host = http_request_host(req);
	buf_init_fixed(&out, text, sizeof text);
	buf_puts(&out, "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Error>\n");
	put_element(&out, "Code", codes[code].name);
	put_element(&out, "Message", message);
	put_element(&out, "RequestId", http_request_id(req));
	put_element(&out, "HostId", host ? host : "");
	buf_puts(&out, "</Error>");
	fog_oss_headers(req);
	http_reply(req, codes[code].status, "application/xml", out.data, out.len);
}

enum oss_code fog_oss_of_status(int status)
{
	return status == 404   ? OSS_NO_KEY
	       : status == 405 ? OSS_NO_METHOD
	       : status == 413 ? OSS_TOO_LARGE
	       : status == 503 ? OSS_BUSY
	       : status >= 500 ? OSS_INTERNAL
	       : status == 403 ? OSS_ACCESS_DENIED
			       : OSS_BAD_FORM;
}

static enum oss_code code_of(const struct err *err)
{
	switch (err->kind) {
	case ERR_NOT_FOUND:
	case ERR_GONE:
		return OSS_NO_KEY;
	case ERR_EXISTS:
		return OSS_EXISTS;
	case ERR_TOO_LARGE:
		return OSS_TOO_LARGE;
	case ERR_EMPTY:
		return OSS_TOO_SMALL;
	case ERR_BUSY:
	case ERR_UNAVAILABLE:
		return OSS_BUSY;
	case ERR_UNAUTHENTICATED:
	case ERR_DENIED:
	case ERR_BLOCKED:
		return OSS_ACCESS_DENIED;
	case ERR_INVALID:
	case ERR_MISSING:
	case ERR_TYPE:
	case ERR_CONFLICT:
		return OSS_BAD_ARGUMENT;
	case ERR_NONE:
	case ERR_NO_SPACE:
	case ERR_INTERNAL:
		break;
	}
	return OSS_INTERNAL;
}

void fog_oss_fail(struct http_request *req, const struct err *err)
{
	enum oss_code code = code_of(err);
	if (code == OSS_BUSY) {
		http_reply_header(req, "Retry-After", "2");
	}
	fog_oss_refuse(req, code, code == OSS_NO_KEY ? "The specified key does not exist." : err->text);
}
