/* Who names this device? What the question costs among ten entries, and among a million of a thousand rollouts.
 *
 * bench-ranges FILES ROWS ROUNDS: ROWS entries over FILES rollouts of one product: half ranges side by side, which others overlap, three in
 * ten MACs, one in ten prefixes and other identifiers each. Every other question is about a device that is named. Prints one figure a line:
 * few-ns and many-ns (the median of interleaved slices, with the normalising of the identifier), bytes (of a row), build-ms (all of
 * them), replace-ms (those of one rollout, off the lock), hits (entries a named device).
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench.h"
#include "fleet/ranges.h"

enum { SLICES = 21, FEW = 10, QUESTIONS = 1 << 16, STEP = 64 };

static uint64_t random_state = 1;

static uint64_t below(uint64_t n)
{
	random_state = random_state * 6364136223846793005u + 1442695040888963407u;
	return (random_state >> 33) % n;
}

/* Addresses lie STEP apart: what a range leaves out is named by nobody but those that overlap. */
static void entry(long i, char text[RANGE_TEXT_SIZE + 16])
{
	unsigned long long base = 0xC89300000000ull + (unsigned long long)i * STEP;
	switch (i % 10) {
	case 0:
	case 1:
	case 2:
		snprintf(text, RANGE_TEXT_SIZE + 16, "%012llX", base);
		break;
	case 3:
		snprintf(text, RANGE_TEXT_SIZE + 16, "SN%07ld*", i);
		break;
	case 4:
		snprintf(text, RANGE_TEXT_SIZE + 16, "DEVICE%08ld", i);
		break;
	case 5:
		snprintf(text, RANGE_TEXT_SIZE + 16, "%012llX~%012llX", base, base + 4 * STEP);
		break;
	default:
		snprintf(text, RANGE_TEXT_SIZE + 16, "%012llX~%012llX", base, base + STEP / 2);
	}
}

static void put(struct ranges_edit *edit, long i, long files)
{
	char text[RANGE_TEXT_SIZE + 16];
	struct range range;
	entry(i, text);
	if (!range_parse(text, strlen(text), &range, NULL) || !ranges_edit_add(edit, 1, 1 + i % files, &range)) {
		bench_die("%s is not taken", text);
	}
}

static void swap(struct ranges *r, struct ranges_edit *edit)
{
	if (!ranges_edit_build(edit)) {
		bench_die("out of memory");
	}
	ranges_edit_swap(r, edit);
	ranges_edit_free(&edit);
}

static struct ranges *fill(long files, long rows)
{
	struct ranges *r = ranges_new();
	struct ranges_edit *edit = ranges_edit_new(r, NULL, 0);
	for (long i = 0; i < rows; i++) {
		put(edit, i, files);
	}
	swap(r, edit);
	return r;
}

/* All of rollout 1 anew. */
static void replace(struct ranges *r, long files, long rows)
{
	static const int64_t first = 1;
	struct ranges_edit *edit = ranges_edit_new(r, &first, 1);
	for (long i = 0; i < rows; i += files) {
		put(edit, i, files);
	}
	swap(r, edit);
}

static void count(void *ctx, const struct ranges_hit *hit)
{
	*(size_t *)ctx += hit->rollout_id != 0;
}

static char (*questions(long rows))[24]
{
	char(*out)[24] = calloc(QUESTIONS, sizeof *out);
	if (!out) {
		bench_die("out of memory");
	}
	for (int i = 0; i < QUESTIONS; i++) {
		unsigned long long mac = (i % 2 ? 0xC89300000000ull : 0x94A900000000ull) + below((uint64_t)rows * STEP);
		snprintf(out[i], sizeof *out, "%02llx:%02llx:%02llx:%02llx:%02llx:%02llx", mac >> 40 & 255, mac >> 32 & 255,
			 mac >> 24 & 255, mac >> 16 & 255, mac >> 8 & 255, mac & 255);
	}
	return out;
}

static double ask(const struct ranges *r, char (*asked)[24], long rounds, size_t *hits)
{
	int64_t began = bench_now();
	for (long i = 0; i < rounds; i++) {
		char id[RANGE_ID_SIZE];
		range_normalise(asked[i % QUESTIONS], id);
		ranges_match(r, 1, id, count, hits);
	}
	return (double)(bench_now() - began) / (double)rounds;
}

static int compare(const void *a, const void *b)
{
	double x = *(const double *)a;
	double y = *(const double *)b;
	return (x > y) - (x < y);
}

int main(int argc, char **argv)
{
	double few_ns[SLICES];
	double many_ns[SLICES];
	if (argc != 4) {
		bench_die("usage: bench-ranges FILES ROWS ROUNDS");
	}
	long files = bench_number(argv[1]);
	long rows = bench_number(argv[2]);
	long rounds = bench_number(argv[3]);
	size_t hits = 0;
	size_t many_hits = 0;
	int64_t began = bench_now();
	struct ranges *many = fill(files, rows);
	int64_t built = bench_now();
	replace(many, files, rows);
	int64_t replaced = bench_now();
	struct ranges *few = fill(FEW, FEW);
	char(*asked)[24] = questions(rows);
	for (int i = 0; i < SLICES; i++) {
		few_ns[i] = ask(few, asked, rounds, &hits);
		many_ns[i] = ask(many, asked, rounds, &many_hits);
	}
	qsort(few_ns, SLICES, sizeof *few_ns, compare);
	qsort(many_ns, SLICES, sizeof *many_ns, compare);
	printf("few-ns %.0f\nmany-ns %.0f\nbytes %.1f\nbuild-ms %.0f\nreplace-ms %.1f\nhits %.2f\n", few_ns[SLICES / 2],
	       many_ns[SLICES / 2], (double)ranges_bytes(many) / (double)rows, (double)(built - began) / 1e6,
	       (double)(replaced - built) / 1e6, 2.0 * (double)many_hits / (double)(SLICES * rounds));
	ranges_free(&few);
	ranges_free(&many);
	free(asked);
	return 0;
}
