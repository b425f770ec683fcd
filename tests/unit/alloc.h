/* Makes one allocation fail, wherever the linked rooms ask for one. Only with FAILING_ALLOCATIONS in CMakeLists.txt. */
#ifndef TESTS_ALLOC_H
#define TESTS_ALLOC_H

#include <stdbool.h>

/* The n-th allocation from now fails (1 = the next one), once. 0 = none. One thread. */
void alloc_fail_nth(unsigned n);

/* Whether the failure ordered last has happened. */
bool alloc_failed(void);

#endif
