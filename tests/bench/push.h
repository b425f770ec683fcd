/* The two publishers of the push bar. */
#ifndef BENCH_PUSH_H
#define BENCH_PUSH_H

struct dispatch_message;

/* Publishes `count` pushes by bare Paho over MQTT 5 at QoS 1, `window` at once: PREFIX1 ... PREFIXn get what `like` says. Prints "begin
 * NS", and "done" after the last PUBACK. */
void push_bare(int port, const char *prefix, long count, long window, struct dispatch_message *like);

#endif
