#include "http/status.h"

#include <stddef.h>

int http_status(enum err_kind kind)
{
	static const int statuses[] = {
		[ERR_NONE] = 500,      [ERR_INVALID] = 400,  [ERR_MISSING] = 400,
		[ERR_EMPTY] = 400,     [ERR_TYPE] = 400,     [ERR_NOT_FOUND] = 404,
		[ERR_EXISTS] = 409,    [ERR_CONFLICT] = 409, [ERR_UNAUTHENTICATED] = 401,
		[ERR_DENIED] = 403,    [ERR_BLOCKED] = 403,  [ERR_GONE] = 410,
		[ERR_TOO_LARGE] = 413, [ERR_BUSY] = 503,     [ERR_UNAVAILABLE] = 503,
		[ERR_NO_SPACE] = 507,  [ERR_INTERNAL] = 500,
	};
	return (size_t)kind < sizeof statuses / sizeof *statuses ? statuses[kind] : 500;
}
