/* A Xiaozhi check as it stands in corpus/xiaozhi_check/: a request line, headers, an empty line, the body. For fuzzing and unit tests. */
#ifndef FUZZ_XIAOZHI_REQUEST_H
#define FUZZ_XIAOZHI_REQUEST_H

#include <stddef.h>

struct xiaozhi_headers;

/* Takes text (NUL-terminated at text[len]) apart in place; headers point into it, unknown ones are skipped. Returns the body. */
const char *xiaozhi_request_split(char *text, size_t len, struct xiaozhi_headers *headers, size_t *body_len);

#endif
