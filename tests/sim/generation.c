#include "generation.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A trait holds from a version on, and until (not with) another. */
static const struct {
	uint32_t trait;
	const char *from;
	const char *before;
	const char *sentence;
} TRAITS[] = {
	{TRAIT_CLIENT_ID, "1.2.1", NULL, "sends Client-Id, and \"version\" and \"uuid\" in the body"},
	{TRAIT_CODES, "1.2.1", NULL, "shows an activation code"},
	{TRAIT_X_LANGUAGE, "1.3.0", "1.4.0", "sends X-Language"},
	{TRAIT_ACCEPT_LANGUAGE, "1.4.0", NULL, "sends Accept-Language"},
	{TRAIT_USER_AGENT, "1.4.4", NULL, "sends User-Agent: BOARD/VERSION"},
	{TRAIT_ACTIVATION_VERSION, "1.6.0", NULL, "sends Activation-Version"},
	{TRAIT_ACTIVATES, "1.6.0", NULL, "asks /activate (before: checks again every 60 s)"},
	{TRAIT_REBOOT_COMMAND, "1.6.0", NULL, "obeys {\"type\":\"system\",\"command\":\"reboot\"}"},
	{TRAIT_SERIAL_NUMBER, "1.7.0", NULL, "sends Serial-Number, if it has one"},
	{TRAIT_HEAP_AS_TEXT, "1.7.7", NULL, "tells its free heap as a string"},
	{TRAIT_MCP, "1.8.0", NULL, "answers MCP"},
	{TRAIT_USER_TOOLS, "2.0.0", NULL, "has self.upgrade_firmware, self.get_system_info and self.reboot"},
	{TRAIT_ASSETS, "2.0.0", NULL, "is flashed with a partition \"assets\""},
	{TRAIT_DISPLAY, "2.0.1", NULL, "tells its display"},
	{TRAIT_STAYS_UNPROVEN, "0.0.0", "1.0.1", "goes on after a failed upgrade, its image still unproven"},
	{TRAIT_TEXTS_ONLY, "0.0.0", "1.6.3", "crashes at a number among the credentials"},
	{TRAIT_REBOOTS_ON_FAILURE, "1.0.1", "1.7.8", "reboots after a failed upgrade"},
	{TRAIT_SKIPS_SAME, "0.0.0", "2.0.0", "does not install an image of its own version"},
};

enum { TRAIT_ROWS = sizeof TRAITS / sizeof TRAITS[0] };

static const struct generation ALL[] = {
	{"0.9.8", GENERATION_FIRMWARE, "0.9.8"}, {"1.0.1", GENERATION_FIRMWARE, "1.0.1"}, {"1.2.1", GENERATION_FIRMWARE, "1.2.1"},
	{"1.5.8", GENERATION_FIRMWARE, "1.5.8"}, {"1.6.2", GENERATION_FIRMWARE, "1.6.2"}, {"1.7.7", GENERATION_FIRMWARE, "1.7.7"},
	{"1.8.9", GENERATION_FIRMWARE, "1.8.9"}, {"2.0.4", GENERATION_FIRMWARE, "2.0.4"}, {"2.4.2", GENERATION_FIRMWARE, "2.4.2"},
	{"py", GENERATION_PYTHON, "2.0.0"},      {"web", GENERATION_WEB, "1.0.0"},
};

enum { GENERATIONS = sizeof ALL / sizeof ALL[0] };

/* The first three numbers; how many there are before something else comes. */
static int numbers(const char *version, long out[3])
{
	out[0] = out[1] = out[2] = 0;
	for (int i = 0; i < 3; i++) {
		char *end;
		out[i] = strtol(version, &end, 10);
		if (end == version || (i < 2 && *end != '.')) {
			return end == version ? i : i + 1;
		}
		version = end + 1;
	}
	return 3;
}

static bool reaches(const long v[3], const char *limit)
{
	long l[3];
	numbers(limit, l);
	for (int i = 0; i < 3; i++) {
		if (v[i] != l[i]) {
			return v[i] > l[i];
		}
	}
	return true;
}

uint32_t generation_traits(enum generation_kind kind, const char *version)
{
	long v[3];
	uint32_t traits = TRAIT_CLIENT_ID | TRAIT_ACCEPT_LANGUAGE | TRAIT_CODES;
	if (kind == GENERATION_WEB) {
		return traits;
	}
	if (kind == GENERATION_PYTHON) {
		return traits | TRAIT_USER_AGENT | TRAIT_ACTIVATION_VERSION | TRAIT_SERIAL_NUMBER | TRAIT_ACTIVATES;
	}
	traits = 0;
	numbers(version, v);
	for (size_t i = 0; i < TRAIT_ROWS; i++) {
		if (reaches(v, TRAITS[i].from) && (!TRAITS[i].before || !reaches(v, TRAITS[i].before))) {
			traits |= TRAITS[i].trait;
		}
	}
	return traits;
}

/* "1.8.x" is told as 1.8.0; "2.0.4-dirty" as it is. */
static bool a_version(const char *name, size_t len, struct generation *out, char *version, size_t size)
{
	long v[3];
	if (len == 0 || len >= size) {
		return false;
	}
	memcpy(version, name, len);
	version[len] = '\0';
	char *last = strrchr(version, '.');
	if (last && strcmp(last, ".x") == 0) {
		last[1] = '0';
	}
	*out = (struct generation){.name = version, .kind = GENERATION_FIRMWARE, .version = version};
	return numbers(version, v) >= 2;
}

static bool named(const char *name, size_t len, struct generation *out, char *version, size_t size)
{
	for (size_t i = 0; i < GENERATIONS; i++) {
		if (strlen(ALL[i].name) == len && memcmp(ALL[i].name, name, len) == 0) {
			*out = ALL[i];
			return true;
		}
	}
	return a_version(name, len, out, version, size);
}

bool generation_pick(const char *list, size_t i, struct generation *out, char *version, size_t size)
{
	if (strcmp(list, "all") == 0) {
		*out = ALL[i % GENERATIONS];
		return true;
	}
	size_t words = 1;
	for (const char *s = list; *s; s++) {
		words += *s == ',';
	}
	const char *word = list;
	for (i %= words; i > 0; i--) {
		word = strchr(word, ',') + 1;
	}
	return named(word, strcspn(word, ","), out, version, size);
}

void generation_help(void)
{
	printf("\nThe generations (all:");
	for (size_t i = 0; i < GENERATIONS; i++) {
		printf(" %s", ALL[i].name);
	}
	puts("):");
	for (size_t i = 0; i < TRAIT_ROWS; i++) {
		printf("  from %s%s%-6s %s\n", TRAITS[i].from, TRAITS[i].before ? " until " : "       ",
		       TRAITS[i].before ? TRAITS[i].before : "", TRAITS[i].sentence);
	}
}
