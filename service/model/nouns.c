#include "model/nouns.h"

#include <stddef.h>
#include <string.h>

static const char *const way_names[] = {[WAY_PUSH] = "push", [WAY_PASSIVE] = "passive", [WAY_STANDING] = "standing"};
static const char *const stage_names[] = {[STAGE_TEST] = "test", [STAGE_ONLINE] = "online", [STAGE_INVALID] = "invalid"};
static const char *const role_names[] = {
	[ROLE_NONE] = "none", [ROLE_VIEWER] = "viewer", [ROLE_OPERATOR] = "operator", [ROLE_ADMIN] = "admin"};

const char *rollout_way_name(enum rollout_way way)
{
	return way_names[way];
}

bool rollout_way_parse(const char *name, enum rollout_way *out)
{
	for (size_t i = 0; i < sizeof way_names / sizeof *way_names; i++) {
		if (strcmp(name, way_names[i]) == 0) {
			*out = (enum rollout_way)i;
			return true;
		}
	}
	return false;
}

const char *rollout_stage_name(enum rollout_stage stage)
{
	return stage_names[stage];
}

bool rollout_stage_parse(const char *name, enum rollout_stage *out)
{
	for (size_t i = 0; i < sizeof stage_names / sizeof *stage_names; i++) {
		if (strcmp(name, stage_names[i]) == 0) {
			*out = (enum rollout_stage)i;
			return true;
		}
	}
	return false;
}

const char *role_name(enum role role)
{
	return role_names[role];
}

enum role role_parse(const char *name)
{
	for (size_t i = ROLE_VIEWER; i <= ROLE_ADMIN; i++) {
		if (strcmp(name, role_names[i]) == 0) {
			return (enum role)i;
		}
	}
	return ROLE_NONE;
}
