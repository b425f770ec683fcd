/* External MQTT gateways: where a product's devices connect, when not at our own broker. Pure. */
#ifndef MODEL_GATEWAY_H
#define MODEL_GATEWAY_H

#include <stdbool.h>
#include <stdint.h>

struct err;

enum { ENDPOINT_SIZE = 256, GATEWAY_KEY_SIZE = 257 };

struct gateway {
	int64_t product_id;
	char endpoint[ENDPOINT_SIZE]; /* host or host:port */
	int64_t rev;
	int64_t created_ms;
	int64_t updated_ms;
};

/* What devices can parse: a host name or IPv4 address, with or without a decimal port. A scheme, a path, an IPv6 address or a port that is
 * no number would make them reboot without end; the sentence says which of it. */
bool gateway_check_endpoint(const char *endpoint, struct err *err);

/* 1 to 256 bytes of printable UTF-8; the sentence does not show it. */
bool gateway_check_key(const char *key, struct err *err);

#endif
