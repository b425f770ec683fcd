/* What a kind of error means to HTTP: the one table. A dialect departs from it only where its protocol does. */
#ifndef HTTP_STATUS_H
#define HTTP_STATUS_H

#include "common/err.h"

/* 4xx: the client can do something about it; 5xx: we must, or it may try again. What is no kind of failure: 500. */
int http_status(enum err_kind kind);

#endif
