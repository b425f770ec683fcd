#include "fleet/ranges_table.h"

#include <stdlib.h>
#include <string.h>

#include "common/scoped.h"
#include "common/text.h"

enum { WORDS_A_BUCKET = 4, GONE = -1 };

/* --- memory --- */

void ranges_table_clear(struct ranges_table *t)
{
	free(t->files);
	free(t->spans);
	free(t->words);
	free(t->texts);
	free(t->buckets);
	map_free(&t->file_of);
	*t = (struct ranges_table){0};
}

void ranges_table_free(struct ranges_table **tp)
{
	if (*tp) {
		ranges_table_clear(*tp);
		free(*tp);
		*tp = NULL;
	}
}

size_t ranges_table_bytes(const struct ranges_table *t)
{
	return sizeof *t + t->file_count * sizeof *t->files + t->span_count * sizeof *t->spans + t->word_count * sizeof *t->words +
	       t->text_len + (t->buckets ? (((size_t)1 << t->bucket_bits) + 1) * sizeof *t->buckets : 0);
}

/* Room for `more` more things. The array as it is then, or NULL. */
static void *grown(void *array, size_t size, size_t count, size_t more, size_t *room)
{
	if (array && count + more <= *room) {
		return array;
	}
	size_t wanted = *room ? 2 * *room : 64;
	wanted = wanted < count + more ? count + more : wanted;
	void *bigger = realloc(array, wanted * size);
	*room = bigger ? wanted : *room;
	return bigger;
}

#define GROW(t, array, count, more, room)                                                            \
	__extension__({                                                                              \
		void *bigger_ = grown((t)->array, sizeof *(t)->array, (t)->count, more, &(t)->room); \
		(t)->array = bigger_ ? bigger_ : (t)->array;                                         \
		bigger_ != NULL;                                                                     \
	})

/* --- entries --- */

static uint32_t span_file(const struct ranges_span *s)
{
	return (uint32_t)(s->file_high << 16 | s->file_low);
}

static void set_span_file(struct ranges_span *s, uint32_t file)
{
	s->file_low = file & 0xffff;
	s->file_high = (file >> 16) & 0xff;
}

/* Its index; GONE: no memory, or too many. */
static int64_t file_index(struct ranges_table *t, int64_t rollout_id)
{
	uintptr_t known = (uintptr_t)map_get(&t->file_of, (uint64_t)rollout_id);
	if (known) {
		return (int64_t)known - 1;
	}
	if (t->file_count == RANGES_FILES_MAX || !GROW(t, files, file_count, 1, file_room) ||
	    !map_put(&t->file_of, (uint64_t)rollout_id, (void *)(t->file_count + 1))) {
		return GONE;
	}
	t->files[t->file_count] = rollout_id;
	return (int64_t)t->file_count++;
}

static bool add_span(struct ranges_table *t, uint32_t file, uint64_t first, uint64_t last, bool exact)
{
	if (!GROW(t, spans, span_count, 1, span_room)) {
		return false;
	}
	struct ranges_span *s = &t->spans[t->span_count++];
	*s = (struct ranges_span){.first = first & 0xffffffffffff, .last = last & 0xffffffffffff, .exact = exact};
	set_span_file(s, file);
	return true;
}

static bool add_word(struct ranges_table *t, uint32_t file, const char *text, bool prefix)
{
	size_t len = strlen(text);
	if (len == 0) {
		return true; /* names nobody */
	}
	if (t->text_len + len > UINT32_MAX || !GROW(t, words, word_count, 1, word_room) || !GROW(t, texts, text_len, len + 1, text_room)) {
		return false;
	}
	memcpy(t->texts + t->text_len, text, len);
	t->words[t->word_count++] = (struct ranges_word){
		.hash = text_hash(text, len), .text = (uint32_t)t->text_len, .file = file & 0xffffff, .len = len & 0x7f, .prefix = prefix};
	t->text_len += len;
	return true;
}

bool ranges_table_add(struct ranges_table *t, int64_t rollout_id, const struct range *r)
{
	uint64_t first;
	uint64_t last;
	int64_t file = file_index(t, rollout_id);
	if (file < 0) {
		return false;
	}
	switch (r->kind) {
	case RANGE_MACS:
		return !range_mac(r->first, &first) || !range_mac(r->last, &last) || /* names nobody */
		       add_span(t, (uint32_t)file, first, last, false);
	case RANGE_EXACT:
		return range_mac(r->head, &first) ? add_span(t, (uint32_t)file, first, first, true)
						  : add_word(t, (uint32_t)file, r->head, false);
	case RANGE_PREFIX:
		return add_word(t, (uint32_t)file, r->head, true);
	}
	return false;
}

/* --- sorting and merging --- */

static int by_first(const void *a, const void *b)
{
	const struct ranges_span *x = a;
	const struct ranges_span *y = b;
	return (x->first > y->first) - (x->first < y->first);
}

static int by_hash(const void *a, const void *b)
{
	const struct ranges_word *x = a;
	const struct ranges_word *y = b;
	return (x->hash > y->hash) - (x->hash < y->hash);
}

/* The files of both, those of `old` first: renamed[] says where each of these went. */
static bool merge_files(struct ranges_table *t, const struct ranges_table *old, const struct ranges_table *more, int32_t *renamed,
			bool (*gone)(const void *ctx, int64_t rollout_id), const void *ctx)
{
	size_t kept = 0;
	t->files = malloc((old->file_count + more->file_count + 1) * sizeof *t->files);
	for (size_t i = 0; t->files && i < old->file_count; i++) {
		bool drop = gone(ctx, old->files[i]);
		renamed[i] = drop ? GONE : (int32_t)kept;
		t->files[kept] = old->files[i];
		kept += !drop;
	}
	if (!t->files || kept + more->file_count > RANGES_FILES_MAX) {
		return false;
	}
	if (more->file_count) {
		memcpy(t->files + kept, more->files, more->file_count * sizeof *t->files);
	}
	t->file_count = kept + more->file_count;
	return true;
}

static bool merge_spans(struct ranges_table *t, const struct ranges_table *old, const struct ranges_table *more, const int32_t *renamed)
{
	uint32_t base = (uint32_t)(t->file_count - more->file_count);
	t->spans = malloc((old->span_count + more->span_count + 1) * sizeof *t->spans);
	if (!t->spans) {
		return false;
	}
	struct ranges_span *out = t->spans;
	for (size_t i = 0, j = 0; i < old->span_count || j < more->span_count;) {
		if (j == more->span_count || (i < old->span_count && old->spans[i].first <= more->spans[j].first)) {
			*out = old->spans[i++];
			int32_t file = renamed[span_file(out)];
			set_span_file(out, (uint32_t)file);
			out += file != GONE;
		} else {
			*out = more->spans[j++];
			set_span_file(out, base + span_file(out));
			out++;
		}
	}
	t->span_count = (size_t)(out - t->spans);
	return true;
}

/* Puts the text of the last word where it stays; neighbours share it. */
static void settle_text(struct ranges_table *t, const char *text)
{
	struct ranges_word *w = &t->words[t->word_count - 1];
	if (t->word_count > 1 && w[-1].len == w->len && memcmp(t->texts + w[-1].text, text, w->len) == 0) {
		w->text = w[-1].text;
		return;
	}
	memcpy(t->texts + t->text_len, text, w->len);
	w->text = (uint32_t)t->text_len;
	t->text_len += w->len;
}

static bool merge_words(struct ranges_table *t, const struct ranges_table *old, const struct ranges_table *more, const int32_t *renamed)
{
	uint32_t base = (uint32_t)(t->file_count - more->file_count);
	t->words = malloc((old->word_count + more->word_count + 1) * sizeof *t->words);
	t->texts = malloc(old->text_len + more->text_len + 1);
	if (!t->words || !t->texts || old->text_len + more->text_len > UINT32_MAX) {
		return false;
	}
	for (size_t i = 0, j = 0; i < old->word_count || j < more->word_count;) {
		bool from_old = j == more->word_count || (i < old->word_count && old->words[i].hash <= more->words[j].hash);
		const struct ranges_word *w = from_old ? &old->words[i++] : &more->words[j++];
		int64_t file = from_old ? renamed[w->file] : (int64_t)base + w->file;
		if (file == GONE) {
			continue;
		}
		t->words[t->word_count] = *w;
		t->words[t->word_count++].file = (uint32_t)file & 0xffffff;
		settle_text(t, (from_old ? old : more)->texts + w->text);
	}
	return true;
}

/* Gives back what was meant for entries that are gone, and texts that are shared. */
static void fit(struct ranges_table *t)
{
	struct ranges_span *spans = realloc(t->spans, (t->span_count + 1) * sizeof *spans);
	if (spans) {
		t->spans = spans;
	}
	struct ranges_word *words = realloc(t->words, (t->word_count + 1) * sizeof *words);
	if (words) {
		t->words = words;
	}
	char *texts = realloc(t->texts, t->text_len + 1);
	if (texts) {
		t->texts = texts;
	}
}

/* Fills in `most` from begin to end; answers it. */
static uint64_t raise_most(struct ranges_span *spans, size_t begin, size_t end)
{
	if (begin == end) {
		return 0;
	}
	size_t middle = begin + (end - begin) / 2;
	uint64_t left = raise_most(spans, begin, middle);
	uint64_t right = raise_most(spans, middle + 1, end);
	uint64_t most = spans[middle].last;
	most = left > most ? left : most;
	most = right > most ? right : most;
	spans[middle].most = most & 0xffffffffffff;
	return most;
}

static size_t bucket_of(const struct ranges_table *t, uint64_t hash)
{
	return t->bucket_bits ? (size_t)(hash >> (64 - t->bucket_bits)) : 0;
}

static bool fill_buckets(struct ranges_table *t)
{
	if (t->word_count == 0) {
		return true;
	}
	while (((size_t)1 << t->bucket_bits) * WORDS_A_BUCKET < t->word_count) {
		t->bucket_bits++;
	}
	size_t buckets = (size_t)1 << t->bucket_bits;
	t->buckets = malloc((buckets + 1) * sizeof *t->buckets);
	if (!t->buckets) {
		return false;
	}
	size_t filled = 0;
	for (size_t i = 0; i < t->word_count; i++) {
		const struct ranges_word *w = &t->words[i];
		for (; filled <= bucket_of(t, w->hash); filled++) {
			t->buckets[filled] = (uint32_t)i;
		}
		t->lengths |= w->prefix ? (uint64_t)1 << (w->len - 1) : 0;
	}
	for (; filled <= buckets; filled++) {
		t->buckets[filled] = (uint32_t)t->word_count;
	}
	return true;
}

struct ranges_table *ranges_table_merge(const struct ranges_table *old, struct ranges_table *more,
					bool (*gone)(const void *ctx, int64_t rollout_id), const void *ctx)
{
	static const struct ranges_table empty;
	old = old ? old : &empty;
	struct ranges_table *t = calloc(1, sizeof *t);
	scoped_free int32_t *renamed = malloc((old->file_count + 1) * sizeof *renamed);
	if (more->span_count) {
		qsort(more->spans, more->span_count, sizeof *more->spans, by_first);
	}
	if (more->word_count) {
		qsort(more->words, more->word_count, sizeof *more->words, by_hash);
	}
	if (!t || !renamed || !merge_files(t, old, more, renamed, gone, ctx) || !merge_spans(t, old, more, renamed) ||
	    !merge_words(t, old, more, renamed) || !fill_buckets(t)) {
		ranges_table_free(&t);
		return NULL;
	}
	fit(t);
	raise_most(t->spans, 0, t->span_count);
	return t;
}

/* --- questions --- */

struct question {
	const struct ranges_table *table;
	uint64_t mac;
	ranges_visit *visit;
	void *ctx;
	const char *identifier;
	size_t len;
};

static void tell_span(const struct question *q, const struct ranges_span *s)
{
	struct ranges_hit hit = {.rollout_id = q->table->files[span_file(s)], .kind = RANGE_MACS, .first = s->first, .last = s->last};
	if (s->exact) {
		hit.kind = RANGE_EXACT;
		hit.text = q->identifier;
		hit.len = q->len;
	}
	q->visit(q->ctx, &hit);
}

/* Goes down on the left, on along the right. */
static void stab(const struct question *q, size_t begin, size_t end)
{
	while (begin < end) {
		size_t middle = begin + (end - begin) / 2;
		const struct ranges_span *s = &q->table->spans[middle];
		if (s->most < q->mac) {
			return;
		}
		if (s->first > q->mac) {
			end = middle;
			continue;
		}
		stab(q, begin, middle);
		if (s->last >= q->mac) {
			tell_span(q, s);
		}
		begin = middle + 1;
	}
}

/* Words of the identifier's first n characters: prefixes, and if that is all of it the identifier itself. */
static void look_up(const struct question *q, size_t n)
{
	const struct ranges_table *t = q->table;
	uint64_t hash = text_hash(q->identifier, n);
	size_t bucket = bucket_of(t, hash);
	for (size_t i = t->buckets[bucket]; i < t->buckets[bucket + 1]; i++) {
		const struct ranges_word *w = &t->words[i];
		if (w->hash == hash && w->len == n && (w->prefix || n == q->len) && memcmp(t->texts + w->text, q->identifier, n) == 0) {
			struct ranges_hit hit = {.rollout_id = t->files[w->file],
						 .kind = w->prefix ? RANGE_PREFIX : RANGE_EXACT,
						 .text = t->texts + w->text,
						 .len = n};
			q->visit(q->ctx, &hit);
		}
	}
}

void ranges_table_match(const struct ranges_table *t, const char *identifier, ranges_visit *visit, void *ctx)
{
	struct question q = {.table = t, .visit = visit, .ctx = ctx, .identifier = identifier, .len = strlen(identifier)};
	if (range_mac(identifier, &q.mac)) {
		stab(&q, 0, t->span_count);
	}
	if (t->word_count == 0 || q.len == 0 || q.len >= RANGE_ID_SIZE) {
		return;
	}
	uint64_t all = q.len == 64 ? UINT64_MAX : ((uint64_t)1 << q.len) - 1;
	uint64_t lengths = (t->lengths & all) | (uint64_t)1 << (q.len - 1);
	for (; lengths; lengths &= lengths - 1) {
		look_up(&q, (size_t)__builtin_ctzll(lengths) + 1);
	}
}
