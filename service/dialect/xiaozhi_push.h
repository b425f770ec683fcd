/* How a running Xiaozhi device is told to update, and what it answers (xiaozhi.md 7): point to point on devices/p2p/{mac_}, which it does
 * not subscribe to; answers come on the publish_topic that it was issued, device-server/{mac_}, among all else that it says there.
 */
#ifndef DIALECT_XIAOZHI_PUSH_H
#define DIALECT_XIAOZHI_PUSH_H

struct message_direct;

/* Answers of more bytes are not read. */
enum { XIAOZHI_PUSH_ANSWER_MAX = 1024 };

/* Static. */
extern const struct message_direct xiaozhi_push;

#endif
