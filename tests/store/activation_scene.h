/* Activation on a database of its own, anew for each test: devices that ask, codes that are confirmed, licences that prove. */
#ifndef TESTS_STORE_ACTIVATION_SCENE_H
#define TESTS_STORE_ACTIVATION_SCENE_H

#include <stdbool.h>
#include <stdint.h>

#include "common/err.h"
#include "config/config.h"
#include "engine/activation.h"
#include "engine/private.h"
#include "model/product.h"
#include "pg.h"

struct activation_facts;
struct actor;
struct db;
struct device;

#define MAC "94A9902C84B8"
#define UUID "e2314aed-0a16-43f0-8128-766fbd3207f2"
#define OTHER_UUID "36c98363-3656-43cb-a00f-8bced2391a90"

/* A worker is its connection here. */
struct worker {
	struct db *db;
};

extern struct worker worker;
extern struct engine engine;
extern struct config config;
extern char uri[PG_URI_SIZE];
extern const struct actor alice;
extern struct err err;
extern int64_t lamp;

void must(bool ok);
void assert_err(bool ok, enum err_kind kind, const char *part);
void assert_number(const char *sql, int64_t expected);
int64_t make_product(const char *key, enum identity_policy identity);
int activation_scene_setup(void **state);
int activation_scene_teardown(void **state);
struct activation_facts facts_of(const char *mac, const char *uuid);
struct activation begin(const char *mac, const char *uuid);
bool confirm(const char *code, int64_t product, const char *nick, struct device *out);

#endif
