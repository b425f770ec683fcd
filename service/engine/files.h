/* What operators do to files (model/file.h): firmware with a URL, a ranked rollout and its ranges, in one transaction each with audit and
 * change rows; back when this replica's snapshot shows it. On worker threads. Errors: ERR_NOT_FOUND (product, or a file of that product),
 * ERR_EXISTS (component and version), ERR_INVALID and ERR_EMPTY (a member; the sentence begins with its name), ERR_UNAVAILABLE.
 */
#ifndef ENGINE_FILES_H
#define ENGINE_FILES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct actor;
struct engine;
struct err;
struct file;
struct file_edit;
struct page;
struct range_list;
struct range_row;
struct worker;

/* A product by its key, or else by its id in digits. */
bool files_product(struct worker *w, const char *key_or_id, int64_t *out, struct err *err);

/* firmware's product_id, component and members, stage and description go in; ids, times and what was tidied come back. ranges: NULL or
 * empty = none. */
bool files_create(struct engine *e, struct worker *w, const struct actor *actor, struct file *inout, const struct range_list *ranges,
		  struct err *err);

/* edit->to.firmware names the file by product_id and id; *out is the file as it is then, *edit->named (zeroed by the caller, who frees its
 * rows) whom it names, at most RANGES_MAX. If devices would be told another image, or it
 * comes back from being invalid, it is ordered anew: what became of it at devices does not count any more. Live tasks of the old image, or
 * of a file that becomes invalid, are cancelled. */
bool files_edit(struct engine *e, struct worker *w, const struct actor *actor, const struct file_edit *edit, struct file *out,
		struct err *err);

/* What the edit, or (id 0) the creation of edit->to, would make of it, but for its ranges; with the errors it would have. Nothing is
 * written. */
bool files_preview(struct worker *w, const struct file_edit *edit, struct file *out, struct err *err);

/* Live tasks are cancelled; the rows stay. ERR_CONFLICT: it is not in test. product_id 0: of any. */
bool files_delete(struct engine *e, struct worker *w, const struct actor *actor, int64_t product_id, int64_t id, struct err *err);

/* What this worker reads between them is of one moment: a file and its ranges. files_looked() also if a read has failed. */
bool files_look(struct worker *w, struct err *err);
void files_looked(struct worker *w);

/* product_id 0: of any. */
bool files_get(struct worker *w, int64_t product_id, int64_t id, struct file *out, struct err *err);

/* By cursor: ids after page->after; page->product_id filters. *out is malloc'd, the caller frees it. */
bool files_after(struct worker *w, const struct page *page, struct file **out, size_t *count, struct err *err);

/* Its ranges as they were written, from the first on, at most max. *out is malloc'd, the caller frees it. */
bool files_ranges(struct worker *w, const struct file *file, size_t max, struct range_row **out, size_t *count, struct err *err);

/* limit of them from the offset-th on, by ascending id. *total and the ids come from the snapshot: any page costs the same. rows is
 * malloc'd, the caller frees it. */
struct files_page {
	int64_t product_id;
	size_t offset, limit; /* at most FILES_PAGE_MAX */
	size_t total;         /* out, as the rest */
	struct file *rows;
	size_t count;
};
enum { FILES_PAGE_MAX = 100 };
bool files_list(struct engine *e, struct worker *w, struct files_page *inout, struct err *err);

#endif
