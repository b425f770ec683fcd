/* For people: what a device would get that has this very URL. Chinese and English. */
#include <string.h>

#include "common/buf.h"
#include "common/text.h"
#include "config/config.h"
#include "dialect/xiaozhi_routes.h"
#include "engine/check.h"
#include "engine/engine.h"
#include "http/reply.h"
#include "http/request.h"

enum { PAGE_MAX = 16 * 1024 };

/* ok NULL: all is well with it; else what to do, in both languages. */
static void put_row(struct buf *out, const char *zh, const char *en, const char *value, const char *todo)
{
	buf_puts(out, "<tr><th>");
	buf_puts(out, zh);
	buf_puts(out, "<br><small>");
	buf_puts(out, en);
	buf_puts(out, todo ? "</small></th><td class=todo>" : "</small></th><td class=ok>");
	buf_puts(out, "<code>");
	buf_put_markup(out, *value ? value : "-");
	buf_puts(out, "</code>");
	if (todo) {
		buf_puts(out, "<p>");
		buf_put_markup(out, todo);
		buf_puts(out, "</p>");
	}
	buf_puts(out, "</td></tr>\n");
}

static void put_url(struct buf *out, const char *zh, const char *en, const char *base, const char *path, const char *todo)
{
	char mem[XIAOZHI_BASE_SIZE + 64];
	struct buf url;
	buf_init_fixed(&url, mem, sizeof mem);
	buf_puts(&url, *base ? base : "");
	buf_puts(&url, *base ? path : "");
	put_row(out, zh, en, buf_cstr(&url), todo);
}

static bool is_local(const char *host)
{
	return strcmp(host, "localhost") == 0 || strncmp(host, "127.", 4) == 0 || strcmp(host, "[::1]") == 0;
}

static const char *base_todo(const char *base, const char *host)
{
	if (!*base) {
		return "没有 Host:请设置 public_url。 No Host was sent: set public_url.";
	}
	if (is_local(host)) {
		return "设备无法访问这个地址:请用局域网地址打开本页,或设置 public_url。 Devices cannot reach this address: open this page "
		       "by "
		       "an address of your network, or set public_url.";
	}
	return NULL;
}

static void put_rows(struct buf *out, struct http_request *req, struct engine *engine)
{
	char base[XIAOZHI_BASE_SIZE];
	char host[XIAOZHI_HOST_SIZE];
	char endpoint[CHECK_HOST_SIZE];
	struct engine_health health;
	struct check_survey survey;
	const struct config *config = engine_config(engine);
	xiaozhi_base_url(req, config, base);
	xiaozhi_host(base, false, host);
	engine_health(engine, &health);
	check_survey(engine, host, endpoint, &survey);
	const char *todo = base_todo(base, host);
	put_url(out, "设备的 OTA 地址", "OTA URL for devices", base, "/xiaozhi/ota/", todo);
	put_url(out, "激活地址", "activation", base, "/xiaozhi/ota/activate", todo);
	put_url(out, "固件下载", "firmware", base, "/xiaozhi/ota/firmware/...", todo);
	put_row(out, "MQTT 地址", "MQTT endpoint", endpoint,
		*endpoint ? NULL : "请设置 mqtt_public_endpoint。 Set mqtt_public_endpoint: devices know no IPv6.");
	put_row(out, "数据库", "database", health.database ? "ok" : "", health.database ? NULL : health.database_why);
	put_row(out, "MQTT 服务器", "broker", health.broker ? "ok" : "", health.broker ? NULL : "未连接。 Not connected: pushes wait.");
	buf_puts(out, survey.products ? ""
				      : "<tr><td colspan=2 class=todo>还没有产品:用 POST /api/v3/products 建立,boards "
					"填设备的 board.name。 There is no product yet: make one, its boards naming the devices' "
					"board.name.</td></tr>\n");
	buf_puts(out, survey.standing ? ""
				      : "<tr><td colspan=2 class=todo>还没有发布固件:POST /api/v2/xiaozhi/otaPassive。 No firmware is "
					"published yet.</td></tr>\n");
}

void xiaozhi_page(struct http_request *req, struct worker *worker, void *ctx)
{
	(void)worker;
	struct buf out;
	buf_init(&out, PAGE_MAX);
	buf_puts(&out,
		 "<!doctype html><html lang=zh-CN><head><meta charset=utf-8><meta name=viewport content=\"width=device-width\">"
		 "<title>otad - 小智 OTA</title><style>body{font:16px sans-serif;max-width:46em;margin:2em auto;padding:0 1em}"
		 "th{text-align:left;padding-right:1em;vertical-align:top}td{border-left:.3em solid;padding:.3em .6em}"
		 ".ok{border-color:#2a2}.todo{border-color:#c60}small{color:#666;font-weight:normal}</style></head><body>\n"
		 "<h1>小智 OTA</h1><p>这是设备检查更新的地址,用 POST 访问。 Devices post to this address when they start.</p><table>\n");
	put_rows(&out, req, ctx);
	buf_puts(&out, "</table></body></html>\n");
	http_reply_header(req, "Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'");
	http_reply(req, buf_ok(&out) ? 200 : 500, "text/html; charset=utf-8", out.data, out.len);
	buf_free(&out);
}
