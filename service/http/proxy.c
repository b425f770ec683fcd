#include "http/proxy.h"

#include <arpa/inet.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "common/err.h"
#include "common/scoped.h"
#include "common/text.h"

/* All addresses are kept as IPv6; IPv4 ones in the mapped form, so that both spellings are one. */
struct block {
	struct in6_addr address;
	unsigned bits;
};

struct http_proxies {
	size_t count;
	struct block block[];
};

static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff};

static void map(struct in6_addr *out, const struct in_addr *in)
{
	memcpy(out->s6_addr, mapped, sizeof(mapped));
	memcpy(out->s6_addr + sizeof(mapped), in, sizeof(*in));
}

static bool is_mapped(const struct in6_addr *a)
{
	return memcmp(a->s6_addr, mapped, sizeof(mapped)) == 0;
}

static bool parse_address(const char *text, struct in6_addr *out)
{
	struct in_addr v4;
	if (inet_pton(AF_INET, text, &v4) == 1) {
		map(out, &v4);
		return true;
	}
	return inet_pton(AF_INET6, text, out) == 1;
}

static bool parse_block(char *text, struct block *out)
{
	char *slash = strchr(text, '/');
	if (slash) {
		*slash++ = '\0';
	}
	if (!parse_address(text, &out->address)) {
		return false;
	}
	unsigned offset = is_mapped(&out->address) && !strchr(text, ':') ? 96 : 0;
	uint64_t bits = 128 - offset;
	if (slash && (!text_to_u64(slash, &bits) || bits > 128 - offset)) {
		return false;
	}
	out->bits = (unsigned)bits + offset;
	return true;
}

static char *trim(char *s)
{
	s += strspn(s, " \t");
	size_t len = strlen(s);
	while (len && strchr(" \t", s[len - 1])) {
		len--;
	}
	s[len] = '\0';
	return s;
}

static const char separators[] = ", \t";

struct http_proxies *http_proxy_new(const char *list, struct err *err)
{
	size_t max = 1;
	for (const char *s = list; *s; s++) {
		max += strchr(separators, *s) != NULL;
	}
	scoped_free char *copy = strdup(list);
	struct http_proxies *proxies = calloc(1, sizeof(*proxies) + max * sizeof(proxies->block[0]));
	if (!copy || !proxies) {
		err_set(err, ERR_INTERNAL, "Out of memory.");
		goto fail;
	}
	char *rest = copy;
	for (char *item = strsep(&rest, separators); item; item = strsep(&rest, separators)) {
		char shown[64];
		strncpy(shown, item, sizeof(shown) - 1);
		shown[sizeof(shown) - 1] = '\0';
		if (*item && !parse_block(item, &proxies->block[proxies->count++])) {
			err_set(err, ERR_INVALID, "\"%s\" is neither an address nor a CIDR block (10.0.0.0/8, 2001:db8::/32).", shown);
			goto fail;
		}
	}
	return proxies;
fail:
	free(proxies);
	return NULL;
}

void http_proxy_free(struct http_proxies **proxies)
{
	free(*proxies);
	*proxies = NULL;
}

static bool within(const struct block *b, const struct in6_addr *a)
{
	unsigned bytes = b->bits / 8;
	unsigned rest = b->bits % 8;
	if (memcmp(b->address.s6_addr, a->s6_addr, bytes) != 0) {
		return false;
	}
	return rest == 0 || ((b->address.s6_addr[bytes] ^ a->s6_addr[bytes]) >> (8 - rest)) == 0;
}

static bool trusted(const struct http_proxies *proxies, const struct in6_addr *a)
{
	for (size_t i = 0; i < proxies->count; i++) {
		if (within(&proxies->block[i], a)) {
			return true;
		}
	}
	return false;
}

static bool from_sockaddr(const struct sockaddr *address, struct in6_addr *out)
{
	if (address->sa_family == AF_INET) {
		struct sockaddr_in in;
		memcpy(&in, address, sizeof(in));
		map(out, &in.sin_addr);
		return true;
	}
	struct sockaddr_in6 in6;
	memcpy(&in6, address, sizeof(in6));
	*out = in6.sin6_addr;
	return address->sa_family == AF_INET6;
}

/* What inet_ntop() does by sprintf(), for every request. */
static void print_v4(const uint8_t *byte, char *out)
{
	for (int i = 0; i < 4; i++) {
		if (byte[i] >= 100) {
			*out++ = (char)('0' + byte[i] / 100);
		}
		if (byte[i] >= 10) {
			*out++ = (char)('0' + byte[i] / 10 % 10);
		}
		*out++ = (char)('0' + byte[i] % 10);
		*out++ = i < 3 ? '.' : '\0';
	}
}

static void print(const struct in6_addr *a, char out[HTTP_PEER_SIZE])
{
	if (is_mapped(a)) {
		print_v4(a->s6_addr + sizeof(mapped), out);
	} else {
		inet_ntop(AF_INET6, a, out, HTTP_PEER_SIZE);
	}
}

bool http_proxy_trusted(const struct http_proxies *proxies, const struct sockaddr *address)
{
	struct in6_addr a;
	return proxies->count && from_sockaddr(address, &a) && trusted(proxies, &a);
}

/* Takes the last item off list (whose length is *len); some proxies write [v6] and host:port. */
static bool last_item(const char *list, size_t *len, struct in6_addr *out)
{
	size_t end = *len;
	size_t start = end;
	while (start && list[start - 1] != ',') {
		start--;
	}
	*len = start ? start - 1 : 0;
	char item[64];
	if (end - start >= sizeof(item)) {
		return false;
	}
	memcpy(item, list + start, end - start);
	item[end - start] = '\0';
	char *text = trim(item);
	if (*text == '[') {
		text++;
		text[strcspn(text, "]")] = '\0';
	} else if (strchr(text, '.') && strchr(text, ':') == strrchr(text, ':')) {
		text[strcspn(text, ":")] = '\0'; /* at most one colon: no IPv6 */
	}
	return parse_address(text, out);
}

void http_proxy_client(const struct http_proxies *proxies, const struct sockaddr *address, const char *forwarded, char out[HTTP_PEER_SIZE])
{
	struct in6_addr peer;
	if (!from_sockaddr(address, &peer)) {
		memcpy(out, "unknown", sizeof("unknown"));
		return;
	}
	size_t len = forwarded ? strlen(forwarded) : 0;
	struct in6_addr next;
	while (len && trusted(proxies, &peer) && last_item(forwarded, &len, &next)) {
		peer = next;
	}
	print(&peer, out);
}
