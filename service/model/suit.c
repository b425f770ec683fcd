#include "model/suit.h"

#include <string.h>

#include "model/decide.h"
#include "model/image.h"
#include "model/reason.h"
#include "model/told.h"
#include "model/version.h"

/* As ESP-IDF numbers them. */
enum { TYPE_APP = 0, SLOT_FIRST = 16, SLOT_LAST = 31 };

/* A rule: does it refuse? It may note what it compared. */
typedef bool rule(const struct device_facts *facts, const struct candidate *c, struct reason *why);

static bool is_unread(const struct device_facts *facts, const struct candidate *c, struct reason *why)
{
	(void)c;
	(void)why;
	return !facts->board->told->read;
}

static bool runs_the_image(const struct device_facts *facts, const struct candidate *c, struct reason *why)
{
	const struct told *told = facts->board->told;
	const uint8_t *elf = c->firmware ? image_elf(&c->firmware->image) : NULL;
	(void)why;
	return elf && told->has_elf && memcmp(elf, told->elf_sha256, sizeof told->elf_sha256) == 0;
}

static bool is_unbound(const struct device_facts *facts, const struct candidate *c, struct reason *why)
{
	(void)why;
	return !facts->board->bound && !facts->board->forced_fix && !(c->needs && c->needs->unbound_updates);
}

static bool is_switched_off(const struct device_facts *facts, const struct candidate *c, struct reason *why)
{
	(void)c;
	(void)why;
	return !facts->board->auto_update && !facts->board->forced_fix;
}

static bool is_no_image(const struct device_facts *facts, const struct candidate *c, struct reason *why)
{
	(void)facts;
	(void)why;
	return !c->firmware || !*c->firmware->image.chip;
}

static bool lists(const struct product_needs *needs, const char *board)
{
	if (!*board) {
		return false;
	}
	bool found = needs->key && strcmp(needs->key, board) == 0;
	for (size_t i = 0; i < needs->board_count && !found; i++) {
		found = strcmp(needs->boards[i], board) == 0;
	}
	return found;
}

static bool is_other_board(const struct device_facts *facts, const struct candidate *c, struct reason *why)
{
	const struct told *told = facts->board->told;
	why->has.text = *told->board_name ? told->board_name : told->board_type;
	why->wants.text = c->needs && c->needs->key ? c->needs->key : "";
	return !c->needs || (!lists(c->needs, told->board_name) && !lists(c->needs, told->board_type));
}

static bool has_odd_version(const struct device_facts *facts, const struct candidate *c, struct reason *why)
{
	(void)c;
	why->has.text = facts->version;
	return !version_is_dotted(facts->version);
}

static bool has_odd_image(const struct device_facts *facts, const struct candidate *c, struct reason *why)
{
	(void)facts;
	why->wants.text = c->firmware->image.version;
	return !version_is_dotted(c->firmware->image.version);
}

static bool is_other_chip(const struct device_facts *facts, const struct candidate *c, struct reason *why)
{
	why->has.text = facts->board->told->chip;
	why->wants.text = c->firmware->image.chip;
	return strcmp(facts->board->told->chip, c->firmware->image.chip) != 0;
}

static const struct told_partition *slot(const struct told *told, int subtype)
{
	for (size_t i = 0; i < told->partition_count; i++) {
		const struct told_partition *p = &told->partitions[i];
		if (p->type == TYPE_APP && p->subtype == subtype) {
			return p;
		}
	}
	return NULL;
}

static bool has_no_slots(const struct device_facts *facts, const struct candidate *c, struct reason *why)
{
	(void)c;
	(void)why;
	return !slot(facts->board->told, SLOT_FIRST) || !slot(facts->board->told, SLOT_FIRST + 1);
}

/* The slot that an update goes into, as ESP-IDF chooses it: the next after the one that runs, else the first. It is not known which one
 * runs: the smallest. */
static const struct told_partition *target(const struct told *told)
{
	const struct told_partition *running = *told->slot ? told_find(told, told->slot) : NULL;
	const struct told_partition *found = slot(told, SLOT_FIRST);
	bool known = running && running->type == TYPE_APP;
	int from = known && running->subtype >= SLOT_FIRST ? running->subtype + 1 : SLOT_FIRST;
	for (int subtype = from; subtype <= SLOT_LAST; subtype++) {
		const struct told_partition *p = slot(told, subtype);
		if (p && known) {
			return p;
		}
		found = p && (!found || p->size < found->size) ? p : found;
	}
	return found;
}

static bool is_too_large(const struct device_facts *facts, const struct candidate *c, struct reason *why)
{
	why->has.number = target(facts->board->told)->size;
	why->wants.number = c->firmware->artifact.size;
	return why->wants.number > why->has.number;
}

static bool lacks_a_partition(const struct device_facts *facts, const struct candidate *c, struct reason *why)
{
	for (size_t i = 0; i < c->needs->partition_count; i++) {
		why->wants.text = c->needs->partitions[i];
		if (!told_find(facts->board->told, c->needs->partitions[i])) {
			return true;
		}
	}
	return false;
}

static bool is_not_newer(const struct device_facts *facts, const struct candidate *c, struct reason *why)
{
	why->has.text = facts->version;
	why->wants.text = c->firmware->image.version;
	return version_compare(c->firmware->image.version, facts->version) <= 0;
}

/* In the order in which they are asked: each may rely on those before it. */
static const struct {
	rule *refuses;
	enum reason_id id;
} rules[] = {
	{is_unread, REASON_UNREAD},
	{runs_the_image, REASON_ON_TARGET},
	{is_unbound, REASON_UNBOUND},
	{is_switched_off, REASON_AUTO_UPDATE_OFF},
	{is_no_image, REASON_NO_IMAGE},
	{is_other_board, REASON_OTHER_BOARD},
	{has_odd_version, REASON_ODD_VERSION},
	{has_odd_image, REASON_ODD_IMAGE},
	{is_other_chip, REASON_OTHER_CHIP},
	{has_no_slots, REASON_NO_SLOTS},
	{is_too_large, REASON_SLOT_TOO_SMALL},
	{lacks_a_partition, REASON_NO_PARTITION},
	{is_not_newer, REASON_NOT_NEWER},
};

enum suit suit_judge(const struct device_facts *facts, const struct candidate *c, struct reason *why)
{
	for (size_t i = 0; i < sizeof rules / sizeof *rules; i++) {
		*why = (struct reason){.id = rules[i].id, .number = c->rollout_id};
		if (rules[i].refuses(facts, c, why)) {
			bool forced = rules[i].id == REASON_NOT_NEWER && c->push && c->kind == CANDIDATE_TASK;
			return forced ? SUIT_FORCE : SUIT_REFUSED;
		}
	}
	return SUIT_OFFER;
}
