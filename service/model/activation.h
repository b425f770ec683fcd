/* Activation: what a device shows to its owner, and how one with a licence proves itself. Pure, but for the codes' randomness. */
#ifndef MODEL_ACTIVATION_H
#define MODEL_ACTIVATION_H

#include <stdbool.h>
#include <stdint.h>

#include "model/mac.h"
#include "model/nouns.h"

struct licence_key;

enum {
	ACTIVATION_CODE_SIZE = 7, /* six digits */
	ACTIVATION_WORD_SIZE = 65,
	ACTIVATION_HMAC_SIZE = 65, /* 64 hex digits */
};

/* What a check tells of a device; "" = not told. */
struct activation_facts {
	char mac[MAC_SIZE]; /* as mac_parse() makes it */
	char client_uuid[ACTIVATION_WORD_SIZE];
	char board_type[ACTIVATION_WORD_SIZE];
	char board_name[ACTIVATION_WORD_SIZE];
	char serial[33];
	char address[64]; /* who asks */
};

/* A random number -> a code, all equally likely. false: this number would favour some, draw another. */
bool activation_code_from(uint32_t random, char out[ACTIVATION_CODE_SIZE]);
/* A fresh code. */
void activation_code(char out[ACTIVATION_CODE_SIZE]);
/* Six ASCII digits? */
bool activation_is_code(const char *text);

/* "94A9902C84B8" -> "94_a9_90_2c_84_b8": the name of a device that came by itself. */
void activation_name(const char *mac, char out[NAME_SIZE]);

/* The network an address is counted by: an IPv4 address itself (mapped ones too), of IPv6 the /64, which one customer owns. */
void activation_network(const char *address, char out[64]);

/* Is hmac the lower-case hex HMAC-SHA256 of the challenge's bytes? Constant time. */
bool activation_proves(const struct licence_key *key, const char *challenge, const char *hmac);

#endif
