/* Inside the native dialect only: a noun is a row of functions, the verbs on it (list, get, create, update, delete) are the same for all.
 *
 * They bring the conventions: cursor pages, filters, unknown keys and parameters refused, ETag from the row's revision with If-Match and
 * If-None-Match, Idempotency-Key, 201 with Location, 204.
 */
#ifndef DIALECT_NATIVE_NOUN_H
#define DIALECT_NATIVE_NOUN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "model/file.h"
#include "model/fix.h"
#include "model/licence.h"
#include "model/listing.h"

struct buf;
struct cJSON;
struct engine;
struct err;
struct http_request;
struct worker;

/* Room for any row. All begin with their id. */
union native_row {
	int64_t id;
	struct product product;
	struct device device;
	struct licence_new licence;
	struct fix fix;
	struct firmware firmware;
	struct file file;
	struct assignment assignment;
	struct standing_row standing;
	struct task_row task;
	struct audit_row audit;
};

struct native_noun {
	size_t size;             /* of a row */
	size_t rev_offset;       /* where its int64_t revision is; 0 = it has none */
	const char *name_filter; /* the query parameter behind page->name, NULL = none */
	bool product_filter;     /* ?product= id or key */
	bool device_filter;      /* ?device= id or name */

	bool (*list)(struct worker *w, const struct page *page, void **out, size_t *count, struct err *err);
	/* by what stands in the path */
	bool (*find)(struct worker *w, const char *segment, union native_row *out, struct err *err);
	/* what of it stands in memory only, or NULL */
	void (*complete)(struct engine *e, void *row);
	/* one row as a JSON object */
	void (*put)(struct buf *out, const void *row);
	/* for GET of one: what it shows beyond the list, or NULL; "out" is inside the object */
	bool (*put_more)(struct worker *w, struct buf *out, const union native_row *row, struct err *err);
	/* for the answer to a creation (before NULL) or a change: what only that answer shows, or NULL */
	bool (*put_secret)(struct engine *e, struct buf *out, const union native_row *before, const union native_row *row, struct err *err);
	/* the body into a row: fresh, or the present one to be changed */
	bool (*decode)(const struct cJSON *body, bool fresh, union native_row *inout, struct err *err);
	bool (*create)(struct engine *e, struct worker *w, const struct actor *actor, union native_row *inout, struct err *err);
	bool (*update)(struct engine *e, struct worker *w, const struct actor *actor, union native_row *inout, int64_t rev,
		       struct err *err);
	bool (*remove)(struct engine *e, struct worker *w, const struct actor *actor, int64_t id, struct err *err);
};

extern const struct native_noun native_product;
extern const struct native_noun native_device;
extern const struct native_noun native_licence;
extern const struct native_noun native_fix;
extern const struct native_noun native_firmware;
extern const struct native_noun native_file;
extern const struct native_noun native_assignment;
extern const struct native_noun native_rollout;
extern const struct native_noun native_task;
extern const struct native_noun native_audit;

/* The verbs; each replies. */
void native_noun_list(struct http_request *req, struct worker *w, struct engine *e, const struct native_noun *noun);
void native_noun_get(struct http_request *req, struct worker *w, struct engine *e, const struct native_noun *noun);
void native_noun_create(struct http_request *req, struct worker *w, struct engine *e, const struct native_noun *noun);
void native_noun_update(struct http_request *req, struct worker *w, struct engine *e, const struct native_noun *noun);
void native_noun_remove(struct http_request *req, struct worker *w, struct engine *e, const struct native_noun *noun);

/* 200 with the row, as a change of it is answered; any thread. For nouns whose answers show nothing beyond it. */
void native_noun_reply(struct http_request *req, const struct native_noun *noun, const union native_row *row);

/* For the nouns: a path segment that must be an id (what is not one names nothing: ERR_NOT_FOUND), and JSON members. */
bool native_noun_parse_id(const char *segment, int64_t *out, struct err *err);
void native_noun_put_text(struct buf *out, const char *key, const char *value);         /* ,"key":"value" */
void native_noun_put_text_or_null(struct buf *out, const char *key, const char *value); /* "" -> null */
void native_noun_put_int(struct buf *out, const char *key, int64_t value);
void native_noun_put_bool(struct buf *out, const char *key, bool value);
void native_noun_put_time(struct buf *out, const char *key, int64_t wall_ms); /* 0 -> null */

#endif
