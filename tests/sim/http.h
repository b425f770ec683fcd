/* HTTP calls by libcurl's multi interface inside the loop. */
#ifndef SIM_HTTP_H
#define SIM_HTTP_H

#include <curl/curl.h>
#include <stdbool.h>
#include <stdint.h>

struct err;
struct http;
struct loop;

/* One call at a time on one easy handle, which may be used again. */
struct http_call {
	CURL *easy; /* NULL until http_open */
	bool running;
	void (*done)(struct http_call *call, CURLcode result, long status); /* status 0 if no answer came; may start the next call */
	void *ctx;
	char why[CURL_ERROR_SIZE]; /* libcurl's sentence on a failure */
};

/* At most `parallel` connections at once; further calls wait for one. cafile: CA certificates for https, NULL = the system's; it must live
 * as long. */
struct http *http_new(struct loop *loop, int64_t parallel, const char *cafile, struct err *err);
void http_free(struct http **http);

/* Makes the easy handle, with what every device's requests have in common. False when memory is out. */
bool http_open(const struct http *http, struct http_call *call, const char *url);

/* Starts the call; done() follows, never before this returns. */
void http_start(struct http *http, struct http_call *call);

/* Aborts the call if it runs (done is not called) and frees the handle. */
void http_close(struct http *http, struct http_call *call);

#endif
