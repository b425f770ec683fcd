/* Inside the oc dialect: its handlers, for the route table in oc.c. */
#ifndef DIALECT_OC_ROUTES_H
#define DIALECT_OC_ROUTES_H

#include <stdbool.h>
#include <stdint.h>

#include "http/server.h"

struct err;

extern const struct http_upload oc_upload;
http_handler oc_login, oc_enable, oc_assign, oc_assignments, oc_unassign, oc_list, oc_delete; /* oc_operator.c */
http_handler oc_standing_order, oc_standing_list, oc_standing_cancel;                         /* oc_standing.c */
http_handler oc_bind, oc_bound, oc_rename, oc_unbind;                                         /* oc_manage.c */
http_handler oc_poll, oc_micro;                                                               /* oc_device.c */

/* A query parameter that must be an id. */
bool oc_query_id(struct http_request *req, const char *name, int64_t *out, struct err *err);

#endif
