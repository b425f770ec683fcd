/* One line an event, logfmt or JSON, to stderr. Thread-safe: a line is one write(2).
 *
 *   log_info("push", LOG_S("device", name), LOG_U("task", id));
 *   ->  ts=2026-11-21T14:00:00.123Z level=info msg=push device=esp-1 task=17
 *
 * Values are escaped; control characters never reach the terminal. Secrets
 * are of type struct secret, which has no LOG_ macro.
 */
#ifndef COMMON_LOG_H
#define COMMON_LOG_H

#include <stdbool.h>
#include <stdint.h>

enum log_level { LOG_LEVEL_DEBUG, LOG_LEVEL_INFO, LOG_LEVEL_WARN, LOG_LEVEL_ERROR };
enum log_format { LOG_FORMAT_LOGFMT, LOG_FORMAT_JSON };

struct log_field {
	const char *key; /* NULL ends the list */
	enum { LOG_TYPE_TEXT, LOG_TYPE_I64, LOG_TYPE_U64 } type;
	union {
		const char *s; /* NULL prints as empty */
		int64_t i;
		uint64_t u;
	} v;
};

#define LOG_S(k, x) ((struct log_field){.key = (k), .type = LOG_TYPE_TEXT, .v.s = (x)})
#define LOG_I(k, x) ((struct log_field){.key = (k), .type = LOG_TYPE_I64, .v.i = (x)})
#define LOG_U(k, x) ((struct log_field){.key = (k), .type = LOG_TYPE_U64, .v.u = (x)})

/* Sets the process-wide level and format; may be called again at any time (SIGHUP). */
void log_setup(enum log_level level, enum log_format format);
bool log_enabled(enum log_level level);
bool log_level_parse(const char *name, enum log_level *out);   /* debug | info | warn | error */
bool log_format_parse(const char *name, enum log_format *out); /* logfmt | json */

void log_write(enum log_level level, const char *msg, const struct log_field *fields);

#define LOG_END_ ((struct log_field){.key = NULL})
#define log_at_(level, msg, ...)                                                        \
	do {                                                                            \
		if (log_enabled(level)) {                                               \
			log_write(level, msg, (const struct log_field[]){__VA_ARGS__}); \
		}                                                                       \
	} while (0)

/* log_info("push", LOG_S("device", name), LOG_U("task", id)); */
#define log_debug(...) log_at_(LOG_LEVEL_DEBUG, __VA_ARGS__, LOG_END_)
#define log_info(...) log_at_(LOG_LEVEL_INFO, __VA_ARGS__, LOG_END_)
#define log_warn(...) log_at_(LOG_LEVEL_WARN, __VA_ARGS__, LOG_END_)
#define log_error(...) log_at_(LOG_LEVEL_ERROR, __VA_ARGS__, LOG_END_)

#endif
