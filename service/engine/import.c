#include "engine/import.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/clock.h"
#include "common/err.h"
#include "common/log.h"
#include "common/scoped.h"
#include "common/text.h"
#include "config/config.h"
#include "engine/files.h"
#include "engine/private.h"
#include "engine/upload.h"
#include "fetch/fetch.h"
#include "fetch/hosts.h"
#include "metrics/metrics.h"
#include "work/pool.h"

enum { CONNECT_MS = 10000, SLOW_BYTES = 1024, SLOW_MS = 20000, TELL_MS = 10000 };

struct import {
	struct engine *engine;
	struct import_order order;
	struct file file; /* as the order makes it */
	import_done *done;
	void *ctx;
	struct worker *worker;
	struct upload *upload;
	int64_t began_ms, told_ms;
	uint64_t bytes;
};

/* --- before --- */

static bool check_host(const char *url, const struct config *config, struct err *err)
{
	return hosts_check(config->import_hosts, err)
		       ? hosts_allow(config->import_hosts, "import_hosts", url, err) || err_prefix(err, "file_url")
		       : err_prefix(err, "import_hosts");
}

static bool check_plan(const struct import *i, const struct config *config, struct err *err)
{
	const struct firmware *fw = &i->file.firmware;
	if (!file_proves(fw) && !i->order.sha256_told) {
		return err_set(err, ERR_INVALID,
			       "there is nothing to hold the bytes against: md5 must be 32 hex digits, or size a number of bytes, or a "
			       "sha256 be given");
	}
	if (file_size(fw->told_size) > (int64_t)config->upload_max) {
		return err_set(err, ERR_INVALID, "size: %s bytes are more than upload_max (%" PRIu64 ")", fw->told_size,
			       config->upload_max);
	}
	if (!check_host(fw->url, config, err)) {
		err->kind = err->kind == ERR_DENIED ? ERR_INVALID : err->kind; /* the file is at fault, not who asks */
		return false;
	}
	return true;
}

/* --- the bytes --- */

static bool take(void *ctx, const void *data, size_t len, struct err *err)
{
	struct import *i = ctx;
	int64_t now = clock_mono_ms();
	i->bytes += len;
	if (now - i->told_ms >= TELL_MS) {
		i->told_ms = now;
		log_info("importing", LOG_I("file", i->file.firmware.id), LOG_S("url", i->file.firmware.url), LOG_U("bytes", i->bytes),
			 LOG_I("seconds", (now - i->began_ms) / 1000));
	}
	return upload_write(i->upload, i->worker, data, len, err);
}

static bool fetch(struct import *i, struct fetch_answer *answer, struct err *err)
{
	const struct config *config = i->engine->config;
	int64_t size = file_size(i->file.firmware.told_size);
	const struct fetch_request request = {
		.url = i->file.firmware.url,
		.ca_file = config->fetch_ca_file,
		.connect_ms = CONNECT_MS,
		.total_ms = config->import_timeout,
		.slow_bytes = SLOW_BYTES,
		.slow_ms = SLOW_MS,
		.max_bytes = size >= 0 ? (uint64_t)size : config->upload_max,
		.public_only = true,
	};
	if (fetch_get(&request, take, i, answer, err)) {
		return true;
	}
	if (err->kind == ERR_DENIED || err->kind == ERR_TOO_LARGE) { /* of the request that asked for it these would say something else */
		err->kind = ERR_INVALID;
	}
	return err_prefix(err, "file_url");
}

static bool verify(const struct import *i, const struct artifact *bytes, const struct fetch_answer *answer, struct err *err)
{
	char theirs[2 * sizeof bytes->sha256 + 1];
	if (!file_matches(&i->file.firmware, bytes, err)) {
		return !*answer->content_encoding
			       ? false
			       : err_prefix(err, "the server sent them with Content-Encoding: %s", answer->content_encoding);
	}
	if (i->order.sha256_told && memcmp(i->order.sha256, bytes->sha256, sizeof bytes->sha256) != 0) {
		text_hex(theirs, bytes->sha256, sizeof bytes->sha256);
		return err_set(err, ERR_INVALID, "sha256: theirs is %s", theirs);
	}
	return true;
}

static bool obtain(struct import *i, struct firmware *out, struct err *err)
{
	struct fetch_answer answer;
	struct artifact bytes;
	i->upload = upload_new(i->engine, err);
	*out = i->file.firmware;
	bool ok = i->upload && fetch(i, &answer, err) && upload_artifact(i->upload, &bytes, err) && verify(i, &bytes, &answer, err) &&
		  upload_seal(i->upload, i->worker, out, err);
	upload_free(&i->upload, i->worker);
	return ok;
}

/* --- the file --- */

/* fetched: NULL = its bytes are ours already. */
static bool write_file(struct import *i, struct worker *w, const struct firmware *fetched, struct file *out, struct err *err)
{
	struct file_edit *edit = &i->order.edit;
	struct firmware *to = &edit->to.firmware;
	if (fetched) {
		edit->to.imported = true;
		text_copy(to->url, sizeof to->url, fetched->url);
		text_copy(to->version, sizeof to->version, fetched->version);
		to->artifact = fetched->artifact;
		to->image = fetched->image;
	}
	if (to->id) {
		return files_edit(i->engine, w, &i->order.actor, edit, out, err);
	}
	*out = edit->to;
	return files_create(i->engine, w, &i->order.actor, out, edit->ranges, err);
}

static void run(void *arg, struct worker *worker)
{
	scoped_free struct import *i = arg;
	struct engine *e = i->engine;
	struct err err = {0};
	struct firmware fetched;
	struct file out;
	i->worker = worker;
	i->began_ms = i->told_ms = clock_mono_ms();
	log_info("import begun", LOG_I("file", i->file.firmware.id), LOG_S("url", i->file.firmware.url),
		 LOG_S("actor", i->order.actor.name), LOG_S("request", i->order.actor.request));
	bool ok = obtain(i, &fetched, &err) && write_file(i, worker, &fetched, &out, &err);
	if (!ok) {
		log_warn("import failed", LOG_I("file", i->file.firmware.id), LOG_S("url", i->file.firmware.url), LOG_U("bytes", i->bytes),
			 LOG_S("why", err.text), LOG_S("request", i->order.actor.request));
	}
	metrics_add(ok ? METRIC_IMPORTS : METRIC_IMPORTS_FAILED, 1);
	atomic_store(&e->importing, false);
	i->done(i->ctx, worker, ok ? &out : NULL, ok ? NULL : &err);
}

static bool submit(struct import *i, struct err *err)
{
	bool idle = false;
	if (!atomic_compare_exchange_strong(&i->engine->importing, &idle, true)) {
		return err_set(err, ERR_BUSY, "another import is under way, and there is one at a time; try again when it is done");
	}
	if (!pool_submit(i->engine->imports, run, i)) {
		atomic_store(&i->engine->importing, false);
		return err_set(err, ERR_BUSY, "the service is stopping");
	}
	return true;
}

static bool edit_only(struct import *i, struct worker *w, struct err *err)
{
	struct file out;
	const uint8_t *ours = i->file.firmware.artifact.sha256;
	if (i->order.sha256_told && memcmp(i->order.sha256, ours, sizeof i->order.sha256) != 0) {
		return err_set(err, ERR_CONFLICT, "the bytes of this file are here already, and they have another sha256");
	}
	const struct firmware *named = &i->order.edit.to.firmware;
	if (i->order.edit.fields ? !write_file(i, w, NULL, &out, err) : !files_get(w, named->product_id, named->id, &out, err)) {
		return false;
	}
	i->done(i->ctx, w, &out, NULL);
	return true;
}

bool import_begin(struct engine *e, struct worker *w, const struct import_order *order, import_done *done, void *ctx, struct err *err)
{
	scoped_free struct import *i = calloc(1, sizeof *i);
	if (!i) {
		return err_set(err, ERR_INTERNAL, "out of memory");
	}
	i->engine = e;
	i->order = *order;
	i->done = done;
	i->ctx = ctx;
	if (!files_preview(w, &order->edit, &i->file, err)) {
		return false;
	}
	if (!i->file.firmware.external) {
		return edit_only(i, w, err);
	}
	if (!check_plan(i, e->config, err) || !submit(i, err)) {
		return false;
	}
	steal(&i); /* run() has it */
	return true;
}
