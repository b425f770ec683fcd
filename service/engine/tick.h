/* Inside engine/ only: what happens by itself, with the passing of time. One thread, one connection. */
#ifndef ENGINE_TICK_H
#define ENGINE_TICK_H

struct engine;
struct err;
struct ticker;

struct ticker *ticker_start(struct engine *engine, struct err *err);

/* Ends the thread after a last round that leaves nothing in memory only. */
void ticker_stop(struct ticker **ticker);

#endif
