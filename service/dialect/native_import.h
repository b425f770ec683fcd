/* Inside the native dialect only: POST /api/v3/files/{id}/import. */
#ifndef DIALECT_NATIVE_IMPORT_H
#define DIALECT_NATIVE_IMPORT_H

#include "http/server.h"

http_handler native_file_import;

#endif
