#include "mcp.h"

#include <cjson/cJSON.h>
#include <stdio.h>
#include <string.h>

#include "common/buf.h"
#include "common/json.h"
#include "common/scoped.h"
#include "generation.h"

struct call {
	const struct mcp_device *device;
	const cJSON *params;
	int id;
	struct mcp_heard *heard;
	struct buf *reply;
};

static void open_reply(const struct call *c)
{
	buf_putf(c->reply, "{\"session_id\":\"\",\"type\":\"mcp\",\"payload\":{\"jsonrpc\":\"2.0\",\"id\":%d,", c->id);
}

static void reply_error(const struct call *c, const char *message)
{
	open_reply(c);
	buf_puts(c->reply, "\"error\":{\"message\":");
	buf_put_json(c->reply, message);
	buf_puts(c->reply, "}}}");
}

static void reply_text(const struct call *c, const char *text)
{
	open_reply(c);
	buf_puts(c->reply, "\"result\":{\"content\":[{\"type\":\"text\",\"text\":");
	buf_put_json(c->reply, text);
	buf_puts(c->reply, "}],\"isError\":false}}}");
}

static const char *text_of(const cJSON *object, const char *name)
{
	const char *text = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(object, name));
	return text ? text : "";
}

static enum mcp_action status_tool(const struct call *c)
{
	reply_text(c, "{\"audio_speaker\":{\"volume\":70},\"network\":{\"type\":\"wifi\"}}");
	return MCP_NOTHING;
}

static enum mcp_action info_tool(const struct call *c)
{
	reply_text(c, c->device->info);
	return MCP_NOTHING;
}

static enum mcp_action reboot_tool(const struct call *c)
{
	reply_text(c, "true");
	return MCP_REBOOT;
}

/* "true" means that it is scheduled, no more. */
static enum mcp_action upgrade_tool(const struct call *c)
{
	const char *url = text_of(cJSON_GetObjectItemCaseSensitive(c->params, "arguments"), "url");
	if (!*url || strlen(url) >= sizeof c->heard->url) {
		reply_error(c, "Missing valid argument: url");
		return MCP_NOTHING;
	}
	snprintf(c->heard->url, sizeof c->heard->url, "%s", url);
	reply_text(c, "true");
	return MCP_UPGRADE;
}

static const struct {
	const char *name;
	uint32_t trait; /* that has it */
	enum mcp_action (*run)(const struct call *c);
} TOOLS[] = {
	{"self.get_device_status", TRAIT_MCP, status_tool},
	{"self.get_system_info", TRAIT_USER_TOOLS, info_tool},
	{"self.reboot", TRAIT_USER_TOOLS, reboot_tool},
	{"self.upgrade_firmware", TRAIT_USER_TOOLS, upgrade_tool},
};

enum { TOOL_COUNT = sizeof TOOLS / sizeof TOOLS[0] };

static enum mcp_action initialize(const struct call *c)
{
	open_reply(c);
	buf_puts(c->reply, "\"result\":{\"protocolVersion\":\"2024-11-05\",\"capabilities\":{\"tools\":{}},\"serverInfo\":{\"name\":");
	buf_put_json(c->reply, c->device->board);
	buf_puts(c->reply, ",\"version\":");
	buf_put_json(c->reply, c->device->version);
	buf_puts(c->reply, "}}}}");
	return MCP_NOTHING;
}

/* The tools for operators are listed only for who asks for them. */
static enum mcp_action list_tools(const struct call *c)
{
	bool all = cJSON_IsTrue(cJSON_GetObjectItemCaseSensitive(c->params, "withUserTools"));
	const char *comma = "";
	open_reply(c);
	buf_puts(c->reply, "\"result\":{\"tools\":[");
	for (size_t i = 0; i < TOOL_COUNT; i++) {
		if (c->device->traits & TOOLS[i].trait && (all || TOOLS[i].trait == TRAIT_MCP)) {
			buf_putf(c->reply,
				 "%s{\"name\":\"%s\",\"description\":\"\",\"inputSchema\":{\"type\":\"object\",\"properties\":{}}}", comma,
				 TOOLS[i].name);
			comma = ",";
		}
	}
	buf_puts(c->reply, "]}}}");
	return MCP_NOTHING;
}

static enum mcp_action call_tool(const struct call *c)
{
	char message[MCP_HEARD_SIZE + 32];
	const char *name = text_of(c->params, "name");
	snprintf(c->heard->what, sizeof c->heard->what, "%s", name);
	for (size_t i = 0; i < TOOL_COUNT; i++) {
		if (c->device->traits & TOOLS[i].trait && strcmp(TOOLS[i].name, name) == 0) {
			return TOOLS[i].run(c);
		}
	}
	snprintf(message, sizeof message, "Unknown tool: %.90s", name);
	reply_error(c, message);
	return MCP_NOTHING;
}

static const struct {
	const char *name;
	enum mcp_action (*run)(const struct call *c);
} METHODS[] = {{"initialize", initialize}, {"tools/list", list_tools}, {"tools/call", call_tool}};

static enum mcp_action hear_call(const struct mcp_device *device, const cJSON *payload, struct mcp_heard *heard, struct buf *reply)
{
	const cJSON *id = cJSON_GetObjectItemCaseSensitive(payload, "id");
	const char *method = text_of(payload, "method");
	struct call c = {device, cJSON_GetObjectItemCaseSensitive(payload, "params"), 0, heard, reply};
	if (strcmp(text_of(payload, "jsonrpc"), "2.0") != 0 || !*method || strncmp(method, "notifications", 13) == 0 ||
	    !cJSON_IsNumber(id)) {
		return MCP_NOTHING; /* the firmware only writes it to its log */
	}
	c.id = id->valueint;
	snprintf(heard->what, sizeof heard->what, "%s", method);
	for (size_t i = 0; i < sizeof METHODS / sizeof METHODS[0]; i++) {
		if (strcmp(METHODS[i].name, method) == 0) {
			return METHODS[i].run(&c);
		}
	}
	char message[MCP_HEARD_SIZE + 32];
	snprintf(message, sizeof message, "Method not implemented: %.90s", method);
	reply_error(&c, message);
	return MCP_NOTHING;
}

enum mcp_action mcp_hear(const struct mcp_device *device, const char *text, size_t len, struct mcp_heard *heard, struct buf *reply)
{
	heard->what[0] = heard->url[0] = '\0';
	scoped_json struct cJSON *json = cJSON_ParseWithLength(text, len);
	const char *type = text_of(json, "type");
	if (device->traits & TRAIT_MCP && strcmp(type, "mcp") == 0) {
		return hear_call(device, cJSON_GetObjectItemCaseSensitive(json, "payload"), heard, reply);
	}
	if (device->traits & TRAIT_REBOOT_COMMAND && strcmp(type, "system") == 0 && strcmp(text_of(json, "command"), "reboot") == 0) {
		snprintf(heard->what, sizeof heard->what, "reboot");
		return MCP_REBOOT;
	}
	return MCP_NOTHING;
}
