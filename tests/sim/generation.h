/* The generations of Xiaozhi firmware: which version sends what, can what, and breaks at what. One table (generation.c) is all that the
 * simulator knows of versions; an update brings the device into the generation of its new image. Source: protocols/xiaozhi.md.
 */
#ifndef SIM_GENERATION_H
#define SIM_GENERATION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
	/* what it sends */
	TRAIT_CLIENT_ID = 1 << 0,
	TRAIT_X_LANGUAGE = 1 << 1,
	TRAIT_ACCEPT_LANGUAGE = 1 << 2,
	TRAIT_USER_AGENT = 1 << 3,
	TRAIT_ACTIVATION_VERSION = 1 << 4,
	TRAIT_SERIAL_NUMBER = 1 << 5,
	TRAIT_HEAP_AS_TEXT = 1 << 6,
	TRAIT_DISPLAY = 1 << 7,
	TRAIT_ASSETS = 1 << 8, /* its flash, when it is new, has a partition for them */
	/* what it can */
	TRAIT_CODES = 1 << 9,
	TRAIT_ACTIVATES = 1 << 10,
	TRAIT_REBOOT_COMMAND = 1 << 11,
	TRAIT_MCP = 1 << 12,
	TRAIT_USER_TOOLS = 1 << 13,
	/* how it breaks */
	TRAIT_TEXTS_ONLY = 1 << 14,
	TRAIT_SKIPS_SAME = 1 << 15,
	TRAIT_REBOOTS_ON_FAILURE = 1 << 16,
	TRAIT_STAYS_UNPROVEN = 1 << 17,
};

/* Not every client of the protocol is the firmware. */
enum generation_kind { GENERATION_FIRMWARE, GENERATION_PYTHON, GENERATION_WEB };

struct generation {
	const char *name; /* on the command line */
	enum generation_kind kind;
	const char *version;
};

/* Reads one name of a list: "all", "py", "web" or a version ("2.0.4"; "1.8.x" too), the i-th of those separated by commas, from the start
 * again behind the last. out->name points into static memory or the list. False: the list has something else in it. */
bool generation_pick(const char *list, size_t i, struct generation *out, char *version, size_t size);

/* The TRAIT_ bits of firmware of that version, or of the other client. */
uint32_t generation_traits(enum generation_kind kind, const char *version);

/* Prints the table. */
void generation_help(void);

#endif
