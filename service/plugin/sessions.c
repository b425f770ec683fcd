#include "plugin/sessions.h"

#include <stdlib.h>
#include <string.h>

#include "common/text.h"

static uint64_t client_key(const struct mosquitto *client)
{
	return (uint64_t)(uintptr_t)client;
}

static uint64_t device_key(const char *device)
{
	uint64_t hash = text_hash(device, strlen(device));
	return hash + (hash == 0);
}

void sessions_clear(struct sessions *s)
{
	for (struct session *at = s->oldest; at;) {
		struct session *next = at->newer;
		free(at);
		at = next;
	}
	map_free(&s->by_client);
	map_free(&s->by_device);
	*s = (struct sessions){0};
}

struct session *sessions_get(const struct sessions *s, const struct mosquitto *client)
{
	return map_get(&s->by_client, client_key(client));
}

static struct session *with_name(struct session *at, const char *device)
{
	while (at && strcmp(at->device, device) != 0) {
		at = at->same_hash;
	}
	return at;
}

struct session *sessions_of(const struct sessions *s, const char *device)
{
	return with_name(map_get(&s->by_device, device_key(device)), device);
}

struct session *sessions_next_of(const struct session *session)
{
	return with_name(session->same_hash, session->device);
}

static void append(struct sessions *s, struct session *session)
{
	session->older = s->newest;
	*(s->newest ? &s->newest->newer : &s->oldest) = session;
	s->newest = session;
}

struct session *sessions_add(struct sessions *s, struct mosquitto *client, const char *device, uint32_t epoch)
{
	size_t size = strlen(device) + 1;
	struct session *session = malloc(sizeof *session + size);
	if (!session) {
		return NULL;
	}
	uint64_t key = device_key(device);
	bool is_new = *device && !sessions_of(s, device);
	*session = (struct session){.same_hash = map_get(&s->by_device, key), .client = client, .epoch = epoch, .subs_before = -1};
	memcpy(session->device, device, size);
	if (!map_put(&s->by_client, client_key(client), session)) {
		free(session);
		return NULL;
	}
	if (!map_put(&s->by_device, key, session)) {
		map_remove(&s->by_client, client_key(client));
		free(session);
		return NULL;
	}
	append(s, session);
	s->devices += is_new;
	return session;
}

/* Out of the chain of its hash. */
static void unchain(struct sessions *s, const struct session *session)
{
	uint64_t key = device_key(session->device);
	struct session *head = map_get(&s->by_device, key);
	if (head == session) {
		map_remove(&s->by_device, key);
		if (session->same_hash) {
			map_put(&s->by_device, key, session->same_hash); /* needs no memory: there is the place of the removed one */
		}
		return;
	}
	while (head && head->same_hash != session) {
		head = head->same_hash;
	}
	if (head) {
		head->same_hash = session->same_hash;
	}
}

void sessions_remove(struct sessions *s, struct session *session)
{
	unchain(s, session);
	map_remove(&s->by_client, client_key(session->client));
	*(session->older ? &session->older->newer : &s->oldest) = session->newer;
	*(session->newer ? &session->newer->older : &s->newest) = session->older;
	s->devices -= *session->device && !sessions_of(s, session->device);
	free(session);
}
