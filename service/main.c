/* Wires the rooms; the only file that knows them all. */
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "closing.h"
#include "command.h"
#include "command_key.h"
#include "common/buf.h"
#include "common/err.h"
#include "common/log.h"
#include "config/config.h"
#include "dialect/broker.h"
#include "dialect/fog.h"
#include "dialect/fog_oss.h"
#include "dialect/native.h"
#include "dialect/oc.h"
#include "dialect/ops.h"
#include "dialect/xiaozhi.h"
#include "dialect/xiaozhi_push.h"
#include "engine/engine.h"
#include "fetch/fetch.h"
#include "http/server.h"
#include "http/tls.h"
#include "mqtt/mqtt.h"
#include "mqtt/trust.h"
#include "store/db.h"
#include "store/migrate.h"
#include "version.h"
#include "work/pool.h"

enum { PRINT_MAX = 64 * 1024, STATEMENT_MS = 60000, CORES_MAX = 4, START_TRIES = 60, RETIRED_MAX = 16 };

static const char usage[] = "otad - OTA update service for MQTT and HTTP devices\n"
			    "\n"
			    "Usage:\n"
			    "  otad [--config FILE]                 run the service\n"
			    "  otad [--config FILE] migrate         bring the database to this program's schema, then exit\n"
			    "  otad [--config FILE] user add NAME --role admin|operator|viewer [--password-stdin]\n"
			    "  otad [--config FILE] user list | passwd NAME | disable NAME | enable NAME\n"
			    "  otad [--config FILE] token add USER [--label TEXT] [--ttl 30d] | list USER | revoke ID\n"
			    "  otad mqtt-key [--retire] FILE        make, rotate or retire the key that signs devices' MQTT passwords\n"
			    "\n"
			    "Options:\n"
			    "  -c, --config FILE    configuration: \"key = value\" lines (see --print-example)\n"
			    "      --check-config   check configuration and exit: 0 good, 1 not\n"
			    "      --print-config   print the configuration in force, secrets masked\n"
			    "      --print-example  print every key with its default and what it is for\n"
			    "  -V, --version        print the version\n"
			    "  -h, --help           this text\n"
			    "\n"
			    "Every key can also come from the environment: http_port is OTAD_HTTP_PORT.\n"
			    "SIGHUP reads the configuration again; SIGTERM finishes what is running and exits 0.\n"
			    "\n"
			    "First steps: create a database, set pg and master_key_file (openssl rand -hex 32), then\n"
			    "  otad mqtt-key /etc/otad/mqtt.keys && otad migrate && otad user add me --role admin && otad\n";

struct service {
	const char *path;
	struct config *config;
	struct config *retired[RETIRED_MAX]; /* replaced by reloads; parts of the service may still point into them */
	size_t retired_count;
	struct db_config worker_db;
	struct pool *pool;
	struct engine *engine;
	struct mqtt *mqtt;
	struct http_server *http;
	struct http_dialect dialects[5 + FOG_OSS_ROOTS + XIAOZHI_ROOTS];
};

static int fail(const struct err *err)
{
	fprintf(stderr, "otad: %s\n", err->text);
	return 1;
}

static void apply_log(const struct config *config)
{
	enum log_level level = LOG_LEVEL_INFO;
	enum log_format format = LOG_FORMAT_LOGFMT;
	log_level_parse(config->log_level, &level);
	log_format_parse(config->log_format, &format);
	log_setup(level, format);
}

static int print_config(const struct config *config)
{
	struct buf out;
	buf_init(&out, PRINT_MAX);
	if (config) {
		config_print(config, &out);
	} else {
		config_print_example(&out);
	}
	fputs(buf_cstr(&out), stdout);
	buf_free(&out);
	return 0;
}

static int migrate(const struct config *config)
{
	struct err err = {0};
	struct db_config dbc = {.uri = *config->pg_migrate ? config->pg_migrate : config->pg, .name = "otad/migrate"};
	struct db *db = db_open(&dbc, &err);
	int applied = 0;
	bool ok = db && store_migrate(db, &applied, &err);
	db_close(&db);
	if (!ok) {
		return fail(&err);
	}
	printf("schema up to date (%d migration%s applied)\n", applied, applied == 1 ? "" : "s");
	return 0;
}

/* --- the service --- */

/* A database that is not there yet (booting beside us) is waited for; one that is not ours is not. */
static struct engine *start_engine(const struct service *s, struct err *err)
{
	for (int tries = 0;; tries++) {
		struct engine *engine = engine_start(s->config, s->pool, err);
		if (engine || err->kind != ERR_UNAVAILABLE || tries == START_TRIES) {
			return engine;
		}
		log_warn("waiting for the database", LOG_S("error", err->text));
		sleep(1);
		err->kind = ERR_NONE;
	}
}

static unsigned loop_count(const struct config *config)
{
	if (config->http_loops > 0) {
		return (unsigned)config->http_loops;
	}
	long cores = sysconf(_SC_NPROCESSORS_ONLN);
	return cores < 1 ? 1 : cores > CORES_MAX ? CORES_MAX : (unsigned)cores;
}

static bool start_http(struct service *s, struct err *err)
{
	const struct config *c = s->config;
	struct http_config http = {
		.address = c->http_address,
		.port = (int)c->http_port,
		.tls_port = (int)c->https_port,
		.tls_cert_file = c->tls_cert_file,
		.tls_key_file = c->tls_key_file,
		.loops = loop_count(c),
		.max_connections = (unsigned)c->http_max_connections,
		.idle_timeout_ms = c->http_idle_timeout,
		.upload_max = c->upload_max,
		.trusted_proxies = c->trusted_proxies,
		.workers = s->pool,
	};
	oc_dialect(&s->dialects[0], s->engine);
	native_dialect(&s->dialects[1], s->engine);
	ops_dialect(&s->dialects[2], s->engine);
	broker_dialect(&s->dialects[3], s->engine);
	fog_dialect(&s->dialects[4], s->engine);
	fog_oss_dialects(&s->dialects[5], s->engine);
	xiaozhi_dialects(&s->dialects[5 + FOG_OSS_ROOTS], s->engine);
	s->http = http_server_start(&http, s->dialects, sizeof s->dialects / sizeof *s->dialects, err);
	return s->http != NULL;
}

static bool start(struct service *s, struct err *err)
{
	const struct config *c = s->config;
	s->worker_db = (struct db_config){.uri = c->pg, .name = "otad/worker", .statement_ms = STATEMENT_MS};
	s->pool = pool_new((unsigned)c->workers, (size_t)c->worker_queue, &s->worker_db, err);
	return s->pool && (s->engine = start_engine(s, err)) && (s->mqtt = mqtt_start(s->engine, &oc_messages, &xiaozhi_push, c, err)) &&
	       start_http(s, err);
}

static void stop(struct service *s)
{
	struct closing *closing = closing_begin(&s->worker_db, s->config->drain_timeout);
	fetch_halt(); /* who waits for one is answered while the others finish */
	http_server_stop(&s->http, s->config->drain_timeout);
	mqtt_halt(s->mqtt);
	pool_stop(&s->pool);
	engine_stop(&s->engine);
	mqtt_stop(&s->mqtt);
	closing_end(&closing);
}

static void reload(struct service *s)
{
	struct err err = {0};
	struct config *fresh = config_load(s->path, &err);
	struct buf ignored;
	if (!fresh) {
		log_error("configuration not reloaded; the old one stays", LOG_S("error", err.text));
		return;
	}
	buf_init(&ignored, PRINT_MAX);
	if (!config_keep_fixed(fresh, s->config, &ignored)) {
		config_free(&fresh);
		buf_free(&ignored);
		return;
	}
	apply_log(fresh);
	engine_reload(s->engine, fresh);
	if (!http_server_reload(s->http, fresh->tls_cert_file, fresh->tls_key_file, &err)) {
		log_error("certificate not reloaded; the old one stays", LOG_S("error", err.text));
	}
	if (s->retired_count == RETIRED_MAX) { /* the first is pointed into for ever, one retired that long ago by nobody */
		config_free(&s->retired[1]);
		memmove(&s->retired[1], &s->retired[2], (RETIRED_MAX - 2) * sizeof *s->retired);
		s->retired_count--;
	}
	s->retired[s->retired_count++] = s->config;
	s->config = fresh;
	log_info("configuration reloaded", LOG_S("needs_restart", buf_cstr(&ignored)));
	buf_free(&ignored);
}

/* Signals are waited for; no handler ever runs. */
static int wait_for_signals(struct service *s, const sigset_t *signals)
{
	for (;;) {
		siginfo_t info;
		int signal = sigwaitinfo(signals, &info);
		if (signal == SIGHUP) {
			reload(s);
		} else if (signal == SIGTERM || signal == SIGINT) {
			log_info("stopping", LOG_S("signal", signal == SIGTERM ? "TERM" : "INT"));
			return 0;
		}
	}
}

static void log_listening(const struct service *s)
{
	const char *address = s->config->http_address;
	uint16_t plain = http_server_port(s->http);
	uint16_t tls = http_server_tls_port(s->http);
	if (plain) {
		log_info("listening", LOG_S("address", address), LOG_I("port", plain), LOG_S("version", OTAD_VERSION));
	}
	if (tls) {
		log_info("listening (TLS)", LOG_S("address", address), LOG_I("port", tls), LOG_S("version", OTAD_VERSION));
	}
}

/* What can be known without starting. */
static bool check(const struct config *c, struct err *err)
{
	return engine_check(c, err) && (!*c->tls_cert_file || http_tls_check(c->tls_cert_file, c->tls_key_file, err)) &&
	       trust_check(c->mqtt_ca_file, err);
}

/* A connection is a descriptor; the soft limit of most systems is 1,024. */
static void raise_descriptors(void)
{
	struct rlimit limit;
	if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
		limit.rlim_cur = limit.rlim_max;
		setrlimit(RLIMIT_NOFILE, &limit);
	}
}

static int run(const char *path, struct config *config)
{
	struct service s = {.path = path, .config = config};
	struct err err = {0};
	sigset_t signals;
	sigemptyset(&signals);
	sigaddset(&signals, SIGHUP);
	sigaddset(&signals, SIGTERM);
	sigaddset(&signals, SIGINT);
	sigprocmask(SIG_BLOCK, &signals, NULL); /* before any thread: all inherit it */
	signal(SIGPIPE, SIG_IGN);
	raise_descriptors();
	setenv("TZ", config->timezone, 1); /* before any thread; what is logged and stored is UTC all the same */
	tzset();
	int status = 1;
	if (fetch_start(&err) && start(&s, &err)) {
		log_listening(&s);
		status = wait_for_signals(&s, &signals);
	} else {
		log_error("not started", LOG_S("error", err.text));
	}
	stop(&s);
	fetch_end();
	log_info("stopped");
	for (size_t i = 0; i < s.retired_count; i++) {
		config_free(&s.retired[i]);
	}
	config_free(&s.config);
	return status;
}

/* --- the command line --- */

enum mode { MODE_RUN, MODE_CHECK, MODE_PRINT };

static int dispatch(enum mode mode, const char *path, int argc, char **argv)
{
	if (argc > 0 && strcmp(argv[0], "mqtt-key") == 0) {
		return command_key(argc, argv);
	}
	struct err err = {0};
	struct config *config = config_load(path, &err);
	int status = 2;
	if (!config) {
		return fail(&err);
	}
	apply_log(config);
	if (mode == MODE_CHECK) {
		status = check(config, &err) ? 0 : fail(&err);
		if (status == 0) {
			puts("configuration is good");
		}
	} else if (mode == MODE_PRINT) {
		status = print_config(config);
	} else if (argc == 0) {
		return run(path, config); /* frees it */
	} else if (strcmp(argv[0], "migrate") == 0) {
		status = migrate(config);
	} else if (strcmp(argv[0], "user") == 0) {
		status = command_user(config, argc, argv);
	} else if (strcmp(argv[0], "token") == 0) {
		status = command_token(config, argc, argv);
	} else {
		fprintf(stderr, "otad: unknown command %s; see otad --help\n", argv[0]);
	}
	config_free(&config);
	return status;
}

int main(int argc, char **argv)
{
	enum { OPT_CHECK = 256, OPT_PRINT, OPT_EXAMPLE };
	static const struct option options[] = {
		{"config", required_argument, NULL, 'c'},
		{"check-config", no_argument, NULL, OPT_CHECK},
		{"print-config", no_argument, NULL, OPT_PRINT},
		{"print-example", no_argument, NULL, OPT_EXAMPLE},
		{"version", no_argument, NULL, 'V'},
		{"help", no_argument, NULL, 'h'},
		{NULL, 0, NULL, 0},
	};
	const char *path = NULL;
	enum mode mode = MODE_RUN;
	for (int opt; (opt = getopt_long(argc, argv, "+c:Vh", options, NULL)) != -1;) {
		switch (opt) {
		case 'c':
			path = optarg;
			break;
		case OPT_CHECK:
			mode = MODE_CHECK;
			break;
		case OPT_PRINT:
			mode = MODE_PRINT;
			break;
		case OPT_EXAMPLE:
			return print_config(NULL);
		case 'V':
			puts("otad " OTAD_VERSION);
			return 0;
		case 'h':
			fputs(usage, stdout);
			return 0;
		default:
			fputs("see otad --help\n", stderr);
			return 2;
		}
	}
	return dispatch(mode, path, argc - optind, argv + optind);
}
