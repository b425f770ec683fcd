/* Inside engine/ only: the state behind engine/revocation.h. */
#ifndef ENGINE_TELLER_H
#define ENGINE_TELLER_H

struct teller;

struct teller *teller_new(void); /* NULL: out of memory */
void teller_free(struct teller **teller);

#endif
