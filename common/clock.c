#include "common/clock.h"

#include <time.h>

static int64_t now_ms(clockid_t id)
{
	struct timespec t;
	clock_gettime(id, &t); /* cannot fail for these two clocks */
	return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

int64_t clock_wall_ms(void)
{
	return now_ms(CLOCK_REALTIME);
}

int64_t clock_mono_ms(void)
{
	return now_ms(CLOCK_MONOTONIC);
}

static void put_digits(char *out, int64_t value, int digits)
{
	for (int i = digits - 1; i >= 0; i--) {
		out[i] = (char)('0' + value % 10);
		value /= 10;
	}
}

void clock_rfc3339(char out[25], int64_t wall_ms)
{
	const int64_t last = 253402300799999; /* 9999-12-31T23:59:59.999Z: four digits of year are all there is */
	wall_ms = wall_ms < 0 ? 0 : wall_ms > last ? last : wall_ms;
	time_t seconds = (time_t)(wall_ms / 1000);
	struct tm t;
	gmtime_r(&seconds, &t);
	static const char shape[25] = "0000-00-00T00:00:00.000Z";
	for (int i = 0; i < 25; i++) {
		out[i] = shape[i];
	}
	put_digits(out, t.tm_year + 1900, 4);
	put_digits(out + 5, t.tm_mon + 1, 2);
	put_digits(out + 8, t.tm_mday, 2);
	put_digits(out + 11, t.tm_hour, 2);
	put_digits(out + 14, t.tm_min, 2);
	put_digits(out + 17, t.tm_sec, 2);
	put_digits(out + 20, wall_ms % 1000, 3);
}
