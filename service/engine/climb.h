/* Pushes to devices that ask for firmware only when they boot (model/ladder.h): whether and how such a device can be reached now, and what
 * it answers. It subscribes to nothing: the broker hands it a message while it is connected, or nobody gets it.
 *
 * What was tried is kept where it must be: that a device was made to boot, in the database, as an event of its task, before it is told;
 * that it does not know the tool, in memory, so that another replica, or this one started again, asks it once more.
 */
#ifndef ENGINE_CLIMB_H
#define ENGINE_CLIMB_H

struct message_answer;
struct engine;

/* What a device answered (engine/message.h). What fits no live push of it is counted and ignored; the rest becomes a report, or the next
 * rung at once. Never blocks. */
void climb_answer(struct engine *engine, const struct message_answer *answer);

#endif
