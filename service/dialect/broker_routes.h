/* Inside dialect/ only: the handlers of the broker dialect. All inline. */
#ifndef DIALECT_BROKER_ROUTES_H
#define DIALECT_BROKER_ROUTES_H

struct http_request;
struct worker;

enum {
	BROKER_PASSWORD_SIZE = 1025, /* the service's own may be longer than a device's */
	BROKER_TOPIC_SIZE = 1025,    /* a longer one is denied */
};

/* {"clientid","username","password"} -> {"result":"allow"|"deny","is_superuser":false} */
void broker_emqx_login(struct http_request *req, struct worker *worker, void *ctx);
/* {"clientid","username","topic","action","retain"} -> {"result":"allow"|"deny"} */
void broker_emqx_access(struct http_request *req, struct worker *worker, void *ctx);

/* A form, or a query -> allow | deny */
void broker_rabbit_user(struct http_request *req, struct worker *worker, void *ctx);
void broker_rabbit_vhost(struct http_request *req, struct worker *worker, void *ctx);
void broker_rabbit_resource(struct http_request *req, struct worker *worker, void *ctx);
void broker_rabbit_topic(struct http_request *req, struct worker *worker, void *ctx);

#endif
