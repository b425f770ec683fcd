/* RabbitMQ: rabbitmq_auth_backend_http, as its MQTT plugin uses it (3.10). Fields we do not know are ignored: versions differ. */
#include <string.h>

#include "common/acl.h"
#include "common/credential.h"
#include "common/text.h"
#include "dialect/broker_form.h"
#include "dialect/broker_rabbit_rule.h"
#include "dialect/broker_routes.h"
#include "engine/admission.h"
#include "http/reply.h"
#include "http/request.h"

/* The fields of one question, from the body of a POST or the query of a GET. */
struct question {
	const struct http_request *req;
	bool in_body;
	struct broker_form form;
};

struct client {
	char id[CREDENTIAL_CLIENT_ID_SIZE];
	char username[CREDENTIAL_USERNAME_SIZE];
};

static bool open_question(struct question *q, const struct http_request *req)
{
	*q = (struct question){.req = req, .in_body = strcmp(http_request_method(req), "POST") == 0};
	size_t len;
	const char *body = http_request_body(req, &len);
	return !q->in_body || broker_form_parse(&q->form, body, len);
}

/* Required: RabbitMQ sends empty what it does not know. */
static bool field(const struct question *q, const char *name, char *out, size_t size)
{
	if (!q->in_body) {
		return http_query_text(q->req, name, true, out, size, NULL);
	}
	const char *value = broker_form_get(&q->form, name);
	return value && *value && text_copy(out, size, value);
}

/* All questions name the virtual host, and after the login the client id stands where the MQTT plugin puts it. A client of another
 * protocol has none, and no business here. */
static bool read_client(struct engine *engine, const struct question *q, const char *id_field, struct client *out)
{
	char vhost[256];
	return field(q, "vhost", vhost, sizeof vhost) && admission_is_vhost(engine, vhost) &&
	       field(q, "username", out->username, sizeof out->username) && field(q, id_field, out->id, sizeof out->id);
}

static bool judge_user(struct engine *engine, const struct question *q)
{
	struct client client;
	char password[BROKER_PASSWORD_SIZE];
	bool readable = read_client(engine, q, "client_id", &client) && field(q, "password", password, sizeof password);
	bool allow = readable ? admission_login(engine, client.id, client.username, password) : admission_login(engine, NULL, NULL, NULL);
	explicit_bzero(password, sizeof password);
	return allow;
}

static bool judge_vhost(struct engine *engine, const struct question *q)
{
	struct client client;
	if (!read_client(engine, q, "client_id", &client)) {
		admission_denied();
		return false;
	}
	return admission_is_welcome(engine, client.id, client.username);
}

static bool judge_resource(struct engine *engine, const struct question *q)
{
	struct client client;
	char kind[16];
	char name[256];
	char permission[16];
	if (!read_client(engine, q, "client_id", &client) || !field(q, "resource", kind, sizeof kind) ||
	    !field(q, "name", name, sizeof name) || !field(q, "permission", permission, sizeof permission) ||
	    !broker_rabbit_rule_resource(client.id, kind, name, permission)) {
		admission_denied();
		return false;
	}
	return admission_is_welcome(engine, client.id, client.username);
}

static bool judge_topic(struct engine *engine, const struct question *q)
{
	struct client client;
	char exchange[32];
	char permission[16];
	char key[BROKER_TOPIC_SIZE];
	char topic[BROKER_TOPIC_SIZE];
	if (!read_client(engine, q, "variable_map.client_id", &client) || !field(q, "name", exchange, sizeof exchange) ||
	    !field(q, "permission", permission, sizeof permission) || !field(q, "routing_key", key, sizeof key) ||
	    !broker_rabbit_rule_topic(key, topic, sizeof topic) || strcmp(exchange, "amq.topic") != 0) {
		admission_denied();
		return false;
	}
	bool write = strcmp(permission, "write") == 0;
	struct acl_request request = {.access = write ? ACL_WRITE : ACL_SUBSCRIBE, .topic = topic};
	return (write || strcmp(permission, "read") == 0) && admission_access(engine, client.id, client.username, &request);
}

static void answer(struct http_request *req, struct engine *engine, bool (*judge)(struct engine *, const struct question *))
{
	struct question q;
	bool allow = false;
	if (open_question(&q, req)) {
		allow = judge(engine, &q);
		broker_form_free(&q.form);
	} else {
		admission_denied();
	}
	const char *word = allow ? "allow" : "deny";
	http_reply(req, 200, "text/plain; charset=utf-8", word, strlen(word));
}

void broker_rabbit_user(struct http_request *req, struct worker *worker, void *ctx)
{
	(void)worker;
	answer(req, ctx, judge_user);
}
void broker_rabbit_vhost(struct http_request *req, struct worker *worker, void *ctx)
{
	(void)worker;
	answer(req, ctx, judge_vhost);
}
void broker_rabbit_resource(struct http_request *req, struct worker *worker, void *ctx)
{
	(void)worker;
	answer(req, ctx, judge_resource);
}
void broker_rabbit_topic(struct http_request *req, struct worker *worker, void *ctx)
{
	(void)worker;
	answer(req, ctx, judge_topic);
}
