/* Who is the client? Lines: trusted proxies, the peer's address, X-Forwarded-For. */
#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/err.h"
#include "common/scoped.h"
#include "fuzz.h"
#include "http/proxy.h"

union address {
	struct sockaddr any;
	struct sockaddr_in v4;
	struct sockaddr_in6 v6;
};

static bool parse(const char *text, union address *out)
{
	memset(out, 0, sizeof *out);
	if (inet_pton(AF_INET, text, &out->v4.sin_addr) == 1) {
		out->any.sa_family = AF_INET;
		return true;
	}
	out->any.sa_family = AF_INET6;
	return inet_pton(AF_INET6, text, &out->v6.sin6_addr) == 1;
}

/* The addresses in the list that read as the client found: the last items of it must be trusted proxies. */
static void check_chain(const struct http_proxies *proxies, const char *forwarded, const char *client)
{
	scoped_free char *copy = strdup(forwarded);
	for (;;) {
		char *comma = strrchr(copy, ',');
		char *item = comma ? comma + 1 : copy;
		char one[HTTP_PEER_SIZE];
		union address none = {.any = {.sa_family = AF_INET}};
		struct http_proxies *all = http_proxy_new("0.0.0.0/0,::/0", NULL);
		CHECK(all != NULL);
		http_proxy_client(all, &none.any, item, one); /* reads one item; 0.0.0.0 if it is none */
		http_proxy_free(&all);
		if (strcmp(one, client) == 0) {
			return;
		}
		union address a;
		CHECK(comma && parse(one, &a) && http_proxy_trusted(proxies, &a.any));
		*comma = '\0';
	}
}

static void check_client(const struct http_proxies *proxies, const union address *peer, const char *own, const char *forwarded)
{
	char client[HTTP_PEER_SIZE];
	char repeated[HTTP_PEER_SIZE];
	union address a;
	http_proxy_client(proxies, &peer->any, forwarded, client);
	CHECK(parse(client, &a));
	CHECK(http_proxy_trusted(proxies, &peer->any) || strcmp(client, own) == 0);
	if (strcmp(client, own) != 0) {
		check_chain(proxies, forwarded, client);
	}
	/* what a client writes in front changes nothing once an untrusted address was found */
	size_t size = strlen(forwarded) + 16;
	scoped_free char *longer = malloc(size);
	CHECK(longer != NULL);
	snprintf(longer, size, "198.51.100.7,%s", forwarded);
	http_proxy_client(proxies, &peer->any, longer, repeated);
	CHECK(http_proxy_trusted(proxies, &a.any) || strcmp(client, repeated) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fuzz_input in = {data, size};
	scoped_free char *list = fuzz_line(&in);
	scoped_free char *address = fuzz_line(&in);
	scoped_free char *forwarded = fuzz_line(&in);
	struct err err = {0};
	union address peer;
	char own[HTTP_PEER_SIZE];
	struct http_proxies *proxies = http_proxy_new(list, &err);
	if (!proxies) {
		CHECK(err.kind == ERR_INVALID && *err.text);
		return 0;
	}
	if (parse(address, &peer)) {
		http_proxy_client(proxies, &peer.any, NULL, own);
		CHECK(*own);
		check_client(proxies, &peer, own, forwarded);
	} else {
		peer.any.sa_family = AF_UNIX;
		http_proxy_client(proxies, &peer.any, forwarded, own);
		CHECK(strcmp(own, "unknown") == 0 && !http_proxy_trusted(proxies, &peer.any));
	}
	http_proxy_free(&proxies);
	return 0;
}
