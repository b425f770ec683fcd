/* The nouns of the service as plain values: no pointers to free, no I/O. Times are ms since 1970 UTC, 0 = never; texts are NUL-terminated
 * UTF-8, "" = unknown or none. Sizes include the NUL. */
#ifndef MODEL_NOUNS_H
#define MODEL_NOUNS_H

#include <stdbool.h>
#include <stdint.h>

enum {
	CHIP_SIZE = 16,
	IMAGE_TEXT_SIZE = 33,
	IMAGE_TIME_SIZE = 34,
	NAME_SIZE = 65,           /* deviceName, product key */
	FIRMWARE_NAME_SIZE = 129, /* bytes; the seed calls it "name" */
	VERSION_SIZE = 65,
	COMPONENT_SIZE = 17,
	CLIENT_ID_SIZE = 129,
	DESCRIPTION_SIZE = 513,
	UUID_SIZE = 37,
	NICK_NAME_SIZE = 129,
	TEXT_SIZE = 257,
};

#define COMPONENT_DEFAULT "app"

struct device {
	int64_t id;
	int64_t product_id;
	char name[NAME_SIZE];
	char client_id[CLIENT_ID_SIZE];
	char mac[13];               /* 12 upper-case hex digits */
	char version[VERSION_SIZE]; /* of the component "app" */
	char nick_name[NICK_NAME_SIZE];
	bool auto_update;
	int64_t bound_ms; /* since when it is activated; 0 = it is not */
	bool registered;  /* it has made itself known */
	int64_t last_seen_ms;
	int64_t epoch;       /* of its credentials, from 1 */
	int64_t shown_epoch; /* the last one whose password was shown; 0 = none */
	int64_t blocked_ms;  /* since when it is blocked; 0 = it is not */
	int8_t online;       /* connected to the broker: 1, 0, or -1 = not known; not from the database */
	int64_t rev;
	int64_t created_ms;
	int64_t updated_ms;
};

/* What a component of a device runs, and when it was last told. */
enum { DEVICE_VERSIONS_MAX = 17 };
struct device_version {
	char component[COMPONENT_SIZE];
	char version[VERSION_SIZE];
	int64_t reported_ms;
};

/* Of this name, passwords of an epoch below `epoch` are refused, and with `blocked` all. Brokers are told in the order of rev. */
struct revocation {
	char device[NAME_SIZE];
	int64_t epoch;
	bool blocked;
	int64_t rev;
};

/* The bytes, named by their SHA-256. */
struct artifact {
	uint8_t sha256[32];
	uint8_t md5[16];
	int64_t size;
};

/* What an ESP-IDF app image says of itself (model/image.h reads it). */
struct image {
	char chip[CHIP_SIZE]; /* as devices spell theirs: "esp32s3"; "" = the file is no such image */
	char project[IMAGE_TEXT_SIZE];
	char version[IMAGE_TEXT_SIZE];
	char idf[IMAGE_TEXT_SIZE];
	char compiled[IMAGE_TIME_SIZE]; /* date and time as the compiler had them; not kept in the database */
	uint8_t elf_sha256[32];         /* what the device tells as its own */
};

/* One with a URL is a file (model/file.h): told as it is to devices whose dialect takes URLs. Where the bytes are not ours (external) there
 * is no artifact but for the size, if what the operator told can be read as one: nothing may look for its bytes or name it by their hash.
 */
struct firmware {
	int64_t id;
	int64_t product_id;
	char component[COMPONENT_SIZE];
	char name[FIRMWARE_NAME_SIZE];
	char file_name[TEXT_SIZE]; /* as uploaded; shown, never opened */
	char version[VERSION_SIZE];
	struct artifact artifact;
	struct image image;
	bool external;
	bool force;           /* also for who runs this version already */
	bool allow_downgrade; /* also for who runs a newer one */
	char url[TEXT_SIZE];  /* "" = no file */
	char told_md5[65];    /* as the operator gave it: may be no MD5 */
	char told_size[33];   /* likewise: "20kb" */
	char customize[TEXT_SIZE];
	int64_t rev;
	int64_t created_ms;
	int64_t updated_ms;
};

/* Of a ranked rollout: to those whom its ranges name; to them, or without ranges to the whole product; to nobody. */
enum rollout_stage { STAGE_TEST, STAGE_ONLINE, STAGE_INVALID };

enum rollout_way { WAY_PUSH, WAY_PASSIVE, WAY_STANDING };

/* An operator's order. push and passive are single rollouts (one device); standing is for whoever comes and is eligible: the one of its
 * product and component, or one of many that are ranked by their firmware's versions (a file's). */
struct rollout {
	int64_t id;
	enum rollout_way way;
	int64_t product_id;
	int64_t device_id; /* 0 when standing */
	int64_t firmware_id;
	int64_t task_id; /* the latest task of a single rollout, 0 when standing */
	char component[COMPONENT_SIZE];
	char version_name[VERSION_SIZE];
	char description[DESCRIPTION_SIZE];
	bool named; /* standing: it has ranges */
	bool ranked;
	enum rollout_stage stage; /* ONLINE unless ranked */
	int64_t created_ms;       /* ranked: when its image was told last; what became of earlier ones does not count */
	int64_t ended_ms;
};

/* Their words, as in the database. parse answers false on anything else. */
const char *rollout_way_name(enum rollout_way way);
bool rollout_way_parse(const char *name, enum rollout_way *out);
const char *rollout_stage_name(enum rollout_stage stage);
bool rollout_stage_parse(const char *name, enum rollout_stage *out);

/* The operator (or the service itself) on whose behalf something is written; every write is audited with it. */
struct actor {
	char name[NAME_SIZE];
	char address[64];
	char request[17];
};

enum role { ROLE_NONE = 0, ROLE_VIEWER = 1, ROLE_OPERATOR = 2, ROLE_ADMIN = 3 };
const char *role_name(enum role role);
enum role role_parse(const char *name); /* ROLE_NONE when unknown */

#endif
