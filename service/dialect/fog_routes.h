/* Inside the fog dialect: its handlers, for the route table in fog.c. */
#ifndef DIALECT_FOG_ROUTES_H
#define DIALECT_FOG_ROUTES_H

#include "http/server.h"

http_handler fog_create, fog_list, fog_get, fog_edit, fog_delete; /* fog_files.c */
http_handler fog_no_product;
http_handler fog_check, fog_version; /* fog_device.c */

#endif
