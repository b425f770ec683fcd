/* Errors are values with a sentence.
 *
 * A function that can fail takes `struct err *` as its last parameter and returns bool (or a pointer). The layer that finds the fault
 * calls err_set(); each layer above may put its own words in front with err_prefix(); the edge that gives up logs or answers once.
 * A NULL `struct err *` is allowed everywhere and drops the sentence. Nothing is allocated. Thread-safe: an err belongs to its caller.
 */
#ifndef COMMON_ERR_H
#define COMMON_ERR_H

#include <stdbool.h>

/* What kind of failure it is: dialects choose their code or HTTP status by this, never by the sentence. */
enum err_kind {
	ERR_NONE = 0,
	ERR_INVALID,         /* the caller's input is wrong; the sentence says what and what to do */
	ERR_MISSING,         /* a required input is absent */
	ERR_EMPTY,           /* a required input is there but empty */
	ERR_TYPE,            /* an input is of the wrong type: a string where a number belongs */
	ERR_NOT_FOUND,       /* what was named does not exist */
	ERR_EXISTS,          /* it exists already */
	ERR_CONFLICT,        /* refused because of the present state (in use, in progress) */
	ERR_UNAUTHENTICATED, /* who are you? */
	ERR_DENIED,          /* known, but may not */
	ERR_BLOCKED,         /* the device was blocked by an operator */
	ERR_GONE,            /* existed and was revoked */
	ERR_TOO_LARGE,       /* over a stated cap */
	ERR_BUSY,            /* a bounded queue or a rate limit is full: try again later */
	ERR_UNAVAILABLE,     /* a neighbour (database, broker) is down: try again later */
	ERR_NO_SPACE,        /* disk full */
	ERR_INTERNAL,        /* our fault */
};

struct err {
	enum err_kind kind;
	char text[256]; /* one English sentence, NUL-terminated, cut if longer */
};

/* Sets kind and sentence. Always returns false, so that `return err_set(err, ...)` reads well. */
bool err_set(struct err *err, enum err_kind kind, const char *fmt, ...) __attribute__((format(printf, 3, 4)));

/* Puts "prefix: " in front of the present sentence. Always returns false. */
bool err_prefix(struct err *err, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

#if defined(__clang_analyzer__) && !defined(ERR_IMPLEMENTATION)
/* The analyzer sees one file at a time: tell it what these answer. */
#define err_set(...) ((void)err_set(__VA_ARGS__), false)
#define err_prefix(...) ((void)err_prefix(__VA_ARGS__), false)
#endif

/* What errno says ("No such file or directory"), from any thread. Never NULL; static. */
const char *err_errno(int code);

/* The kind as a short word for logs ("invalid", "not_found" ...). Never NULL. */
const char *err_kind_name(enum err_kind kind);

#endif
