#include "engine/voice.h"

#include <openssl/evp.h>
#include <stdio.h>
#include <string.h>

#include "common/buf.h"
#include "common/credential.h"
#include "common/text.h"
#include "config/config.h"
#include "engine/check.h"
#include "engine/keyring.h"
#include "engine/private.h"
#include "fleet/fleet.h"
#include "fleet/fleet_device.h"
#include "fleet/products.h"
#include "model/gateway.h"
#include "model/voice.h"

/* GROUP@@@mac_with_underscores@@@uuid; a device that tells no Client-Id has its MAC there again. */
static void name_client(const struct config *c, const struct check *check, struct check_voice *out)
{
	struct buf id;
	buf_init_fixed(&id, out->client_id, sizeof out->client_id);
	buf_put(&id, c->xiaozhi_group, strnlen(c->xiaozhi_group, 32));
	buf_puts(&id, "@@@");
	buf_puts(&id, check->name);
	buf_puts(&id, "@@@");
	buf_puts(&id, *check->told->client_uuid ? check->told->client_uuid : check->name);
	buf_cstr(&id);
}

/* Our own broker: reached by the host that the device has found us by, unless the configuration says otherwise. Devices know no IPv6, and
 * what a client calls us may be no host at all. */
bool voice_endpoint(struct engine *e, const struct check *check, char out[CHECK_HOST_SIZE])
{
	const struct config *c = e->config;
	if (*c->mqtt_public_endpoint) {
		return text_copy(out, CHECK_HOST_SIZE, c->mqtt_public_endpoint);
	}
	if (!*check->host || strchr(check->host, ':')) {
		return false;
	}
	struct buf endpoint;
	buf_init_fixed(&endpoint, out, CHECK_HOST_SIZE);
	buf_puts(&endpoint, check->host);
	buf_putc(&endpoint, ':');
	buf_put_i64(&endpoint, c->mqtt_port);
	buf_cstr(&endpoint);
	return buf_ok(&endpoint) && gateway_check_endpoint(out, NULL);
}

/* Its credentials name it by its MAC, so a device of another name has none for our broker. */
static void fill_own(struct engine *e, const struct config *c, const struct check *check, const struct device_entry *device,
		     struct check_voice *out)
{
	if (strcmp(fleet_device_name(e->fleet, device), check->name) != 0 || !voice_endpoint(e, check, out->endpoint)) {
		return;
	}
	name_client(c, check, out);
	struct buf topic;
	buf_init_fixed(&topic, out->publish_topic, sizeof out->publish_topic);
	buf_puts(&topic, "device-server/");
	buf_puts(&topic, check->name);
	buf_cstr(&topic);
	out->mqtt = keyring_issue_xiaozhi(e->keyring, out->client_id, check->name, device->epoch, check->address, &out->credential);
}

/* As public gateways verify it (protocols/xiaozhi.md 6). */
static void fill_gateway(const struct config *c, const struct check *check, const struct fleet_product *product, struct check_voice *out)
{
	char ip[CHECK_ADDRESS_SIZE + 16];
	int n = snprintf(ip, sizeof ip, "{\"ip\":\"%s\"}", check->address);
	name_client(c, check, out);
	EVP_EncodeBlock((unsigned char *)out->credential.username, (const unsigned char *)ip, n);
	credential_xiaozhi_password(product->voice.gateway_key, out->client_id, out->credential.username, out->credential.password);
	text_copy(out->endpoint, sizeof out->endpoint, product->voice.endpoint);
	text_copy(out->publish_topic, sizeof out->publish_topic, "device-server");
	out->mqtt = true;
}

void voice_fill(struct engine *e, const struct check *check, const struct fleet_product *product, const struct device_entry *device,
		struct check_voice *out)
{
	const struct config *c = e->config;
	out->mqtt = false;
	out->websocket = false;
	if (!product) {
		return;
	}
	if (product->voice.mqtt == VOICE_GATEWAY && product->voice.gateway_key) {
		fill_gateway(c, check, product, out);
	} else if (product->voice.mqtt == VOICE_OWN && device) {
		fill_own(e, c, check, device, out);
	}
	if (*product->voice.ws_url) {
		out->websocket = true;
		out->websocket_version = product->voice.ws_version;
		text_copy(out->websocket_url, sizeof out->websocket_url, product->voice.ws_url);
		text_copy(out->websocket_token, sizeof out->websocket_token, product->voice.ws_token);
	}
}
