/* Who may do what at the broker (protocols/broker.md): a device reads and writes /oc/devices/{self}/# and writes its publish_topic,
 * device-server/{self}. It retains nothing, and what it says on .../sys/ota is not a push. Used by the broker plugin and by the HTTP
 * questions of other brokers. Pure.
 */
#ifndef COMMON_ACL_H
#define COMMON_ACL_H

#include <stdbool.h>
#include <stddef.h>

enum acl_access {
	ACL_READ,      /* a message on its way to the client */
	ACL_WRITE,     /* a publish or a will */
	ACL_SUBSCRIBE, /* a filter, as the client sent it */
};

struct acl_request {
	enum acl_access access;
	const char *topic;   /* or filter; NUL-terminated */
	const void *payload; /* ACL_WRITE; NULL = not known */
	size_t len;
	bool retain; /* ACL_WRITE */
};

enum acl_verdict {
	ACL_ALLOWED,
	ACL_FOREIGN,    /* another's topic, or none of ours; also "#", "+", "$share/..." */
	ACL_RETAINED,   /* its own topic, but retained */
	ACL_FORGED,     /* its own .../sys/ota, but push-shaped: with "fileName" or "url" */
	ACL_UNREADABLE, /* its own .../sys/ota, but not a JSON object of at most 4 KiB */
};

enum acl_verdict acl_device(const char *device, const struct acl_request *request);

/* The service's own client: the devices' trees, otad/v1/# (what the plugin tells) and $CONTROL/otad/v1. */
bool acl_service(const struct acl_request *request);

/* Does a subscription to this filter bring the pushes of the device? */
bool acl_brings_pushes(const char *filter, const char *device);

#endif
