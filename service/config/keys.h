/* The one table of configuration keys.
 *
 * X(name, type, default, min, max, reload, help): type is text | dsn (a libpq connection string) | int | time (ms) | size (bytes) | secret;
 * default is written as in the file; min and max bound int, time (ms) and size, and are 0, 0 elsewhere; reload is 1 if SIGHUP applies it.
 */
#ifndef CONFIG_KEYS_H
#define CONFIG_KEYS_H

#define CONFIG_KEYS(X)                                                                                                         \
	X(http_address, text, "0.0.0.0", 0, 0, 0, "address the HTTP server listens on (numeric)")                              \
	X(http_port, int, "8080", -1, 65535, 0, "port for plain HTTP; 0 = any free one (printed at start), -1 = none")         \
	X(https_port, int, "8443", 0, 65535, 0, "port for HTTPS, if there is a certificate; 0 = any free one")                 \
	X(tls_cert_file, text, "", 0, 0, 1, "certificate for HTTPS, then its chain (PEM); SIGHUP reads it again")              \
	X(tls_key_file, text, "", 0, 0, 1, "its key (PEM), which others may not read (chmod 640)")                             \
	X(http_loops, int, "0", 0, 64, 0, "event loop threads; 0 = one per core, at most 4")                                   \
	X(http_max_connections, int, "16384", 16, 1000000, 0, "connections open at once, over all loops")                      \
	X(http_idle_timeout, time, "60s", 1000, 3600000, 0, "a connection without traffic for this long is closed")            \
	X(upload_max, size, "200MB", 1024, 4294967296, 0, "largest firmware file an operator may upload")                      \
	X(import_hosts, text, "", 0, 0, 1,                                                                                     \
	  "hosts from which files may be imported (never loopback): name, name:port, *.name, commas between; empty = none")    \
	X(import_timeout, time, "10m", 1000, 86400000, 1, "how long the server of an imported file may take for it")           \
	X(fetch_ca_file, text, "", 0, 0, 1, "CA certificates (PEM) of https hosts the service asks; empty = the system's")     \
	X(trusted_proxies, text, "", 0, 0, 0, "addresses or CIDR blocks whose X-Forwarded-For counts, comma-separated")        \
	X(public_url, text, "", 0, 0, 0,                                                                                       \
	  "base URL devices reach this service by (https://ota.example.com); empty = the Host a client used")                  \
	X(pg, dsn, "", 0, 0, 0, "PostgreSQL: a libpq URI or keyword string; empty = libpq's own environment")                  \
	X(pg_migrate, dsn, "", 0, 0, 0, "the same for migrations, if another role owns the tables; empty = pg")                \
	X(workers, int, "4", 1, 64, 0, "worker threads, each with a database connection of its own")                           \
	X(worker_queue, int, "4096", 16, 1000000, 0, "jobs that may wait for a worker; more are answered 503")                 \
	X(commit_queue, int, "16384", 16, 1000000, 0, "operations that may wait for the group commit; more are answered 503")  \
	X(commit_batch, int, "512", 1, 4096, 0, "operations in one group commit at most")                                      \
	X(mqtt_host, text, "127.0.0.1", 0, 0, 0, "broker host")                                                                \
	X(mqtt_port, int, "1883", 1, 65535, 0, "broker port")                                                                  \
	X(mqtt_tls, text, "off", 0, 0, 0, "on | off: TLS to the broker, whose certificate must name mqtt_host")                \
	X(mqtt_ca_file, text, "", 0, 0, 0, "CA certificates (PEM) for the broker's; empty = the system's")                     \
	X(mqtt_client_id, text, "otad", 0, 0, 0, "client id at the broker, one per replica: \"otad\" or \"otad:...\"")         \
	X(mqtt_username, text, "otad", 0, 0, 0, "user name at the broker (the plugin's service_username); empty = none")       \
	X(mqtt_password, secret, "", 0, 0, 0, "password at the broker (better: mqtt_password_file)")                           \
	X(mqtt_password_file, text, "", 0, 0, 0, "file whose first line is the broker password")                               \
	X(mqtt_keys_file, text, "/etc/otad/mqtt.keys", 0, 0, 1,                                                                \
	  "lines \"<key id> <secret>\", at most two: the first signs devices' passwords, all verify")                          \
	X(broker_hook_secret, secret, "", 0, 0, 1, "what another broker presents (better: broker_hook_secret_file)")           \
	X(broker_hook_secret_file, text, "", 0, 0, 1,                                                                          \
	  "file whose first line is it: 16 or more of A-Z a-z 0-9 . _ ~ -; unset = no other broker is answered")               \
	X(broker_hook_vhost, text, "/", 0, 0, 1, "RabbitMQ: the virtual host of our clients (its mqtt.vhost)")                 \
	X(mqtt_window, int, "200", 1, 10000, 0, "pushes in flight at the broker at once")                                      \
	X(cache_dir, text, "/var/cache/otad", 0, 0, 0, "local copies of firmware; may be deleted at any time")                 \
	X(cache_max, size, "2GB", 1048576, 1125899906842624, 0, "the cache forgets the least recently used files beyond this") \
	X(master_key_file, text, "/etc/otad/master.key", 0, 0, 0,                                                              \
	  "32 bytes as 64 hex digits; download names are signed and secrets sealed with it; the same on every replica")        \
	X(login_ttl, time, "7d", 60000, 31536000000, 1, "how long a token from /api/v2/login is good")                         \
	X(activation_ttl, time, "24h", 1000, 2592000000, 1, "a device's code is good for so long after its last check")        \
	X(activation_max, int, "100000", 10, 500000, 1, "first contacts kept at once, ended ones too")                         \
	X(activation_per_address, int, "200", 1, 100000, 1, "waiting devices of one address (IPv6: a /64) at once")            \
	X(register_per_address, int, "200", 1, 100000, 1,                                                                      \
	  "unknown devices of one address (IPv6: a /64) that may register themselves within an hour")                          \
	X(activation_host, text, "", 0, 0, 1, "shown with a device's code: where to enter it; empty = the host of public_url") \
	X(mqtt_public_endpoint, text, "", 0, 0, 1,                                                                             \
	  "host[:port] Xiaozhi devices reach the broker by; 8883 or none = TLS; empty = public_url's host and mqtt_port")      \
	X(xiaozhi_group, text, "GID_otad", 0, 0, 1, "GROUP in Xiaozhi devices' client ids: GROUP@@@mac@@@uuid")                \
	X(callback_urls, text, "", 0, 0, 1,                                                                                    \
	  "URLs that are told of direct uploads if the form asks for it, commas between; empty = nobody is called")            \
	X(callback_secret, secret, "", 0, 0, 1, "signs what they are told (better: callback_secret_file)")                     \
	X(callback_secret_file, text, "", 0, 0, 1, "file whose first line is it: 16 to 128 printable characters")              \
	X(timezone, text, "Asia/Shanghai", 0, 0, 0,                                                                            \
	  "zone of the clock that Xiaozhi devices are given, and of times in /api/v1, as in zoneinfo")                         \
	X(resend_min, time, "10s", 100, 3600000, 1, "first repetition of an unanswered push; doubles up to resend_max")        \
	X(resend_max, time, "10m", 100, 86400000, 1, "longest wait between two repetitions of a push")                         \
	X(task_ttl, time, "30d", 1000, 15552000000, 0, "a task that never reached its device is given up after this")          \
	X(stall_timeout, time, "30m", 1000, 604800000, 1, "a download without progress for this long has timed out")           \
	X(install_timeout, time, "30m", 1000, 604800000, 1, "after all bytes were fetched: how long to wait for the report")   \
	X(last_seen_flush, time, "15m", 1000, 86400000, 1, "how often last-seen times are written in bulk")                    \
	X(events_keep, time, "400d", 3600000, 315360000000, 1, "how long task events are kept")                                \
	X(drain_timeout, time, "10s", 0, 600000, 1, "at SIGTERM: how long running requests may take to finish")                \
	X(log_level, text, "info", 0, 0, 1, "debug | info | warn | error")                                                     \
	X(log_format, text, "logfmt", 0, 0, 1, "logfmt | json")

#endif
