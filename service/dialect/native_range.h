/* Inside the native dialect only: which devices a rollout is for. */
#ifndef DIALECT_NATIVE_RANGE_H
#define DIALECT_NATIVE_RANGE_H

#include "http/server.h"

enum { NATIVE_RANGE_IMPORT_MAX = 40 << 20 }; /* bytes of a file: a million ranges with every separator there is */

/* workers' */
http_handler native_range_list;
http_handler native_range_import;
http_handler native_range_clear;
http_handler native_range_naming;

#endif
