/* Does an image suit the device that asks? The rules for devices that tell what board they are (protocols/xiaozhi.md 3, 8), one row each,
 * asked in the order of the table in suit.c. Pure. */
#ifndef MODEL_SUIT_H
#define MODEL_SUIT_H

#include <stdbool.h>

struct candidate;
struct device_facts;
struct reason;

enum suit {
	SUIT_REFUSED,
	SUIT_OFFER,
	SUIT_FORCE, /* a push that is not newer: the answer must say that it is forced */
};

/* facts->board must not be NULL. SUIT_REFUSED: *why says the first rule that refuses, with values that point into facts and candidate. */
enum suit suit_judge(const struct device_facts *facts, const struct candidate *candidate, struct reason *why);

#endif
