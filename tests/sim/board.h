/* A Xiaozhi device: what it does between power-on and power-off is a state machine as a table (board.c); it speaks in board_check.c (the
 * check and /activate), board_upgrade.c (the download) and board_link.c (MQTT). protocols/xiaozhi.md is what it plays.
 *
 * An answer that would hurt a real device ends it for good, with a sentence, and the simulator's exit status is then 1.
 */
#ifndef SIM_BOARD_H
#define SIM_BOARD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>

#include "flash.h"
#include "generation.h"
#include "loop.h"
#include "stats.h"
#include "wire.h"

struct buf;
struct mosquitto;
struct sim;

enum { BOARD_CODE_SIZE = 16, BOARD_CHALLENGE_SIZE = 128, BOARD_WHY_SIZE = 256 };

enum board_state {
	BOARD_OFF,
	BOARD_CHECKING,
	BOARD_WAITING,    /* until it checks again */
	BOARD_ACTIVATING, /* /activate is asked */
	BOARD_PAUSING,    /* until it asks /activate again */
	BOARD_UPGRADING,
	BOARD_RESTARTING,
	BOARD_RUNNING,
	BOARD_DEAD, /* it was hurt */
};

enum board_event {
	BOARD_TIMER,
	BOARD_UNANSWERED, /* the check failed */
	BOARD_CLEAN,      /* nothing to do any more */
	BOARD_CODE,       /* it must be activated */
	BOARD_OFFERED,    /* url is set */
	BOARD_ACTIVATED,
	BOARD_NOT_YET,
	BOARD_REFUSED,
	BOARD_INSTALLED,
	BOARD_FAILED,      /* the upgrade; why is set */
	BOARD_TOLD_REBOOT, /* by MQTT */
	BOARD_TOLD_UPGRADE,
	BOARD_POWER_LOST, /* or the reset button */
	BOARD_HURT,       /* why is set */
};

/* What it keeps over a reboot, as an answer said it last. All NULL until then. */
struct board_kept {
	char *endpoint;
	char *client_id;
	char *username;
	char *password;
	char *publish_topic;
	int keepalive;
};

struct board_link {
	struct mosquitto *client; /* NULL unless it is to be connected */
	int fd;
	bool queued;
	bool dialling;
	bool dialled; /* the TCP connection of this attempt is there */
	bool up;
	int connack;
	char host[WIRE_HOST_SIZE / 2];
	struct loop_timer retry; /* next connect, or the deadline of the present one */
	struct loop_timer misc;
	struct loop_timer talk;
	STAILQ_ENTRY(board) queue;
};

struct board {
	struct sim *sim;
	char mac[18];
	char name[18]; /* the mac with underscores */
	char uuid[37];
	enum generation_kind kind;
	uint32_t traits; /* of what runs */
	enum board_state state;
	bool finished;
	bool clean;        /* this boot's check has ended well */
	bool was_clean;    /* so has an earlier one */
	bool by_websocket; /* the last answer names no broker, but a WebSocket: nothing to connect to between conversations */
	bool ordered;      /* the upgrade under way was told by MQTT */
	bool hung;         /* this image never checks */
	bool expecting;    /* an image was installed and is not proven yet, nor rolled back */
	int tries;         /* of the check or of /activate, in a row */
	int64_t bad_left;
	int64_t losses_left;
	int64_t updates;
	int64_t checks; /* that were answered well */
	int64_t offered_ms;
	char code[BOARD_CODE_SIZE];
	char challenge[BOARD_CHALLENGE_SIZE];
	char why[BOARD_WHY_SIZE];
	char *url;  /* of the image to fetch */
	char *told; /* its version; NULL: told by MQTT */
	struct flash flash;
	struct flash_write *write; /* while it downloads */
	struct board_kept kept;
	struct wire wire;
	struct loop_timer timer;
	struct board_link link;
};

/* Prepares number i of the fleet; it is switched on in its time. False: the options do not make a device. */
bool board_start(struct board *b, struct sim *sim, size_t i, struct err *err);
void board_stop(struct board *b);
void board_happen(struct board *b, enum board_event event);
/* Puts the sentence into why; then board_happen(b, event). */
void board_because(struct board *b, enum board_event event, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
void board_tell(struct board *b, enum stats_event event, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
void board_judge(struct board *b);
void board_missing(const struct board *b, char *out, size_t size);

/* board_check.c */
void board_check(struct board *b);
void board_activate(struct board *b);
void board_describe(const struct board *b, struct buf *out); /* the body of the check */
const char *board_sku(const struct board *b);

/* board_upgrade.c */
void board_fetch(struct board *b);
void board_fetch_stop(struct board *b);

/* board_link.c */
void board_connect(struct board *b); /* if it has been given credentials */
void board_disconnect(struct board *b);
void board_publish(struct board *b, const char *text, size_t len); /* on its publish_topic, QoS 0 */

#endif
