#include "engine/notes.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "common/err.h"
#include "common/log.h"
#include "common/map.h"
#include "common/scoped.h"
#include "common/text.h"
#include "engine/op.h"
#include "engine/private.h"
#include "fleet/feed.h"
#include "fleet/fleet.h"
#include "fleet/fleet_device.h"
#include "metrics/metrics.h"
#include "model/told.h"
#include "store/change.h"
#include "store/db.h"
#include "store/task.h"
#include "store/told.h"

enum { NOTES_MAX = 65536, FLUSH_MAX = 4096, WORDS_MAX = 4 };

/* What a component runs. */
struct word {
	struct word *next;
	char component[COMPONENT_SIZE];
	char version[VERSION_SIZE];
	bool evidence; /* it is a report's, with the rest of it: */
	bool booted;
	bool has_elf;
	uint8_t elf_sha256[32];
};

/* What is to be written of a device. */
struct note {
	int64_t device_id;
	uint64_t fingerprint;
	struct told *told;  /* told_keep(); NULL = no news of that */
	struct word *words; /* at most WORDS_MAX */
	bool flying;        /* a word is on its way through the group commit */
};

struct notes {
	pthread_mutex_t lock;
	struct map by_device; /* -> note */
};

struct notes *notes_new(void)
{
	struct notes *n = calloc(1, sizeof *n);
	if (n) {
		pthread_mutex_init(&n->lock, NULL);
	}
	return n;
}

static void free_words(struct word **words)
{
	for (struct word *w; (w = *words);) {
		*words = w->next;
		free(w);
	}
}

static void free_note(struct note *note)
{
	if (note) {
		free_words(&note->words);
		free(note->told);
		free(note);
	}
}

void notes_free(struct notes **np)
{
	struct notes *n = *np;
	if (!n) {
		return;
	}
	struct map_slot *slot;
	for (size_t i = 0; (slot = map_next(&n->by_device, &i));) {
		free_note(slot->value);
	}
	map_free(&n->by_device);
	pthread_mutex_destroy(&n->lock);
	free(n);
	*np = NULL;
}

/* --- noting --- */

/* The device's note, made if need be. NULL: full. With the lock. */
static struct note *note_of(struct notes *n, int64_t device_id)
{
	struct note *note = map_get(&n->by_device, (uint64_t)device_id);
	if (note) {
		return note;
	}
	note = n->by_device.count < NOTES_MAX ? calloc(1, sizeof *note) : NULL;
	if (!note || !map_put(&n->by_device, (uint64_t)device_id, note)) {
		free(note);
		metrics_add(METRIC_NOTES_DROPPED, 1);
		return NULL;
	}
	note->device_id = device_id;
	metrics_set(METRIC_NOTES_WAITING, (int64_t)n->by_device.count);
	return note;
}

static bool mark(struct engine *e, int64_t device_id, bool noted)
{
	fleet_read(e->fleet);
	const struct device_entry *device = fleet_device_by_id(e->fleet, device_id);
	bool passed = device && fleet_set_noted(device, noted);
	fleet_done(e->fleet);
	return passed;
}

/* Written: unless the device has told something else meanwhile, the rows are right again. True: one has been passed over, and is to be
 * read. */
static bool settle(struct engine *e, int64_t device_id)
{
	pthread_mutex_lock(&e->notes->lock);
	bool passed = !map_get(&e->notes->by_device, (uint64_t)device_id) && mark(e, device_id, false);
	pthread_mutex_unlock(&e->notes->lock);
	return passed;
}

static void count_coalesced(const struct note *note)
{
	metrics_add(METRIC_NOTES_COALESCED, note->words || note->told ? 1 : 0);
}

static struct word **find_word(struct note *note, const char *component)
{
	struct word **w = &note->words;
	while (*w && strcmp((*w)->component, component) != 0) {
		w = &(*w)->next;
	}
	return w;
}

/* The component's word in the device's note, each made if need be. NULL: full. With the lock. */
static struct word *word_of(struct notes *n, int64_t device_id, const char *component)
{
	size_t count = 0;
	struct note *note = note_of(n, device_id);
	struct word **found = note ? find_word(note, component) : NULL;
	for (const struct word *w = note ? note->words : NULL; w; w = w->next) {
		count++;
	}
	if (!note) {
		return NULL;
	}
	count_coalesced(note);
	if (!*found && count < WORDS_MAX) {
		*found = calloc(1, sizeof **found);
	}
	if (*found) {
		text_copy((*found)->component, sizeof(*found)->component, component);
	} else {
		metrics_add(METRIC_NOTES_DROPPED, 1);
	}
	return *found;
}

bool notes_put(struct engine *e, int64_t device_id, const char *component, const char *version)
{
	pthread_mutex_lock(&e->notes->lock);
	struct word *word = word_of(e->notes, device_id, component);
	if (word) {
		if (strcmp(word->version, version) != 0) {
			word->booted = false; /* of another version */
			word->has_elf = false;
		}
		text_copy(word->version, sizeof word->version, version);
		mark(e, device_id, true);
	}
	pthread_mutex_unlock(&e->notes->lock);
	if (word) {
		fleet_write(e->fleet);
		fleet_set_version(e->fleet, device_id, component, version);
		fleet_done(e->fleet);
	}
	return word != NULL;
}

void notes_pass(struct engine *e, int64_t device_id, const char *component, const char *version)
{
	fleet_read(e->fleet);
	const struct device_entry *device = fleet_device_by_id(e->fleet, device_id);
	bool noted = device && fleet_is_noted(device);
	fleet_done(e->fleet);
	if (noted && *version) {
		notes_put(e, device_id, component,
			  version); /* also where a flush has the older word in hand: this one is written after it */
	}
}

bool notes_put_told(struct engine *e, int64_t device_id, const struct told *told)
{
	uint64_t fingerprint = told_fingerprint(told);
	struct told *copy = told_keep(told);
	pthread_mutex_lock(&e->notes->lock);
	struct note *note = copy ? note_of(e->notes, device_id) : NULL;
	if (note) {
		count_coalesced(note);
		struct told *old = note->told;
		note->told = copy;
		note->fingerprint = fingerprint;
		copy = old;
		fleet_read(e->fleet); /* with the lock: the last one that is noted is the one that is shown */
		const struct device_entry *device = fleet_device_by_id(e->fleet, device_id);
		if (device) {
			fleet_set_noted(device, true);
			fleet_note_told(device, fingerprint);
		}
		fleet_done(e->fleet);
	}
	pthread_mutex_unlock(&e->notes->lock);
	free(copy);
	return note != NULL;
}

/* What a boot proved, and which build it was, a later word of the same version does not take back. */
static void put_evidence(struct word *word, const struct report *r)
{
	bool same = word->evidence && strcmp(word->version, r->version) == 0;
	word->booted = r->booted || (same && word->booted);
	if (r->has_elf || !same) {
		word->has_elf = r->has_elf;
		memcpy(word->elf_sha256, r->elf_sha256, sizeof word->elf_sha256);
	}
	word->evidence = true;
	text_copy(word->version, sizeof word->version, r->version);
}

bool notes_put_report(struct engine *e, const struct report *report)
{
	pthread_mutex_lock(&e->notes->lock);
	struct word *word = word_of(e->notes, report->device_id, report->component);
	if (word) {
		put_evidence(word, report);
		mark(e, report->device_id, true);
	}
	pthread_mutex_unlock(&e->notes->lock);
	return word != NULL;
}

/* --- writing --- */

static int by_device(const void *a, const void *b)
{
	const struct note *x = *(struct note *const *)a;
	const struct note *y = *(struct note *const *)b;
	return (x->device_id > y->device_id) - (x->device_id < y->device_id);
}

/* What one flush has in hand. */
struct flush {
	struct note *notes[FLUSH_MAX]; /* in the order of their devices */
	size_t count;
	bool more;
	int64_t ids[FLUSH_MAX]; /* of those a statement names */
	int64_t tasked[FLUSH_MAX];
	struct told_fact facts[FLUSH_MAX];
	struct version_fact versions[FLUSH_MAX * WORDS_MAX];
	size_t fact_count, version_count;
	int64_t position; /* of its change, once it is committed; 0 = none */
};

/* Takes some notes out. */
static void take(struct notes *n, struct flush *f)
{
	struct map_slot *slot;
	pthread_mutex_lock(&n->lock);
	for (size_t i = 0; f->count < FLUSH_MAX && (slot = map_next(&n->by_device, &i));) {
		f->notes[f->count++] = slot->value;
	}
	for (size_t i = 0; i < f->count; i++) {
		map_remove(&n->by_device, (uint64_t)f->notes[i]->device_id);
	}
	f->more = n->by_device.count > 0;
	metrics_set(METRIC_NOTES_WAITING, (int64_t)n->by_device.count);
	pthread_mutex_unlock(&n->lock);
	qsort(f->notes, f->count, sizeof *f->notes, by_device);
}

/* Not written: noted again, but for what the device has told anew meanwhile. Takes what the note holds, not the note. */
static void note_again(struct notes *n, struct note *old)
{
	pthread_mutex_lock(&n->lock);
	struct note *note = note_of(n, old->device_id);
	if (note && !note->told) {
		note->told = steal(&old->told);
		note->fingerprint = old->fingerprint;
	}
	for (struct word *w; (w = old->words);) {
		struct word **place = note ? find_word(note, w->component) : NULL;
		old->words = w->next;
		w->next = NULL;
		if (place && !*place) {
			*place = w;
		} else {
			free(w);
		}
	}
	pthread_mutex_unlock(&n->lock);
	free(steal(&old->told));
}

/* A word on its way through the group commit. */
struct flying {
	struct engine *engine;
	struct note note; /* of that word alone */
};

static void written(void *ctx, const struct err *err)
{
	struct flying *f = ctx;
	if (err) {
		note_again(f->engine->notes, &f->note);
	} else {
		metrics_add(METRIC_NOTES_WRITTEN, 1);
		settle(f->engine, f->note.device_id);
		free_words(&f->note.words);
	}
	free(f);
}

static void fill_report(int64_t device_id, const struct word *word, struct report *out)
{
	*out = (struct report){.kind = REPORT_VERSION, .device_id = device_id, .booted = word->booted, .has_elf = word->has_elf};
	memcpy(out->elf_sha256, word->elf_sha256, sizeof out->elf_sha256);
	text_copy(out->component, sizeof out->component, word->component);
	text_copy(out->version, sizeof out->version, word->version);
}

/* The note's word takes off as a report, or is noted again: it may concern a task, also be the late right one of a task that was given up.
 */
static bool submit(struct engine *e, struct note *note, struct word **word)
{
	struct note alone = {.device_id = note->device_id, .words = *word};
	struct flying *f = calloc(1, sizeof *f);
	struct op *op = f ? op_new(e, OP_REPORT) : NULL;
	*word = alone.words->next;
	alone.words->next = NULL;
	if (!op) {
		free(f);
		note_again(e->notes, &alone);
		return false;
	}
	*f = (struct flying){e, alone};
	op->device_id = alone.device_id;
	fill_report(alone.device_id, alone.words, &op->in.report);
	op->done.hear = written;
	op->done_ctx = f;
	if (!op_submit(op, NULL)) {
		free(f);
		note_again(e->notes, &alone);
		return false;
	}
	note->flying = true;
	return true;
}

static bool has_plain_word(const struct note *note)
{
	const struct word *w = note->words;
	while (w && w->evidence) {
		w = w->next;
	}
	return w != NULL;
}

/* What may concern a task goes its own way. */
static bool part_with_reports(struct engine *e, struct flush *f, struct db *db, struct err *err)
{
	size_t n = 0;
	size_t tasked = 0;
	bool room = true;
	for (size_t i = 0; i < f->count; i++) {
		if (has_plain_word(f->notes[i])) {
			f->ids[n++] = f->notes[i]->device_id;
		}
	}
	if (n && !store_devices_tasked(db, f->ids, n, f->tasked, &tasked, err)) {
		return false;
	}
	size_t at = 0;
	for (size_t i = 0; i < f->count; i++) {
		struct note *note = f->notes[i];
		while (at < tasked && f->tasked[at] < note->device_id) {
			at++;
		}
		bool concerns = at < tasked && f->tasked[at] == note->device_id;
		for (struct word **w = &note->words; *w;) {
			if (concerns || (*w)->evidence) {
				room = submit(e, note, w) && room;
			} else {
				w = &(*w)->next;
			}
		}
	}
	f->more = f->more && room;
	return true;
}

static void gather(struct flush *f)
{
	for (size_t i = 0; i < f->count; i++) {
		const struct note *note = f->notes[i];
		if (note->told) {
			f->facts[f->fact_count++] = (struct told_fact){note->device_id, note->fingerprint, note->told};
		}
		for (const struct word *w = note->words; w; w = w->next) {
			struct version_fact *v = &f->versions[f->version_count++];
			v->device_id = note->device_id;
			memcpy(v->component, w->component, sizeof v->component);
			memcpy(v->version, w->version, sizeof v->version);
		}
	}
}

static bool write_changes(struct flush *f, struct db *db, struct err *err)
{
	size_t n = 0;
	for (size_t i = 0; i < f->count; i++) {
		if (f->notes[i]->told || f->notes[i]->words) {
			f->ids[n++] = f->notes[i]->device_id;
		}
	}
	return !n || store_change(db, CHANGE_DEVICE, f->ids, n, false, &f->position, err);
}

/* One transaction; nobody waits for it, so it does not wait for the disk: what a crash of the database takes back the feed sees. */
static bool commit_rows(struct flush *f, struct db *db, bool known, struct err *err)
{
	bool ok = db_begin(db, err) && db_pipeline(db, err) && store_commit_relaxed(db, err) &&
		  (!f->fact_count || store_facts_write(db, f->facts, f->fact_count, known, err)) &&
		  (!f->version_count || store_versions_write(db, f->versions, f->version_count, err)) && write_changes(f, db, err) &&
		  db_commit(db, err);
	if (!ok) {
		db_rollback(db);
	}
	return ok;
}

static bool write_rows(struct flush *f, struct db *db, struct err *err)
{
	gather(f);
	if (f->fact_count + f->version_count == 0 || commit_rows(f, db, false, err)) {
		return true;
	}
	return err->kind == ERR_CONFLICT && commit_rows(f, db, true, err); /* a device is gone: the others are not held up */
}

/* The change is for all replicas, and this one need not read it: the snapshot has had the fingerprints since they were noted. Unless a row
 * that was read before the commit is on its way there, or one was passed over that says more than what is written now; and versions other
 * ways have, too. A fingerprint that is not the row's would let news pass as known. */
static bool flush(struct engine *e, struct flush *f, struct db *db)
{
	struct err err = {0};
	bool ok = part_with_reports(e, f, db, &err) && write_rows(f, db, &err);
	bool shown = ok && f->position && f->version_count == 0 && feed_is_quiet(e->feed);
	for (size_t i = 0; i < f->count; i++) {
		struct note *note = f->notes[i];
		bool held = note->told || note->words; /* more than what went its own way */
		metrics_add(METRIC_NOTES_WRITTEN, ok && held ? 1 : 0);
		if (!ok && held) {
			note_again(e->notes, note);
		} else if (note->flying || settle(e, note->device_id)) {
			shown = false;
		}
		free_note(note);
	}
	if (shown) {
		feed_applied(e->feed, f->position);
	}
	if (!ok) {
		log_warn("what devices told is not written; tried again", LOG_U("devices", f->count), LOG_S("error", err.text));
	}
	return ok && f->more;
}

bool notes_flush(struct engine *e, struct db *db)
{
	struct flush *f = calloc(1, sizeof *f);
	bool more = false;
	if (f) {
		take(e->notes, f);
		more = f->count > 0 && flush(e, f, db);
	}
	free(f);
	return more;
}

bool notes_pending(struct engine *e)
{
	pthread_mutex_lock(&e->notes->lock);
	bool pending = e->notes->by_device.count > 0;
	pthread_mutex_unlock(&e->notes->lock);
	return pending;
}
