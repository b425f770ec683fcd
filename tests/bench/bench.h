/* What the benchmarks' own programs share: a clock, a way to give up, loopback connections. They are run by tests/bench/run, never by hand.
 */
#ifndef BENCH_H
#define BENCH_H

#include <stddef.h>
#include <stdint.h>

#define BENCH_MS 1000000ll
#define BENCH_S 1000000000ll

/* CLOCK_MONOTONIC in ns: the same for all processes, so that one may print a beginning and another one the end. */
int64_t bench_now(void);

/* Prints the sentence (printf) and ends the program with status 1. */
__attribute__((noreturn, format(printf, 1, 2))) void bench_die(const char *format, ...);

/* A whole number, or the end of the program. */
long bench_number(const char *text);

/* Connected to 127.0.0.1, blocking. rcvbuf: SO_RCVBUF before the connect, 0 = the system's. */
int bench_dial(int port, int rcvbuf);

/* All of it, on a blocking socket. */
void bench_send(int fd, const void *data, size_t len);

/* Loopback only, listening, not blocking. *port: 0 = any; returns which. */
int bench_listen(int *port);

/* epoll_wait() that spins, or the end of the program after 10 s: a load that sleeps makes whom it loads pay for waking it. Returns > 0. */
struct epoll_event;
int bench_spin(int epoll, struct epoll_event *events, int max);

/* As many open files as this process may have. */
void bench_raise_files(void);

#endif
