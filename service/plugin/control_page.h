/* A page of revocations out of a request. Pure. */
#ifndef PLUGIN_CONTROL_PAGE_H
#define PLUGIN_CONTROL_PAGE_H

struct cJSON;
struct err;
struct journal_page;

/* {"id","cmd","from","to","entries","reset"?}: all of it good, or NULL and a sentence. The caller frees. */
struct journal_page *control_page_read(const struct cJSON *json, struct err *err);

#endif
