/* Inside the fog dialect: the answer to a device's check. Its clients have 2,048 bytes for it, and take no null for a text. */
#ifndef DIALECT_FOG_ANSWER_H
#define DIALECT_FOG_ANSWER_H

struct buf;
struct parts_answer;

enum { FOG_ANSWER_MAX = 2047, FOG_BASE_SIZE = 400 };

/* The envelope but for the brace that fog_send() closes it with. base: of our own URLs. Where both files do not fit into the answer, the
 * first one alone: the device asks again. A URL that no client could take is not offered; a version that is longer than clients take (an
 * upload's may be) is cut, for the device tells its own when it runs. */
void fog_answer(struct buf *out, const struct parts_answer *answer, const char *base);

#endif
