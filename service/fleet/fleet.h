/* The snapshot: what a poll, a download or a token check must know, in memory, kept true by the change feed (fleet/feed.h) and by this
 * replica's own commits. Its devices, firmware, orders and tokens: fleet/fleet_device.h, fleet_firmware.h, fleet_order.h, fleet_token.h.
 *
 * Readers take fleet_read() and may keep the pointers they get until fleet_done(); they must be short and must not block. One writer at a
 * time (the feed's thread, or the group commit right after its commit), between fleet_write() and fleet_done(): all that puts, sets,
 * drops, learns or revokes. Rows carry a revision: an older one never overwrites a newer one, and what has ended does not come back.
 */
#ifndef FLEET_FLEET_H
#define FLEET_FLEET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct digest_key;
struct fix;           /* model/fix.h */
struct fleet_product; /* fleet/products.h */
struct product;       /* model/product.h */
struct ranges;        /* fleet/ranges.h */
struct ranges_edit;   /* fleet/ranges_table.h */
struct roster;        /* fleet/roster.h */
struct standings;     /* fleet/standings.h */
struct voice;         /* model/voice.h */
struct voice_means;   /* model/gateway.h */
struct fleet;

/* alias_key signs the file names of offers; push_ttl_ms bounds how long the alias of a push lives. Both must outlive the fleet. */
struct fleet *fleet_new(const struct digest_key *alias_key, int64_t push_ttl_ms);
void fleet_free(struct fleet **fleet);

void fleet_read(struct fleet *fleet);
void fleet_write(struct fleet *fleet);
void fleet_done(struct fleet *fleet);

/* --- readers --- */
size_t fleet_product_count(const struct fleet *fleet);
const struct fleet_product *fleet_product(const struct fleet *fleet, int64_t id);
/* products_auto_register() */
const struct fleet_product *fleet_auto_register(const struct fleet *fleet);
/* Whose board is it, by its name or else its type ("" = not told)? NULL: nobody's. */
const struct fleet_product *fleet_product_of_board(const struct fleet *fleet, const char *board_name, const char *board_type);
/* Must this firmware go, whatever else stands against an update? */
bool fleet_is_forced_fix(const struct fleet *fleet, const char *version, const char *board_name, const char *board_type);
const struct standings *fleet_standings(const struct fleet *fleet);
/* Which devices the rollouts are for. A rollout is for the whole product only where neither these nor its `named` say otherwise. */
const struct ranges *fleet_ranges(const struct fleet *fleet);
/* Changes with whatever decides which ranked rollout stands above the others. */
uint64_t fleet_files_stamp(const struct fleet *fleet);
const struct roster *fleet_roster(const struct fleet *fleet);

/* --- writers --- */
bool fleet_put_product(struct fleet *fleet, const struct product *product, const struct voice *voice, const struct voice_means *means);
void fleet_drop_product(struct fleet *fleet, int64_t id);
bool fleet_put_fix(struct fleet *fleet, const struct fix *fix);
void fleet_drop_fix(struct fleet *fleet, int64_t id);
/* The edit that was made of fleet_ranges(), on this thread and off the lock. A rollout that has none any more is for nobody until its row
 * says so too: ranges and stages that were written together come one after the other. */
void fleet_put_ranges(struct fleet *fleet, struct ranges_edit *edit);

/* Forgets all but devices and tokens, also revisions and what was revoked: the database has another history (a restored backup). A full
 * load follows. */
void fleet_forget(struct fleet *fleet);

/* A full load: begin starts a new generation; everything put from then on is kept, end drops the rest. */
void fleet_load_begin(struct fleet *fleet);
void fleet_load_end(struct fleet *fleet);

#endif
