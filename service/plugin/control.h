/* CONTROL: what the service asks on $CONTROL/otad/v1 (service/INTERFACES.md). The broker's thread only. */
#ifndef PLUGIN_CONTROL_H
#define PLUGIN_CONTROL_H

#include <stddef.h>
#include <stdint.h>

#include "common/credential.h"

#define CONTROL_TOPIC "$CONTROL/otad/v1"

struct mosquitto_evt_control;
struct plugin;

enum {
	CONTROL_ID_SIZE = 65,
	CONTROL_WAITING = 64, /* requests that wait for the disk */
	CONTROL_ROWS = 1000,  /* entries in one request */
};

struct control {
	uint64_t revision; /* in force */
	uint64_t durable;  /* on disk */
	/* Requests that wait for the disk; ticket t stands at t % CONTROL_WAITING. */
	uint64_t next; /* ticket of the next one */
	uint64_t done; /* ticket of the first that waits */
	struct control_waiting {
		char id[CONTROL_ID_SIZE];
		char client_id[CREDENTIAL_CLIENT_ID_SIZE];
		uint64_t kicked;
	} waiting[CONTROL_WAITING];
};

/* Always MOSQ_ERR_SUCCESS: the broker disconnects who gets anything else, and tells nobody why. */
int control_ask(struct plugin *p, const struct mosquitto_evt_control *event);

/* Answers what has reached the disk. */
void control_step(struct plugin *p);

#endif
