/* Files by chunks, for devices without HTTP: a request is read by a worker, published at QoS 1, and its bytes are evidence once the broker
 * has acknowledged them. At most CHUNKS_EACH requests of a device and CHUNKS_ALL in all (16 MiB of bytes) are at work, at most half the
 * workers read for them; what comes beyond is dropped and counted: the device repeats it. A request leaves nothing behind when it is over.
 */
#ifndef MQTT_CHUNK_H
#define MQTT_CHUNK_H

struct chunks;
struct config;
struct engine;
struct err;
struct message;
struct message_dialect;
struct outbound;

enum { CHUNKS_EACH = 4, CHUNKS_ALL = 1024 };

/* All of these must outlive it. */
struct chunks *chunk_start(struct engine *engine, const struct message_dialect *dialect, struct outbound *outbound,
			   const struct config *config, struct err *err);

/* A device's request (MESSAGE_CHUNK). Never blocks. */
void chunk_take(struct chunks *chunks, const struct message *message);

/* Tells a device why there is no chunk. Never blocks. */
void chunk_refuse(struct chunks *chunks, const char *device, const struct err *why);

/* Takes no more, and drops what waits for a worker. The rest ends through outbound and the workers. */
void chunk_halt(struct chunks *chunks);

/* After outbound_halt() and the end of the link: waits for what the workers still read. */
void chunk_stop(struct chunks **chunks);

#endif
