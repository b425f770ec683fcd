/* Inside the native dialect only: the external MQTT gateway of a product. */
#ifndef DIALECT_NATIVE_GATEWAY_H
#define DIALECT_NATIVE_GATEWAY_H

#include "http/server.h"

/* workers */
http_handler native_gateway_get;
http_handler native_gateway_put;
http_handler native_gateway_remove;

#endif
