/* What a running device makes of a message that reaches it over MQTT: MCP calls and commands, as its generation knows them. Pure. */
#ifndef SIM_MCP_H
#define SIM_MCP_H

#include <stddef.h>
#include <stdint.h>

struct buf;

enum { MCP_URL_SIZE = 1280, MCP_HEARD_SIZE = 96 };

enum mcp_action { MCP_NOTHING, MCP_REBOOT, MCP_UPGRADE };

struct mcp_device {
	uint32_t traits; /* TRAIT_ bits */
	const char *board;
	const char *version;
	const char *info; /* the body of its check */
};

struct mcp_heard {
	char what[MCP_HEARD_SIZE]; /* "self.reboot"; "" = nothing that this generation listens to */
	char url[MCP_URL_SIZE];    /* of an UPGRADE */
};

/* Appends what goes out on publish_topic, if anything, to reply. */
enum mcp_action mcp_hear(const struct mcp_device *device, const char *text, size_t len, struct mcp_heard *heard, struct buf *reply);

#endif
