/* A list of hosts that may be fetched from, as an operator of the service writes it: entries with commas between.
 *
 * "files.example.com" is this name at the scheme's own port (80, 443), "files.example.com:8080" at that one, "*.example.com" every name
 * that ends so (not example.com itself), "10.0.0.7" and "[fd00::7]" addresses. Case and a dot at the end are no difference. URLs and
 * entries are read by libcurl's parser, which also connects: there is no second reading of a URL. Pure.
 */
#ifndef FETCH_HOSTS_H
#define FETCH_HOSTS_H

#include <stdbool.h>

struct err;

/* Are all entries well-formed? ERR_INVALID names the first that is not. */
bool hosts_check(const char *list, struct err *err);

/* Is the URL's host on the list? ERR_INVALID: it is no http or https URL, or has a user in it; ERR_DENIED: it is not, and the sentence
 * says what must be added to the configuration's key that the list is of. */
bool hosts_allow(const char *list, const char *key, const char *url, struct err *err);

#endif
