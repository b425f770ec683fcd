/* Who asks? Shared by the dialects that operators speak. Memory only, for the `admit` hook. */
#ifndef DIALECT_AUTH_H
#define DIALECT_AUTH_H

#include <stdbool.h>

#include "model/nouns.h"

struct engine;
struct err;
struct http_request;

/* May this request do what takes the role `need` (ROLE_NONE: anybody may)? Remembers the operator with the request. False:
 * ERR_UNAUTHENTICATED (no token, or an unknown, expired or revoked one: 401) or ERR_DENIED (the role does not suffice: 403). The
 * Authorization header may hold the token with or without "Bearer " or "Token ". */
bool auth_admit(struct http_request *req, struct engine *engine, enum role need, struct err *err);

/* The operator that auth_admit() found, his address and this request's id; name "" where anybody was admitted. */
void auth_actor(struct http_request *req, struct actor *out);

#endif
