/* The plugin's state: one broker, one thread. Inside plugin/ only. */
#ifndef PLUGIN_PLUGIN_H
#define PLUGIN_PLUGIN_H

#include <stdbool.h>
#include <stdint.h>

#include "plugin/control.h"
#include "plugin/counters.h"
#include "plugin/dump.h"
#include "plugin/options.h"
#include "plugin/presence.h"
#include "plugin/revocations.h"
#include "plugin/sessions.h"
#include "plugin/tell.h"

struct journal;
struct mosquitto_plugin_id_t;

struct plugin {
	struct mosquitto_plugin_id_t *id;
	struct options options;
	struct counters counters;
	struct sessions sessions;
	struct presence presence;
	struct dump dump;
	struct tell tell;
	struct revocations revocations;
	struct journal *journal;
	struct control control;

	bool sweeping;       /* between RELOAD and TICK the broker asks again for everyone it knows, connected or not */
	bool kicking;        /* the broker asks again about a session's subscriptions */
	uint64_t ticks;      /* 0 = the broker has never ticked */
	int64_t started_ms;  /* when the first callback came */
	int64_t pulse_ms;    /* when that was made up for by other callbacks last */
	int64_t told_ms;     /* when events were told last */
	int64_t counters_ms; /* when the counters were */
	int64_t refused_ms;  /* when a refused login was logged last */
	uint64_t refused;    /* that were not logged since */
	bool warned;         /* about ticks that do not come */
};

/* The end of a connection, if it was one of ours. */
struct mosquitto;
void plugin_forget(struct plugin *p, const struct mosquitto *client);

#endif
