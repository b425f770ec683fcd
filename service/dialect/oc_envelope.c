#include "dialect/oc_envelope.h"

#include <stdbool.h>
#include <stddef.h>

#include "common/buf.h"
#include "http/reply.h"
#include "http/status.h"
#include "model/nouns.h"

enum { ANSWER_MAX = 8 << 20 };

struct code {
	int code;
	const char *text;
	bool by_status; /* the HTTP status says it too; else it is 200 */
};

static const struct code codes[] = {
	[ERR_NONE] = {200, "成功", false},
	[ERR_INVALID] = {1001, "参数无效", false},
	[ERR_MISSING] = {1004, "参数缺失", false},
	[ERR_EMPTY] = {1002, "参数为空", false},
	[ERR_TYPE] = {1003, "参数类型错误", false},
	[ERR_NOT_FOUND] = {1001, "参数无效", false},
	[ERR_EXISTS] = {1001, "参数无效", false},
	[ERR_CONFLICT] = {3002, "存在依赖关系无法删除", false},
	[ERR_UNAUTHENTICATED] = {2001, "未登录", true},
	[ERR_DENIED] = {3001, "没有权限", true},
	[ERR_BLOCKED] = {3003, "设备被禁用", false},
	[ERR_GONE] = {1001, "参数无效", true},
	[ERR_TOO_LARGE] = {1001, "参数无效", true},
	[ERR_BUSY] = {999, "失败", true},
	[ERR_UNAVAILABLE] = {999, "失败", true},
	[ERR_NO_SPACE] = {999, "失败", true},
	[ERR_INTERNAL] = {999, "失败", true},
};

/* Codes that no kind stands for. */
static const struct code others[] = {{2003, "密码错误", false}, {2007, "账号不存在", false}, {1004, "参数缺失", false}};

int oc_code(enum err_kind kind)
{
	return codes[kind].code;
}

void oc_begin(struct buf *out)
{
	buf_init(out, ANSWER_MAX);
	buf_puts(out, "{\"success\":true,\"errorCode\":200,\"errorMsg\":\"成功\",\"data\":");
}

void oc_send(struct http_request *req, struct buf *out)
{
	buf_putc(out, '}');
	if (buf_ok(out)) {
		http_reply(req, 200, "application/json", out->data, out->len);
	} else {
		struct err err = {.kind = ERR_INTERNAL, .text = "the answer is too large"};
		oc_refuse(req, &err, 0);
	}
	buf_free(out);
}

void oc_refuse_status(struct http_request *req, int status, const struct err *err, int code)
{
	struct code c = codes[err->kind];
	for (size_t i = 0; i < sizeof others / sizeof *others; i++) {
		if (others[i].code == code) {
			c = others[i];
		}
	}
	char mem[1024];
	struct buf out;
	buf_init_fixed(&out, mem, sizeof mem);
	buf_puts(&out, "{\"success\":false,\"errorCode\":");
	buf_put_i64(&out, c.code);
	buf_puts(&out, ",\"errorMsg\":");
	char text[400];
	struct buf message;
	buf_init_fixed(&message, text, sizeof text);
	buf_puts(&message, c.text);
	if (*err->text) {
		buf_puts(&message, ": ");
		buf_puts(&message, err->text);
	}
	buf_put_json_len(&out, message.data, message.len);
	buf_puts(&out, ",\"data\":null}");
	if (status == 503) {
		http_reply_header(req, "Retry-After", "2");
	}
	http_reply(req, status, "application/json", out.data, out.len);
}

void oc_refuse(struct http_request *req, const struct err *err, int code)
{
	oc_refuse_status(req, codes[err->kind].by_status ? http_status(err->kind) : 200, err, code);
}

void oc_put_firmware(struct buf *out, const struct firmware *f)
{
	buf_puts(out, "{\"id\":");
	buf_put_i64(out, f->id);
	buf_puts(out, ",\"path\":\"firmware-");
	buf_put_i64(out, f->id);
	buf_puts(out, ".bin\",\"name\":");
	buf_put_json(out, f->name);
	buf_puts(out, ",\"productId\":");
	buf_put_i64(out, f->product_id);
	buf_putc(out, '}');
}
