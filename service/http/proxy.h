/* Trusted proxies: whose X-Forwarded-For counts. */
#ifndef HTTP_PROXY_H
#define HTTP_PROXY_H

#include <stdbool.h>
#include <stddef.h>

struct err;
struct http_proxies;
struct sockaddr;

enum { HTTP_PEER_SIZE = 46 };

/* Addresses and CIDR blocks, with commas or blanks between them; NULL and a sentence naming the bad item. An empty list trusts nobody. */
struct http_proxies *http_proxy_new(const char *list, struct err *err);
void http_proxy_free(struct http_proxies **proxies);

bool http_proxy_trusted(const struct http_proxies *proxies, const struct sockaddr *address);

/* The client behind a connection: its own address or, if that is a trusted proxy, the last address of forwarded (all X-Forwarded-For lines
 * joined by commas; NULL = none) that is not. A malformed item ends the search at the address before it. */
void http_proxy_client(const struct http_proxies *proxies, const struct sockaddr *address, const char *forwarded, char out[HTTP_PEER_SIZE]);

#endif
