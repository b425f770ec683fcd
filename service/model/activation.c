#include "model/activation.h"

#include <arpa/inet.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "common/digest.h"
#include "common/text.h"
#include "model/licence.h"

enum { CODES = 1000000, PREFIX_LEN = 8 };

bool activation_code_from(uint32_t random, char out[ACTIVATION_CODE_SIZE])
{
	if (random >= UINT32_MAX / CODES * CODES) {
		return false;
	}
	snprintf(out, ACTIVATION_CODE_SIZE, "%06" PRIu32, random % CODES);
	return true;
}

void activation_code(char out[ACTIVATION_CODE_SIZE])
{
	uint32_t random;
	do {
		digest_random(&random, sizeof random);
	} while (!activation_code_from(random, out));
}

bool activation_is_code(const char *text)
{
	return strnlen(text, ACTIVATION_CODE_SIZE) == ACTIVATION_CODE_SIZE - 1 && strspn(text, "0123456789") == ACTIVATION_CODE_SIZE - 1;
}

void activation_name(const char *mac, char out[NAME_SIZE])
{
	size_t n = 0;
	for (size_t i = 0; mac[i] && n + 3 < NAME_SIZE; i++) {
		if (i && i % 2 == 0) {
			out[n++] = '_';
		}
		out[n++] = (char)(mac[i] >= 'A' && mac[i] <= 'F' ? mac[i] - 'A' + 'a' : mac[i]);
	}
	out[n] = '\0';
}

void activation_network(const char *address, char out[64])
{
	struct in6_addr v6;
	if (inet_pton(AF_INET6, address, &v6) != 1) {
		text_copy(out, 64, address);
	} else if (IN6_IS_ADDR_V4MAPPED(&v6)) {
		inet_ntop(AF_INET, &v6.s6_addr[12], out, 64);
	} else {
		memset(&v6.s6_addr[PREFIX_LEN], 0, sizeof v6.s6_addr - PREFIX_LEN);
		inet_ntop(AF_INET6, &v6, out, 60);
		memcpy(out + strlen(out), "/64", sizeof "/64");
	}
}

bool activation_proves(const struct licence_key *key, const char *challenge, const char *hmac)
{
	uint8_t mac[DIGEST_SHA256_LEN];
	char expected[ACTIVATION_HMAC_SIZE];
	struct digest_key *keyed = digest_key_new(key->bytes, key->len);
	if (!keyed) {
		return false;
	}
	digest_mac(keyed, challenge, strlen(challenge), mac);
	digest_key_free(&keyed);
	text_hex(expected, mac, sizeof mac);
	bool right =
		strnlen(hmac, ACTIVATION_HMAC_SIZE) == ACTIVATION_HMAC_SIZE - 1 && digest_equal(expected, hmac, ACTIVATION_HMAC_SIZE - 1);
	explicit_bzero(expected, sizeof expected);
	return right;
}
