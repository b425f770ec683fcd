/* A Xiaozhi device reading the answer to its check, as its firmware does: with all the places where that ends in an abort, a crash or a
 * loop. Written from the protocol, not from the encoder. */
#ifndef TESTS_XIAOZHI_FIRMWARE_H
#define TESTS_XIAOZHI_FIRMWARE_H

#include <stdbool.h>
#include <stddef.h>

/* What the device does next. */
enum device_fate { DEVICE_GOES_ON, DEVICE_UPGRADES, DEVICE_HURT };

struct device_reading {
	enum device_fate fate;
	const char *hurt; /* why */
	bool has_activation;
	bool has_mqtt;
	bool has_websocket;
};

/* Which firmware reads. */
struct device_firmware {
	const char *version; /* what the device runs */
	bool texts_only;     /* up to 1.6.2: takes every value among the credentials for a text */
};
struct device_reading device_reads_as(const struct device_firmware *firmware, const char *answer, size_t len);

/* The same for firmware that takes numbers. own_version: what the device runs. */
struct device_reading device_reads(const char *answer, size_t len, const char *own_version);

#endif
