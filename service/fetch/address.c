#include "fetch/address.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "common/err.h"

/* The first that fits counts. what: why it is refused; NULL: an IPv4 address begins at byte `carries`, which is judged instead. */
struct block {
	uint8_t address[16];
	unsigned bits;
	const char *what;
	unsigned carries;
};

static const struct block blocks4[] = {
	{{0}, 8, "unspecified", 0},
	{{127}, 8, "loopback", 0},
	{{169, 254}, 16, "link-local", 0},
	{{224}, 4, "multicast", 0},
	{{255, 255, 255, 255}, 32, "broadcast", 0},
	{{240}, 4, "reserved", 0},
	{{192, 0, 0}, 24, "reserved", 0},
	{{100, 100, 100, 200}, 32, "a cloud's metadata service", 0},
	{{168, 63, 129, 16}, 32, "a cloud's metadata service", 0},
};

static const struct block blocks6[] = {
	{{0}, 128, "unspecified", 0},
	{{[15] = 1}, 128, "loopback", 0},
	{{0}, 96, "reserved", 0},                                               /* IPv4-compatible, of old */
	{{[10] = 0xff, [11] = 0xff}, 96, NULL, 12},                             /* mapped */
	{{[8] = 0xff, [9] = 0xff}, 96, NULL, 12},                               /* translated */
	{{0x00, 0x64, 0xff, 0x9b}, 96, NULL, 12},                               /* NAT64 */
	{{0x00, 0x64, 0xff, 0x9b, 0x00, 0x01}, 48, "of a local translator", 0}, /* where in it the IPv4 address stands only that knows */
	{{0x20, 0x02}, 16, NULL, 2},                                            /* 6to4 */
	{{0x20, 0x01}, 32, "of a tunnel (Teredo)", 0},
	{{0xfe, 0x80}, 10, "link-local", 0},
	{{0xff}, 8, "multicast", 0},
	{{0xfd, 0x00, 0x0e, 0xc2, [15] = 0xfe}, 112, "a cloud's metadata service", 0},
	{{0xfd, 0x20, 0x00, 0xce, [15] = 0xfe}, 112, "a cloud's metadata service", 0},
};

static bool is_in(const uint8_t *address, const struct block *b)
{
	unsigned whole = b->bits / 8;
	unsigned rest = b->bits % 8;
	if (memcmp(address, b->address, whole) != 0) {
		return false;
	}
	return rest == 0 || ((address[whole] ^ b->address[whole]) >> (8 - rest)) == 0;
}

static const char *judge(const uint8_t *address, const struct block *blocks, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		if (is_in(address, &blocks[i])) {
			const struct block *b = &blocks[i];
			return b->what ? b->what : judge(address + b->carries, blocks4, sizeof blocks4 / sizeof *blocks4);
		}
	}
	return NULL;
}

bool address_check(const struct sockaddr *address, struct err *err)
{
	char text[INET6_ADDRSTRLEN] = "";
	const char *what = "of a kind that is not fetched from";
	if (address->sa_family == AF_INET) {
		struct sockaddr_in in;
		memcpy(&in, address, sizeof in);
		inet_ntop(AF_INET, &in.sin_addr, text, sizeof text);
		uint8_t bytes[4];
		memcpy(bytes, &in.sin_addr, sizeof bytes);
		what = judge(bytes, blocks4, sizeof blocks4 / sizeof *blocks4);
	} else if (address->sa_family == AF_INET6) {
		struct sockaddr_in6 in;
		memcpy(&in, address, sizeof in);
		inet_ntop(AF_INET6, &in.sin6_addr, text, sizeof text);
		what = judge(in.sin6_addr.s6_addr, blocks6, sizeof blocks6 / sizeof *blocks6);
	}
	return !what || err_set(err, ERR_DENIED, "the host's address %s is %s: such addresses are never fetched from", text, what);
}
