#include "dialect/native_single.h"

#include <stddef.h>

#include "common/buf.h"
#include "common/err.h"
#include "dialect/native_etag.h"
#include "dialect/native_noun.h"
#include "dialect/problem.h"
#include "http/reply.h"
#include "http/request.h"

bool native_single_product(const struct http_request *req, struct native_single *single, struct err *err)
{
	static const char *const none[] = {NULL};
	const char *segment = http_request_segment(req, "id");
	return http_query_only(req, none, err) && native_noun_parse_id(segment ? segment : "", &single->product_id, err);
}

bool native_single_expect(const struct http_request *req, struct worker *w, struct native_single *single, struct err *err)
{
	const char *if_match = http_request_header(req, "If-Match");
	if (!if_match) {
		return true;
	}
	if (!single->find(w, single->product_id, &single->rev, err)) {
		single->stale = err->kind == ERR_NOT_FOUND;
		return false;
	}
	single->stale = !native_etag_may_change(if_match, single->rev);
	return !single->stale || err_set(err, ERR_CONFLICT, "it was changed since you read it; read it again");
}

void native_single_reply(struct http_request *req, int status, int64_t rev, const struct buf *row)
{
	char etag[NATIVE_ETAG_SIZE];
	native_etag_make(etag, rev, row->data, row->len);
	http_reply_header(req, "ETag", etag);
	if (status == 200 && native_etag_is_fresh(http_request_header(req, "If-None-Match"), etag)) {
		http_reply(req, 304, NULL, NULL, 0);
		return;
	}
	http_reply(req, status, "application/json", row->data, row->len);
}

/* Has somebody else been faster? */
static bool is_outdated(struct worker *w, const struct native_single *single)
{
	int64_t now = 0;
	return !single->find(w, single->product_id, &now, NULL) || now != single->rev;
}

void native_single_refuse(struct http_request *req, struct worker *w, const struct native_single *single, const struct err *err)
{
	if (single->stale || (single->rev && err->kind == ERR_CONFLICT && is_outdated(w, single))) {
		problem_reply_as(req, 412, err);
	} else {
		problem_reply(req, err);
	}
}
