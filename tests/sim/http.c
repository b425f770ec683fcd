#include "http.h"

#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>

#include "common/err.h"
#include "loop.h"

struct http {
	CURLM *multi;
	struct loop *loop;
	struct loop_timer timer;
	const char *cafile;
};

static void collect(struct http *http)
{
	int left;
	for (CURLMsg *msg; (msg = curl_multi_info_read(http->multi, &left));) {
		if (msg->msg != CURLMSG_DONE) {
			continue;
		}
		struct http_call *call = NULL;
		long status = 0;
		CURLcode result = msg->data.result; /* msg dies with the removal */
		curl_easy_getinfo(msg->easy_handle, CURLINFO_PRIVATE, &call);
		curl_easy_getinfo(msg->easy_handle, CURLINFO_RESPONSE_CODE, &status);
		curl_multi_remove_handle(http->multi, msg->easy_handle);
		call->running = false;
		call->done(call, result, status);
	}
}

static void on_timer(void *ctx)
{
	struct http *http = ctx;
	int running;
	curl_multi_socket_action(http->multi, CURL_SOCKET_TIMEOUT, 0, &running);
	collect(http);
}

static void on_ready(void *ctx, int fd, uint32_t events)
{
	struct http *http = ctx;
	int running;
	int mask = (events & EPOLLIN ? CURL_CSELECT_IN : 0) | (events & EPOLLOUT ? CURL_CSELECT_OUT : 0) |
		   (events & (EPOLLERR | EPOLLHUP) ? CURL_CSELECT_ERR : 0);
	curl_multi_socket_action(http->multi, fd, mask, &running);
	collect(http);
}

static int want_socket(CURL *easy, curl_socket_t fd, int what, void *ctx, void *unused)
{
	(void)easy;
	(void)unused;
	struct http *http = ctx;
	if (what == CURL_POLL_REMOVE) {
		loop_forget(http->loop, fd);
		return 0;
	}
	uint32_t events = (what & CURL_POLL_IN ? (uint32_t)EPOLLIN : 0) | (what & CURL_POLL_OUT ? (uint32_t)EPOLLOUT : 0);
	return loop_watch(http->loop, fd, events, on_ready, http) ? 0 : -1;
}

static int want_timer(CURLM *multi, long delay_ms, void *ctx)
{
	(void)multi;
	struct http *http = ctx;
	if (delay_ms < 0) {
		loop_disarm(http->loop, &http->timer);
	} else {
		loop_arm(http->loop, &http->timer, delay_ms);
	}
	return 0;
}

struct http *http_new(struct loop *loop, int64_t parallel, const char *cafile, struct err *err)
{
	struct http *http = calloc(1, sizeof *http);
	if (!http || curl_global_init(CURL_GLOBAL_DEFAULT) || !(http->multi = curl_multi_init())) {
		err_set(err, ERR_INTERNAL, "libcurl does not start");
		free(http);
		return NULL;
	}
	http->loop = loop;
	http->cafile = cafile;
	http->timer = (struct loop_timer){.fn = on_timer, .ctx = http};
	curl_multi_setopt(http->multi, CURLMOPT_SOCKETFUNCTION, want_socket);
	curl_multi_setopt(http->multi, CURLMOPT_SOCKETDATA, http);
	curl_multi_setopt(http->multi, CURLMOPT_TIMERFUNCTION, want_timer);
	curl_multi_setopt(http->multi, CURLMOPT_TIMERDATA, http);
	curl_multi_setopt(http->multi, CURLMOPT_MAX_TOTAL_CONNECTIONS, (long)parallel);
	curl_multi_setopt(http->multi, CURLMOPT_MAXCONNECTS, (long)parallel);
	return http;
}

void http_free(struct http **http)
{
	if (!*http) {
		return;
	}
	curl_multi_cleanup((*http)->multi);
	loop_disarm((*http)->loop, &(*http)->timer);
	curl_global_cleanup();
	free(*http);
	*http = NULL;
}

bool http_open(const struct http *http, struct http_call *call, const char *url)
{
	call->easy = curl_easy_init();
	if (!call->easy) {
		return false;
	}
	curl_easy_setopt(call->easy, CURLOPT_PRIVATE, call);
	curl_easy_setopt(call->easy, CURLOPT_ERRORBUFFER, call->why);
	curl_easy_setopt(call->easy, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(call->easy, CURLOPT_USERAGENT, "otad-sim");
	curl_easy_setopt(call->easy, CURLOPT_PROXY, ""); /* a device knows nothing of our environment's proxy */
	curl_easy_setopt(call->easy, CURLOPT_PROTOCOLS_STR, "http,https");
	curl_easy_setopt(call->easy, CURLOPT_CONNECTTIMEOUT_MS, 10000L);
	curl_easy_setopt(call->easy, CURLOPT_LOW_SPEED_LIMIT, 1L);
	curl_easy_setopt(call->easy, CURLOPT_LOW_SPEED_TIME, 60L);
	if (http->cafile) {
		curl_easy_setopt(call->easy, CURLOPT_CAINFO, http->cafile);
	}
	return curl_easy_setopt(call->easy, CURLOPT_URL, url) == CURLE_OK;
}

void http_start(struct http *http, struct http_call *call)
{
	call->running = true;
	call->why[0] = '\0';
	curl_multi_add_handle(http->multi, call->easy);
}

void http_close(struct http *http, struct http_call *call)
{
	if (call->running) {
		curl_multi_remove_handle(http->multi, call->easy);
		call->running = false;
	}
	curl_easy_cleanup(call->easy);
	call->easy = NULL;
}
