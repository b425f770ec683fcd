/* Inside the native dialect only: the voice back end of a product's devices. */
#ifndef DIALECT_NATIVE_VOICE_H
#define DIALECT_NATIVE_VOICE_H

#include "http/server.h"

/* workers */
http_handler native_voice_get;
http_handler native_voice_put;
http_handler native_voice_remove;

#endif
