/* Counts attempts by who makes them, in tables of fixed size: who guesses must wait. An IPv6 address counts by its /64, which one customer
 * owns; anything else as it stands. When a table is full, the entry longest unused makes room. Thread-safe, no I/O; the caller brings the
 * clock.
 */
#ifndef ENGINE_THROTTLE_H
#define ENGINE_THROTTLE_H

#include <stdbool.h>
#include <stdint.h>

enum { THROTTLE_FAILURES = 10, THROTTLE_WINDOW_MS = 5 * 60 * 1000 };

/* What is counted: a table each. */
enum throttle_kind {
	THROTTLE_LOGIN,         /* failed logins of an address */
	THROTTLE_CONTACT,       /* checks of an address that reach the database */
	THROTTLE_CODE,          /* wrong codes of an operator */
	THROTTLE_PROOF_DEVICE,  /* failed HMACs for a MAC */
	THROTTLE_PROOF_ADDRESS, /* failed HMACs of an address */
	THROTTLE_REGISTER,      /* devices of an address that registered themselves within the hour: throttle_take_of() */
	THROTTLE_REGISTER_SHUT, /* refusals of such: for a second the next ones are refused at once */
	THROTTLE_REGISTER_TOLD, /* refusals of such that were audited within the hour */
	THROTTLE_KINDS,
};

/* Takes one attempt of who, before its outcome is known (so that simultaneous guesses count too). false: none is left in this window.
 * now_ms: monotonic, above 0. */
bool throttle_take(enum throttle_kind kind, const char *who, int64_t now_ms);

/* The same where the caller knows how many there are. */
bool throttle_take_of(enum throttle_kind kind, const char *who, int64_t attempts, int64_t now_ms);

/* Does any attempt of who count at this time? */
bool throttle_counts(enum throttle_kind kind, const char *who, int64_t now_ms);

/* The attempt was no failure: gives that one back. */
void throttle_give_back(enum throttle_kind kind, const char *who);

/* The attempt was no failure: forgets all that were counted. */
void throttle_forgive(enum throttle_kind kind, const char *who);

/* Forgets everybody; for tests. */
void throttle_reset(void);

#endif
