/* Scope-bound cleanup: `scoped_free char *s = strdup(x);` frees s when the scope ends. Use steal(&s) to hand it out. */
#ifndef COMMON_SCOPED_H
#define COMMON_SCOPED_H

#include <stdlib.h>
#include <unistd.h>

#define scoped(fn) __attribute__((cleanup(fn)))

static inline void scoped_free_(void *p)
{
	free(*(void **)p);
}
static inline void scoped_close_(const int *fd)
{
	if (*fd >= 0) {
		close(*fd);
	}
}

#define scoped_free scoped(scoped_free_)
#define scoped_close scoped(scoped_close_)

/* Takes the pointer out of a scoped variable, which is NULL from then on. */
#define steal(pp)                                  \
	__extension__({                            \
		__typeof__(*(pp)) stolen_ = *(pp); \
		*(pp) = NULL;                      \
		stolen_;                           \
	})

static inline int steal_fd(int *fd)
{
	int out = *fd;
	*fd = -1;
	return out;
}

#endif
