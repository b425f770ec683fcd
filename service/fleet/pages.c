#include "fleet/pages.h"

#include <stdint.h>
#include <sys/mman.h>

void *pages_new(size_t size, bool huge)
{
	char *all = mmap(NULL, size + PAGES_UNIT, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (all == MAP_FAILED) {
		return NULL;
	}
	size_t before = (PAGES_UNIT - (uintptr_t)all % PAGES_UNIT) % PAGES_UNIT; /* a huge page begins at a multiple of its size */
	char *at = all + before;
	if (before) {
		munmap(all, before);
	}
	munmap(at + size, PAGES_UNIT - before);
	if (huge) {
		madvise(at, size, MADV_HUGEPAGE); /* a system without them goes on without them */
	}
	return at;
}

void pages_free(void *at, size_t size)
{
	if (at) {
		munmap(at, size);
	}
}
