/* Inside the oc dialect: its handlers, for the route table in oc.c. */
#ifndef DIALECT_OC_ROUTES_H
#define DIALECT_OC_ROUTES_H

#include "http/server.h"

extern const struct http_upload oc_upload;
http_handler oc_login, oc_enable, oc_assign, oc_assignments, oc_unassign, oc_list, oc_delete; /* oc_operator.c */
http_handler oc_poll, oc_micro;                                                               /* oc_device.c */

#endif
