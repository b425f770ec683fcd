/* One table of counters and gauges, with their prose; /metrics prints it as Prometheus text.
 *
 * metrics_add() is a relaxed atomic add, from any thread. Gauges are set. Nothing is allocated.
 */
#ifndef METRICS_METRICS_H
#define METRICS_METRICS_H

#include <stdint.h>

struct buf;

/* X(symbol, type, name, labels, help): rows of one name stand together; labels may be "". */
#define METRICS_TABLE(X)                                                                                                               \
	X(HTTP_REQUESTS, COUNTER, "otad_http_requests_total", "", "HTTP requests answered.")                                           \
	X(HTTP_ERRORS, COUNTER, "otad_http_errors_total", "", "HTTP requests answered with a status of 500 or more.")                  \
	X(HTTP_CONNECTIONS, GAUGE, "otad_http_connections", "", "HTTP connections open now.")                                          \
	X(HTTP_BYTES, COUNTER, "otad_http_file_bytes_total", "", "File bytes acknowledged by the peers.")                              \
	X(POLLS_IDLE, COUNTER, "otad_polls_total", "kind=\"idle\"",                                                                    \
	  "Polls by kind: idle (memory only), noting (facts written behind), telling (answered after commit).")                        \
	X(POLLS_NOTING, COUNTER, "otad_polls_total", "kind=\"noting\"", "")                                                            \
	X(POLLS_TELLING, COUNTER, "otad_polls_total", "kind=\"telling\"", "")                                                          \
	X(POLLS_UNKNOWN, COUNTER, "otad_polls_total", "kind=\"unknown\"", "")                                                          \
	X(CHECKS_LATE, COUNTER, "otad_checks_late_total", "", "checks answered from memory, for the database was slow or away")        \
	X(REPORTS, COUNTER, "otad_reports_total", "", "Device reports committed.")                                                     \
	X(REPORTS_DROPPED, COUNTER, "otad_reports_dropped_total", "",                                                                  \
	  "Device reports not taken because the queue was full; the device repeats them.")                                             \
	X(REPLIES_DROPPED, COUNTER, "otad_replies_dropped_total", "",                                                                  \
	  "Replies over MQTT not sent because the broker was away or the queue full; the device repeats its report.")                  \
	X(CHUNKS_SENT, COUNTER, "otad_chunks_sent_total", "", "Chunks of files acknowledged by the broker.")                           \
	X(CHUNKS_DROPPED, COUNTER, "otad_chunks_dropped_total", "",                                                                    \
	  "Requests for chunks not answered because too many were at work or the broker went away; the device repeats.")               \
	X(PUSHES, COUNTER, "otad_pushes_published_total", "", "Push messages acknowledged by the broker.")                             \
	X(PUSH_FAILURES, COUNTER, "otad_push_failures_total", "", "Push messages the broker did not acknowledge; sent again.")         \
	X(PUSH_ECHOES, COUNTER, "otad_push_echoes_total", "", "Own pushes seen again from the broker.")                                \
	X(PUSH_FORGED, COUNTER, "otad_push_forged_total", "", "Push-shaped messages on a device's topic that are not ours.")           \
	X(PUSH_REBOOTS, COUNTER, "otad_push_reboots_total", "", "Running devices told to boot, to ask for firmware.")                  \
	X(CALLS_ANSWERED, COUNTER, "otad_calls_answered_total", "", "Answers of running devices to a call to update.")                 \
	X(CALLS_STRAY, COUNTER, "otad_calls_stray_total", "", "Such answers that fit no push of their device; ignored.")               \
	X(PRESENCE_RESENT, COUNTER, "otad_presence_resent_total", "", "Pushes hastened because their device came back or subscribed.") \
	X(BROKER_PLUGIN, GAUGE, "otad_broker_plugin", "", "1 while the broker's plugin answers.")                                      \
	X(BROKER_ONLINE, GAUGE, "otad_broker_online", "", "Devices connected to the broker.")                                          \
	X(BROKER_REVOCATIONS, GAUGE, "otad_broker_revocations", "", "Revocations the broker holds.")                                   \
	X(BROKER_LOGINS, GAUGE, "otad_broker_logins", "", "Logins of devices the broker's plugin let in, since the broker's start.")   \
	X(BROKER_LOGINS_REFUSED, GAUGE, "otad_broker_logins_refused", "", "Logins it refused.")                                        \
	X(BROKER_ACCESS_DENIED, GAUGE, "otad_broker_access_denied", "", "Publishes, subscriptions and reads it denied.")               \
	X(HOOK_LOGINS, COUNTER, "otad_hook_logins_total", "", "Logins allowed to brokers that ask over HTTP.")                         \
	X(HOOK_LOGINS_REFUSED, COUNTER, "otad_hook_logins_refused_total", "", "Logins refused to them.")                               \
	X(HOOK_ACCESS_DENIED, COUNTER, "otad_hook_access_denied_total", "", "Publishes, subscriptions and resources denied to them.")  \
	X(HOOK_STRANGERS, COUNTER, "otad_hook_strangers_total", "", "Questions without the brokers' secret.")                          \
	X(MQTT_CONNECTED, GAUGE, "otad_mqtt_connected", "", "1 while connected to the broker.")                                        \
	X(MQTT_MESSAGES, COUNTER, "otad_mqtt_messages_total", "", "MQTT messages received.")                                           \
	X(MQTT_REJECTED, COUNTER, "otad_mqtt_rejected_total", "", "MQTT messages that were not understood.")                           \
	X(MQTT_REFUSED, COUNTER, "otad_mqtt_refused_subscriptions_total", "", "Subscriptions the broker refused.")                     \
	X(COMMITS, COUNTER, "otad_commits_total", "", "Group commits.")                                                                \
	X(COMMIT_OPS, COUNTER, "otad_commit_operations_total", "", "Operations in group commits.")                                     \
	X(COMMIT_QUEUE, GAUGE, "otad_commit_queue", "", "Operations waiting for the group commit.")                                    \
	X(REGISTRATIONS, COUNTER, "otad_registrations_total", "outcome=\"made\"",                                                      \
	  "Unknown devices that registered themselves, or were refused: for their address, or because their product is full.")         \
	X(REGISTRATIONS_ADDRESS, COUNTER, "otad_registrations_total", "outcome=\"address\"", "")                                       \
	X(REGISTRATIONS_FULL, COUNTER, "otad_registrations_total", "outcome=\"full\"", "")                                             \
	X(NOTES_COALESCED, COUNTER, "otad_notes_coalesced_total", "", "Facts that replaced an unwritten one of the same device.")      \
	X(NOTES_WRITTEN, COUNTER, "otad_notes_written_total", "", "Facts written behind.")                                             \
	X(NOTES_DROPPED, COUNTER, "otad_notes_dropped_total", "",                                                                      \
	  "Facts not taken because too many were unwritten; the device tells them again.")                                             \
	X(NOTES_WAITING, GAUGE, "otad_notes_waiting", "", "Devices with unwritten facts.")                                             \
	X(DB_ERRORS, COUNTER, "otad_database_errors_total", "", "Database statements or connections that failed.")                     \
	X(FEED_POSITION, GAUGE, "otad_feed_position", "", "Position in the change feed.")                                              \
	X(FEED_RELOADS, COUNTER, "otad_feed_reloads_total", "", "Full reloads of the snapshot.")                                       \
	X(DEVICES, GAUGE, "otad_devices", "", "Devices in the snapshot.")                                                              \
	X(RANGES, GAUGE, "otad_ranges", "", "Entries in the snapshot that say whom rollouts are for.")                                 \
	X(TASKS_LIVE, GAUGE, "otad_tasks_live", "", "Live tasks in the snapshot.")                                                     \
	X(CACHE_FILLS, COUNTER, "otad_cache_fills_total", "", "Artifacts fetched from the database into the cache.")                   \
	X(CACHE_CORRUPT, COUNTER, "otad_cache_corrupt_total", "", "Cached artifacts found altered and thrown away.")                   \
	X(IMPORTS, COUNTER, "otad_imports_total", "", "Files whose bytes were imported from their URL.")                               \
	X(IMPORTS_FAILED, COUNTER, "otad_imports_failed_total", "", "Imports that failed; their files stayed as they were.")           \
	X(UPLOADS, COUNTER, "otad_uploads_total", "", "Firmware uploads sealed.")                                                      \
	X(CALLBACKS, COUNTER, "otad_callbacks_total", "", "Direct uploads of which the form wanted a URL of ours to be told.")         \
	X(CALLBACKS_FAILED, COUNTER, "otad_callbacks_failed_total", "", "Of these, those where that failed.")                          \
	X(LOGIN_FAILURES, COUNTER, "otad_login_failures_total", "", "Refused logins and tokens.")

enum metric {
#define X(symbol, type, name, labels, help) METRIC_##symbol,
	METRICS_TABLE(X)
#undef X
		METRIC_COUNT
};

void metrics_add(enum metric m, int64_t n);
void metrics_set(enum metric m, int64_t value);
int64_t metrics_get(enum metric m);

/* The whole table in Prometheus text format 0.0.4. */
void metrics_print(struct buf *out);

#endif
