/* Inside the native dialect only: what operators do to live tasks, and why a device gets what it gets. */
#ifndef DIALECT_NATIVE_ORDER_H
#define DIALECT_NATIVE_ORDER_H

#include "http/server.h"

http_handler native_task_cancel;    /* worker */
http_handler native_device_explain; /* inline */

#endif
