/* Inside of the room: shows a libpq connection string without its passwords. */
#ifndef CONFIG_CONFIG_MASK_H
#define CONFIG_CONFIG_MASK_H

struct buf;

#define CONFIG_MASK "********"

/* Appends a libpq URI or keyword string with every password replaced by CONFIG_MASK. When in doubt it masks more: a text that it cannot
 * read is replaced whole. */
void config_mask_dsn(const char *dsn, struct buf *out);

#endif
