#include "metrics/metrics.h"

#include <stdatomic.h>
#include <stddef.h>
#include <string.h>

#include "common/buf.h"

/* A cache line each: the loops count at every poll and must not wait for each other. */
static struct {
	_Alignas(64) _Atomic int64_t value;
} cells[METRIC_COUNT];

enum type { COUNTER, GAUGE };

static const struct {
	enum type type;
	const char *name;
	const char *labels;
	const char *help;
} rows[] = {
#define X(symbol, type, name, labels, help) [METRIC_##symbol] = {type, name, labels, help},
	METRICS_TABLE(X)
#undef X
};

void metrics_add(enum metric m, int64_t n)
{
	atomic_fetch_add_explicit(&cells[m].value, n, memory_order_relaxed);
}

void metrics_set(enum metric m, int64_t value)
{
	atomic_store_explicit(&cells[m].value, value, memory_order_relaxed);
}

int64_t metrics_get(enum metric m)
{
	return atomic_load_explicit(&cells[m].value, memory_order_relaxed);
}

static void put_head(struct buf *out, size_t m)
{
	buf_puts(out, "# HELP ");
	buf_puts(out, rows[m].name);
	buf_putc(out, ' ');
	buf_puts(out, rows[m].help);
	buf_puts(out, "\n# TYPE ");
	buf_puts(out, rows[m].name);
	buf_puts(out, rows[m].type == GAUGE ? " gauge\n" : " counter\n");
}

void metrics_print(struct buf *out)
{
	for (size_t m = 0; m < METRIC_COUNT; m++) {
		if (m == 0 || strcmp(rows[m - 1].name, rows[m].name) != 0) {
			put_head(out, m);
		}
		buf_puts(out, rows[m].name);
		if (rows[m].labels[0] != '\0') {
			buf_putc(out, '{');
			buf_puts(out, rows[m].labels);
			buf_putc(out, '}');
		}
		buf_putc(out, ' ');
		buf_put_i64(out, metrics_get((enum metric)m));
		buf_putc(out, '\n');
	}
}
