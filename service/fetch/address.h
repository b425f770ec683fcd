/* Which addresses are never connected to for somebody else: those that only this machine or its link can mean. Pure. */
#ifndef FETCH_ADDRESS_H
#define FETCH_ADDRESS_H

#include <stdbool.h>

struct err;
struct sockaddr;

/* Refused (ERR_DENIED, a sentence with the address and what it is): unspecified, loopback, link-local, multicast, broadcast and reserved
 * ones, the metadata services of clouds, and IPv6 forms that carry such an IPv4 address (mapped, NAT64, 6to4) or hide one. Private networks
 * are allowed: whoever lists a host may mean one of his own. */
bool address_check(const struct sockaddr *address, struct err *err);

#endif
