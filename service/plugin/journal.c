#include "plugin/journal.h"

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "common/buf.h"
#include "common/text.h"
#include "plugin/journal_file.h"

enum { WRITE_MAX = 64 << 20 };

struct queue {
	struct journal_page *first;
	struct journal_page **last;
};

struct journal {
	pthread_t thread;
	pthread_mutex_t lock; /* of the queues and stop; held for moments only */
	pthread_cond_t wake;
	struct queue todo;
	struct queue done;
	bool stop;
	atomic_bool any_done; /* so that a look costs no lock */

	/* The thread's own: what the file holds or is to hold. */
	struct journal_file file;
	struct revocations kept;
	uint64_t revision;
};

static void queue_clear(struct queue *q)
{
	*q = (struct queue){NULL, NULL};
}

static void queue_add(struct queue *q, struct journal_page *first, struct journal_page **last)
{
	*(q->first ? q->last : &q->first) = first;
	q->last = last;
}

/* --- the thread --- */

static bool take_in(struct journal *j, struct journal_page *page)
{
	if (!page->reset && page->from > j->revision) {
		return err_set(&page->err, ERR_CONFLICT, "the page before it was not written");
	}
	if (page->reset) {
		struct revocations fresh = {0};
		if (!revocations_apply(&fresh, page->rows, page->count)) {
			revocations_clear(&fresh);
			return err_set(&page->err, ERR_INTERNAL, "out of memory");
		}
		revocations_clear(&j->kept);
		j->kept = fresh;
		j->file.broken = true; /* what stands in it counts no more */
	} else if (!revocations_apply(&j->kept, page->rows, page->count)) {
		return err_set(&page->err, ERR_INTERNAL, "out of memory");
	}
	j->revision = page->to;
	return true;
}

/* All that waited, with one write. */
static void write_pages(struct journal *j, struct journal_page *first)
{
	struct buf text;
	struct err err = {0};
	buf_init(&text, WRITE_MAX);
	for (struct journal_page *page = first; page; page = page->next) {
		page->ok = take_in(j, page);
		if (page->ok) {
			journal_file_page(&text, page->rows, page->count, page->to);
		}
	}
	bool written = text.len == 0 || journal_file_append(&j->file, &text, &j->kept, j->revision, &err);
	buf_free(&text);
	for (struct journal_page *page = first; page && !written; page = page->next) {
		if (page->ok) {
			page->ok = false;
			page->err = err;
		}
	}
}

static struct journal_page **end_of(struct journal_page *page)
{
	while (page->next) {
		page = page->next;
	}
	return &page->next;
}

static void *run(void *arg)
{
	struct journal *j = arg;
	pthread_mutex_lock(&j->lock);
	while (j->todo.first || !j->stop) {
		if (!j->todo.first) {
			pthread_cond_wait(&j->wake, &j->lock);
			continue;
		}
		struct journal_page *pages = j->todo.first;
		queue_clear(&j->todo);
		pthread_mutex_unlock(&j->lock);
		write_pages(j, pages);
		pthread_mutex_lock(&j->lock);
		queue_add(&j->done, pages, end_of(pages));
		atomic_store(&j->any_done, true);
	}
	pthread_mutex_unlock(&j->lock);
	return NULL;
}

/* --- the broker's side --- */

/* Signals are for the broker's thread. */
static bool start(struct journal *j)
{
	sigset_t all;
	sigset_t before;
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	int rc = pthread_create(&j->thread, NULL, run, j);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	return rc == 0;
}

static bool copy(struct revocations *to, const struct revocations *from)
{
	struct revocation_view view;
	for (size_t i = 0; revocations_next(from, &i, &view);) {
		struct revocation_row row = {.blocked = view.blocked, .epoch = view.epoch};
		if (!text_copy(row.device, sizeof row.device, view.device) || !revocations_apply(to, &row, 1)) {
			return false;
		}
	}
	return true;
}

static void destroy(struct journal *j)
{
	journal_file_close(&j->file);
	revocations_clear(&j->kept);
	pthread_mutex_destroy(&j->lock);
	pthread_cond_destroy(&j->wake);
	free(j);
}

struct journal *journal_open(const char *path, struct revocations *kept, uint64_t *revision, struct err *err)
{
	struct journal *j = calloc(1, sizeof *j);
	if (!j) {
		err_set(err, ERR_INTERNAL, "out of memory");
		return NULL;
	}
	pthread_mutex_init(&j->lock, NULL);
	pthread_cond_init(&j->wake, NULL);
	bool ok = journal_file_open(&j->file, path, &j->kept, &j->revision, err);
	if (ok && !copy(kept, &j->kept)) {
		ok = err_set(err, ERR_INTERNAL, "out of memory");
	}
	if (ok && !start(j)) {
		ok = err_set(err, ERR_INTERNAL, "no thread for the revocations can be started");
	}
	if (!ok) {
		revocations_clear(kept);
		destroy(j);
		return NULL;
	}
	*revision = j->revision;
	return j;
}

void journal_close(struct journal **journal)
{
	struct journal *j = *journal;
	*journal = NULL;
	if (!j) {
		return;
	}
	pthread_mutex_lock(&j->lock);
	j->stop = true;
	pthread_cond_signal(&j->wake);
	pthread_mutex_unlock(&j->lock);
	pthread_join(j->thread, NULL);
	struct journal_page *page;
	while ((page = journal_collect(j))) {
		free(page);
	}
	destroy(j);
}

void journal_submit(struct journal *j, struct journal_page *page)
{
	page->next = NULL;
	pthread_mutex_lock(&j->lock);
	queue_add(&j->todo, page, &page->next);
	pthread_cond_signal(&j->wake);
	pthread_mutex_unlock(&j->lock);
}

struct journal_page *journal_collect(struct journal *j)
{
	if (!atomic_load(&j->any_done)) {
		return NULL;
	}
	pthread_mutex_lock(&j->lock);
	struct journal_page *page = j->done.first;
	if (page) {
		j->done.first = page->next;
	}
	if (!j->done.first) {
		atomic_store(&j->any_done, false);
	}
	pthread_mutex_unlock(&j->lock);
	return page;
}
