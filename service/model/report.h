/* What a device's words and silence mean for its task: pure rules on values (DESIGN.md, idea 2). The caller applies the answer through the
 * task table. */
#ifndef MODEL_REPORT_H
#define MODEL_REPORT_H

#include <stdbool.h>
#include <stdint.h>

#include "model/task.h"

/* One message of a device, whatever its dialect. */
struct report {
	enum report_kind {
		REPORT_VERSION,  /* "I run version" */
		REPORT_PROGRESS, /* "step" of a task */
		REPORT_REJECTED, /* "I do not want it" */
		REPORT_BYTES,    /* the transport's evidence: coverage */
	} kind;
	int64_t device_id;
	int64_t task_id; /* 0 = the live task of device and component */
	char component[COMPONENT_SIZE];
	char version[VERSION_SIZE];
	bool booted;    /* REPORT_VERSION: with evidence of a boot (a Xiaozhi check, a new MQTT connection); a poll alone is none */
	bool announced; /* REPORT_VERSION: said for its own sake, not along with a question */
	bool has_elf;   /* REPORT_VERSION: of the build that runs, as the device tells it */
	uint8_t elf_sha256[32];
	int64_t step; /* REPORT_PROGRESS: 0..100, -1 failed, -2 download, -3 verify, -4 write */
	char detail[TEXT_SIZE];
	struct coverage bytes; /* REPORT_BYTES */
};

/* What to do with the task. */
struct verdict {
	bool moves; /* false: nothing */
	enum task_event event;
	const char *code;   /* static; "" */
	bool learn_version; /* this version becomes the firmware's known version */
};

/* What a task is to bring. */
struct report_target {
	const char *version;       /* the firmware's; "" = unknown */
	const uint8_t *elf_sha256; /* 32 bytes; NULL = unknown: no image */
	int64_t size;              /* the artifact's */
	bool elsewhere;            /* fetched from a URL that is not ours: of its bytes nothing is heard here */
};

/* Judges a report against a task of its device and component (task->id may be older than the report: stale ids were ruled out by the
 * caller). Where device and firmware both tell their build, that alone says whether the task has succeeded; a version is as good only
 * where one of them does not. May alter the task's own notes (got, fetched, seen_version, source_version); *noted says whether it did. */
struct verdict report_judge(struct task *task, const struct report_target *target, const struct report *report, bool *noted);

struct task_timers {
	int64_t ttl_ms;     /* queued, notified, accepted: since the order */
	int64_t stall_ms;   /* downloading: since the last progress */
	int64_t install_ms; /* downloaded, installing: since then */
};

/* What silence means: the event of the timer that has ended by now_ms. */
struct verdict report_silence(const struct task *task, const struct task_timers *timers, int64_t now_ms);

/* When the timer of a live task ends, ms since 1970. */
int64_t report_deadline(enum task_state state, int64_t created_ms, int64_t updated_ms, const struct task_timers *timers);

#endif
