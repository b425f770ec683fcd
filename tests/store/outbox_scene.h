/* A replica whose outbox is claimed by hand. */
#ifndef TESTS_STORE_OUTBOX_SCENE_H
#define TESTS_STORE_OUTBOX_SCENE_H

#include <stdint.h>

#include "site.h"

extern struct replica *r;

int outbox_scene_start(void **state);
int outbox_scene_stop(void **state);
void make_due(int64_t task);

/* Claims everything that is due; answers how often the task was among it. */
int claim(struct replica *by, int64_t task, int64_t *attempt);

#endif
