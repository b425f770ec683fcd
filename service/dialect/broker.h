/* The questions of brokers without our plugin, over HTTP: EMQX (HTTP authentication and authorisation) and RabbitMQ
 * (rabbitmq_auth_backend_http). Answered from memory, inline. INTERFACES.md, "Other brokers".
 *
 * The broker proves itself by broker_hook_secret: in the path (/broker/{secret}/..., for RabbitMQ, which can send no header), else as
 * "Authorization: Bearer". Unless one is configured, there is nothing here: 404. A question that is understood is answered 200; so is one
 * that is not, by "deny": EMQX takes any other status for "ask the next one".
 */
#ifndef DIALECT_BROKER_H
#define DIALECT_BROKER_H

struct engine;
struct http_dialect;

/* Prefix "/broker/". The engine must outlive the server. */
void broker_dialect(struct http_dialect *out, struct engine *engine);

#endif
