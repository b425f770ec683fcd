/* Inside the native dialect only: many licences at once. */
#ifndef DIALECT_NATIVE_LICENCE_H
#define DIALECT_NATIVE_LICENCE_H

#include "http/server.h"

enum { NATIVE_LICENCE_IMPORT_MAX = 10 << 20 }; /* bytes of a file */

http_handler native_licence_import; /* worker */

#endif
