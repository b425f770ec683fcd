/* A device's download: whole or in parts, at full speed or drop by drop, tried again where that may help, verified. */
#ifndef SIM_FETCH_H
#define SIM_FETCH_H

#include <openssl/types.h>
#include <stdbool.h>
#include <stdint.h>

#include "http.h"
#include "loop.h"

struct device;

/* What a push or a poll offers; "" and 0 = not said. */
struct offer {
	char task[32];
	char version[129];
	char file[129];
	char md5[33];
	char sha256[65];
	char component[65];
	char url[512];
	uint64_t size;
	bool polled; /* found by a poll, not pushed */
};

struct fetch {
	struct http_call call;
	struct loop_timer retry;
	struct loop_timer wake; /* of a slow reader */
	int64_t next_us;        /* when it may take the next chunk, monotonic */
	EVP_MD_CTX *md5;
	EVP_MD_CTX *sha256; /* only if the push names one */
	uint64_t received;
	uint64_t total;      /* 0 = not known yet */
	uint64_t asked_from; /* where the present request starts */
	bool in_parts;
	int64_t attempts;
	int64_t started; /* monotonic ms */
	int told;        /* the last progress step reported */
};

/* Downloads what d->offer names; ends in DEVICE_FETCHED or DEVICE_FAILED, never before this returns unless there is no URL. */
void fetch_start(struct device *d);
void fetch_stop(struct device *d);

#endif
