/* Inside the native dialect only: what a product has one of at most, under its path, made and replaced by PUT: the conditions on revisions
 * and the shape of the answers, the same for all. */
#ifndef DIALECT_NATIVE_SINGLE_H
#define DIALECT_NATIVE_SINGLE_H

#include <stdbool.h>
#include <stdint.h>

struct buf;
struct err;
struct http_request;
struct worker;

/* The revision that is there. ERR_NOT_FOUND: there is none. */
typedef bool native_single_find(struct worker *w, int64_t product_id, int64_t *rev, struct err *err);

/* One request. */
struct native_single {
	native_single_find *find;
	int64_t product_id;
	int64_t rev; /* that a write must find, by If-Match; 0 = any, also none */
	bool stale;  /* what If-Match named is there no more */
};

/* The product of the path into product_id; parameters are refused. */
bool native_single_product(const struct http_request *req, struct native_single *single, struct err *err);

/* Reads If-Match; false: it names another revision than the one that is there, or that cannot be told. */
bool native_single_expect(const struct http_request *req, struct worker *w, struct native_single *single, struct err *err);

/* Replies: the row, with its ETag, 304 where that is known; a refusal, 412 where the condition is what failed. */
void native_single_reply(struct http_request *req, int status, int64_t rev, const struct buf *row);
void native_single_refuse(struct http_request *req, struct worker *w, const struct native_single *single, const struct err *err);

#endif
