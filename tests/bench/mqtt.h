/* A device's side of MQTT 3.1.1, as little of it as a load needs: cheap enough that thousands of devices do not outweigh what is measured.
 */
#ifndef BENCH_MQTT_H
#define BENCH_MQTT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { MQTT_IN_SIZE = 4096, MQTT_OUT_SIZE = 32768 };

struct mqtt_peer {
	int fd;
	uint16_t last_id; /* of a packet of ours */
	size_t len;       /* bytes in `in` */
	uint8_t in[MQTT_IN_SIZE];
	size_t waiting; /* bytes in `out` */
	uint8_t *out;   /* NULL before the first publish */
};

struct mqtt_packet {
	uint8_t type; /* 3 PUBLISH, 4 PUBACK */
	uint16_t id;  /* 0 at QoS 0 */
	const char *topic;
	size_t topic_len;
	const char *payload;
	size_t payload_len;
};

/* Of a peer that login_open() has connected. Waits for the SUBACK. Before anything else is under way. */
void mqtt_subscribe(struct mqtt_peer *p, const char *filter, int qos);

/* QoS 1, sent with mqtt_flush() at the latest: many at once cost a load less. The PUBACK comes as a packet. Blocks while the socket is
 * full. */
void mqtt_publish(struct mqtt_peer *p, const char *topic, const char *payload);
void mqtt_flush(struct mqtt_peer *p);

/* Takes what the socket has, without waiting, and tells every whole packet; PUBLISHes are acknowledged before. */
typedef void mqtt_told(void *ctx, struct mqtt_peer *p, const struct mqtt_packet *packet);
void mqtt_receive(struct mqtt_peer *p, mqtt_told *told, void *ctx);

#endif
