#include "engine/keyring.h"

#include <pthread.h>
#include <stdlib.h>

#include "common/err.h"
#include "model/nouns.h"

struct keyring {
	pthread_rwlock_t lock;
	struct credential_keys keys;
};

struct keyring *keyring_new(const char *path, struct err *err)
{
	struct keyring *ring = calloc(1, sizeof *ring);
	if (!ring) {
		err_set(err, ERR_INTERNAL, "out of memory");
		return NULL;
	}
	if (!credential_keys_load(&ring->keys, path, err)) {
		err_prefix(err, "mqtt_keys_file");
		free(ring);
		return NULL;
	}
	pthread_rwlock_init(&ring->lock, NULL);
	return ring;
}

void keyring_free(struct keyring **rp)
{
	struct keyring *ring = *rp;
	if (ring) {
		credential_keys_clear(&ring->keys);
		pthread_rwlock_destroy(&ring->lock);
		free(ring);
		*rp = NULL;
	}
}

bool keyring_reload(struct keyring *ring, const char *path, struct err *err)
{
	struct credential_keys fresh = {.count = 0};
	if (!credential_keys_load(&fresh, path, err)) {
		return err_prefix(err, "mqtt_keys_file");
	}
	pthread_rwlock_wrlock(&ring->lock);
	struct credential_keys old = ring->keys;
	ring->keys = fresh;
	pthread_rwlock_unlock(&ring->lock);
	credential_keys_clear(&old);
	return true;
}

bool keyring_issue_xiaozhi(struct keyring *ring, const char *client_id, const char *device, int64_t epoch, const char *address,
			   struct credential *out)
{
	pthread_rwlock_rdlock(&ring->lock);
	bool ok = credential_issue(&ring->keys, client_id, device, (uint32_t)epoch, address, out);
	pthread_rwlock_unlock(&ring->lock);
	return ok;
}

bool keyring_issue(struct keyring *ring, const struct device *device, struct credential *out)
{
	return keyring_issue_xiaozhi(ring, device->client_id, device->name, device->epoch, "", out);
}

enum credential_verdict keyring_verify(struct keyring *ring, const char *client_id, const char *username, const char *password,
				       char device[CREDENTIAL_DEVICE_SIZE], uint32_t *epoch)
{
	pthread_rwlock_rdlock(&ring->lock);
	enum credential_verdict verdict = credential_verify(&ring->keys, client_id, username, password, device, epoch);
	pthread_rwlock_unlock(&ring->lock);
	return verdict;
}
