/* What is said to Paho once, or by one table. Only for link.c. */
#ifndef MQTT_PAHO_H
#define MQTT_PAHO_H

#include <MQTTAsync.h>

/* Before the first client of the process; may be called again. */
void paho_prepare(void);

/* Verifies the broker's certificate, by ca_file (NULL = the system's authorities, read at every connect), and the host in it. Points to
 * ca_file. */
MQTTAsync_SSLOptions paho_tls(const char *ca_file);

/* The library's own errors are negative, MQTT's reason codes are positive. Never NULL. */
const char *paho_code_name(int code);

#endif
