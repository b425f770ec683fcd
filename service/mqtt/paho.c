#include "mqtt/paho.h"

#include <pthread.h>

static void prepare(void)
{
	MQTTAsync_init_options options = MQTTAsync_init_options_initializer; /* OpenSSL 3 sets itself up, and we use it too */
	MQTTAsync_global_init(&options);
}

void paho_prepare(void)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;
	pthread_once(&once, prepare);
}

MQTTAsync_SSLOptions paho_tls(const char *ca_file)
{
	MQTTAsync_SSLOptions tls = MQTTAsync_SSLOptions_initializer; /* TLS 1.2 at least, by OpenSSL's own minimum */
	tls.trustStore = ca_file;
	tls.enableServerCertAuth = 1;
	tls.verify = 1;
	return tls;
}

const char *paho_code_name(int code)
{
	const char *name = code > 0 ? MQTTReasonCode_toString((enum MQTTReasonCodes)code) : MQTTAsync_strerror(code);
	return name ? name : "unknown";
}
