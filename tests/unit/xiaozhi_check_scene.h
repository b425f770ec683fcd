/* A check that is decoded, and what is expected of it. */
#ifndef TESTS_UNIT_XIAOZHI_CHECK_SCENE_H
#define TESTS_UNIT_XIAOZHI_CHECK_SCENE_H

#include <stdbool.h>

#include "common/err.h"
#include "dialect/xiaozhi_check.h"
#include "xiaozhi_request.h"

#define APPLICATION "\"application\":{\"version\":\"1.8.0\"}"
#define BOARD "\"board\":{\"type\":\"bread-compact-wifi\",\"name\":\"bread-compact-wifi-128x64\"}"

extern const struct xiaozhi_headers device;
extern struct xiaozhi_check check;
extern struct err err;

bool decode(const struct xiaozhi_headers *headers, const char *body);
void accept_json(const char *body);
void assert_elf(const char *digits);
void refuse(const char *body);

#endif
