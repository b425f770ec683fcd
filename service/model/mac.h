/* MAC addresses as people and devices write them. Pure. */
#ifndef MODEL_MAC_H
#define MODEL_MAC_H

#include <stdbool.h>

enum { MAC_SIZE = 13 };

/* "aa:bb:cc:dd:ee:ff", "AA-BB-CC-DD-EE-FF", "aabb.ccdd.eeff" or "aabbccddeeff", in any case -> 12 upper-case hex digits. One kind of
 * separator, groups of equal length. False (and out = "") on anything else. */
bool mac_parse(const char *text, char out[MAC_SIZE]);

#endif
