/* EMQX 5: HTTP authentication and authorisation. Keys we do not know are none of our business: the operator's template may send more. */
#include <cjson/cJSON.h>
#include <string.h>

#include "common/acl.h"
#include "common/credential.h"
#include "common/json.h"
#include "common/scoped.h"
#include "common/text.h"
#include "dialect/broker_routes.h"
#include "engine/admission.h"
#include "http/reply.h"
#include "http/request.h"

struct client {
	char id[CREDENTIAL_CLIENT_ID_SIZE];
	char username[CREDENTIAL_USERNAME_SIZE];
};

static bool read_client(const struct cJSON *json, struct client *out)
{
	return json_text(json, "clientid", true, out->id, sizeof out->id, NULL) &&
	       json_text(json, "username", false, out->username, sizeof out->username, NULL);
}

static struct cJSON *read_body(const struct http_request *req)
{
	size_t len;
	const char *body = http_request_body(req, &len);
	return json_parse_object(body, len, NULL);
}

static void answer(struct http_request *req, const char *text)
{
	http_reply(req, 200, "application/json", text, strlen(text));
}

void broker_emqx_login(struct http_request *req, struct worker *worker, void *ctx)
{
	(void)worker;
	struct client client;
	char password[BROKER_PASSWORD_SIZE] = "";
	scoped_json struct cJSON *json = read_body(req);
	bool readable = json && read_client(json, &client) && json_text(json, "password", false, password, sizeof password, NULL);
	bool allow = readable ? admission_login(ctx, client.id, client.username, password) : admission_login(ctx, NULL, NULL, NULL);
	explicit_bzero(password, sizeof password);
	answer(req, allow ? "{\"result\":\"allow\",\"is_superuser\":false}" : "{\"result\":\"deny\"}");
}

/* EMQX's template gives a number, a boolean or their text, "undefined" where it does not apply. */
static bool read_retain(const struct cJSON *json, bool *out)
{
	static const char *const no[] = {"false", "0", "undefined", "null", ""};
	const struct cJSON *item = cJSON_GetObjectItemCaseSensitive(json, "retain");
	if (!item || cJSON_IsNull(item) || cJSON_IsBool(item)) {
		*out = cJSON_IsTrue(item);
		return true;
	}
	if (cJSON_IsNumber(item)) {
		*out = item->valuedouble > 0.5;
		return true;
	}
	*out = true;
	for (size_t i = 0; cJSON_IsString(item) && i < sizeof no / sizeof *no; i++) {
		*out = *out && !text_equals_nocase(item->valuestring, no[i]);
	}
	return cJSON_IsString(item);
}

static bool read_access(const struct cJSON *json, char topic[BROKER_TOPIC_SIZE], struct acl_request *out)
{
	char action[16];
	if (!json_text(json, "topic", true, topic, BROKER_TOPIC_SIZE, NULL) ||
	    !json_text(json, "action", true, action, sizeof action, NULL) || !read_retain(json, &out->retain)) {
		return false;
	}
	bool write = strcmp(action, "publish") == 0;
	out->access = write ? ACL_WRITE : ACL_SUBSCRIBE;
	out->topic = topic;
	return write || strcmp(action, "subscribe") == 0;
}

void broker_emqx_access(struct http_request *req, struct worker *worker, void *ctx)
{
	(void)worker;
	struct client client;
	char topic[BROKER_TOPIC_SIZE];
	struct acl_request request = {.payload = NULL};
	bool allow = false;
	scoped_json struct cJSON *json = read_body(req);
	if (json && read_client(json, &client) && read_access(json, topic, &request)) {
		allow = admission_access(ctx, client.id, client.username, &request);
	} else {
		admission_denied();
	}
	answer(req, allow ? "{\"result\":\"allow\"}" : "{\"result\":\"deny\"}");
}
