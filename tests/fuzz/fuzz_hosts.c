/* Hosts that may be fetched from, and URLs of files. The first line is the list, the second the URL. */
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "common/err.h"
#include "common/scoped.h"
#include "fetch/hosts.h"
#include "fuzz.h"

/* Where an allowed URL leads stands between the slashes and the path, and in no trick. */
static void check_allowed(const char *url)
{
	size_t scheme = strncasecmp(url, "https:", 6) == 0 ? 6 : 5;
	CHECK(strncasecmp(url, scheme == 6 ? "https:" : "http:", scheme) == 0);
	const char *host = url + scheme + strspn(url + scheme, "/");
	size_t len = strcspn(host, "/?#");
	CHECK(len > 0);
	for (size_t i = 0; i < len; i++) {
		CHECK(host[i] > ' ' && host[i] != '@' && host[i] != '\\');
	}
}

/* What a list allows one of its entries allows. */
static void check_entries(const char *list, const char *url, bool allowed)
{
	scoped_free char *copy = strdup(list);
	CHECK(copy);
	bool found = false;
	char *rest = copy;
	for (char *entry; (entry = strsep(&rest, ","));) {
		found = found || hosts_allow(entry, "key", url, NULL);
	}
	CHECK(found == allowed);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fuzz_input in = {data, size};
	scoped_free char *list = fuzz_line(&in);
	scoped_free char *url = fuzz_line(&in);
	struct err err = {0};
	bool good = hosts_check(list, &err);
	CHECK(good == (err.kind == ERR_NONE) && (good || err.kind == ERR_INVALID));
	err = (struct err){0};
	bool allowed = hosts_allow(list, "key", url, &err);
	CHECK(allowed == (err.kind == ERR_NONE) && (allowed || err.kind == ERR_INVALID || err.kind == ERR_DENIED));
	CHECK(!good || strlen(list) > 0 || !allowed);
	if (allowed) {
		check_allowed(url);
	}
	if (good) {
		check_entries(list, url, allowed);
	}
	return 0;
}
