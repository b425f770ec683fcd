#include "common/text.h"

#include <endian.h>
#include <string.h>

#include "common/digest.h"

/* ---- character classes ---- */

enum { NAME = 1, KEY = 2, NAME_MAX_LEN = 64 };

#define ALNUM_ROWS(v) ['0' ... '9'] = (v), ['A' ... 'Z'] = (v), ['a' ... 'z'] = (v)
__extension__ static const uint8_t classes[256] = {ALNUM_ROWS(NAME | KEY), ['_'] = NAME | KEY, ['-'] = NAME | KEY, ['.'] = KEY};

static bool all_of_class(const char *s, uint8_t class)
{
	for (size_t i = 0; i <= NAME_MAX_LEN; i++) {
		unsigned char c = (unsigned char)s[i];
		if ((classes[c] & class) == 0) {
			return c == '\0' && i > 0;
		}
	}
	return false;
}

bool text_is_device_name(const char *s)
{
	return all_of_class(s, NAME);
}

bool text_is_key(const char *s)
{
	return all_of_class(s, KEY);
}

/* ---- UTF-8 ---- */

/* Bytes of the well-formed character at s (1..4), 0 if there is none. */
static inline size_t utf8_step(const unsigned char *s, size_t len)
{
	unsigned char c = s[0];
	if (c < 0x80) {
		return c != 0 ? 1 : 0;
	}
	size_t n = c >= 0xf0 ? 4 : c >= 0xe0 ? 3 : 2;
	if (c < 0xc2 || c > 0xf4 || len < n) {
		return 0;
	}
	/* The second byte excludes overlong forms, surrogates and what lies above U+10FFFF. */
	unsigned char low = c == 0xe0 ? 0xa0 : c == 0xf0 ? 0x90 : 0x80;
	unsigned char high = c == 0xed ? 0x9f : c == 0xf4 ? 0x8f : 0xbf;
	if (s[1] < low || s[1] > high) {
		return 0;
	}
	for (size_t i = 2; i < n; i++) {
		if ((s[i] & 0xc0) != 0x80) {
			return 0;
		}
	}
	return n;
}

size_t text_utf8_char(const char *s, size_t len)
{
	return utf8_step((const unsigned char *)s, len);
}

bool text_is_utf8(const char *s, size_t len)
{
	const unsigned char *at = (const unsigned char *)s;
	const unsigned char *end = at + len;
	while (at < end) {
		uint64_t word;
		if (end - at >= (long)sizeof word) {
			memcpy(&word, at, sizeof word);
			if (((word | (word - 0x0101010101010101U)) & 0x8080808080808080U) == 0) { /* ASCII without NUL */
				at += sizeof word;
				continue;
			}
		}
		size_t n = utf8_step(at, (size_t)(end - at));
		if (n == 0) {
			return false;
		}
		at += n;
	}
	return true;
}

bool text_is_printable(const char *s, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		unsigned char c = (unsigned char)s[i];
		if (c < 0x20 || c == 0x7f) {
			return false;
		}
	}
	return true;
}

bool text_is_file_name(const char *s, size_t max)
{
	size_t len = strnlen(s, max + 1);
	if (len == 0 || len > max || strcmp(s, ".") == 0 || strcmp(s, "..") == 0) {
		return false;
	}
	return memchr(s, '/', len) == NULL && memchr(s, '\\', len) == NULL && text_is_printable(s, len) && text_is_utf8(s, len);
}

/* ---- numbers ---- */

/* Digits at s; *end behind them. False without a digit or on overflow. */
static bool read_digits(const char *s, uint64_t *out, const char **end)
{
	uint64_t value = 0;
	const char *at = s;
	for (; *at >= '0' && *at <= '9'; at++) {
		if (__builtin_mul_overflow(value, (uint64_t)10, &value) || __builtin_add_overflow(value, (uint64_t)(*at - '0'), &value)) {
			return false;
		}
	}
	*out = value;
	*end = at;
	return at != s;
}

bool text_to_u64(const char *s, uint64_t *out)
{
	uint64_t value;
	const char *end;
	if (!read_digits(s, &value, &end) || *end != '\0') {
		return false;
	}
	*out = value;
	return true;
}

bool text_to_i64(const char *s, int64_t *out)
{
	bool negative = s[0] == '-';
	uint64_t value;
	if (!text_to_u64(s + negative, &value) || value > (uint64_t)INT64_MAX + negative) {
		return false;
	}
	*out = negative ? (int64_t)(0 - value) : (int64_t)value;
	return true;
}

bool text_to_bytes(const char *s, uint64_t *out)
{
	uint64_t value;
	const char *unit;
	if (!read_digits(s, &value, &unit)) {
		return false;
	}
	static const char letters[] = "kmgt";
	unsigned shift = 0;
	const char *hit = *unit != '\0' ? strchr(letters, *unit | 0x20) : NULL;
	if (hit != NULL) {
		shift = 10 * (unsigned)(hit - letters + 1);
		unit++;
	}
	if (*unit == 'b' || *unit == 'B') {
		unit++;
	}
	if (*unit != '\0' || value > UINT64_MAX >> shift) {
		return false;
	}
	*out = value << shift;
	return true;
}

bool text_to_ms(const char *s, int64_t *out)
{
	static const struct {
		const char *unit;
		int64_t ms;
	} units[] = {{"", 1000}, {"ms", 1}, {"s", 1000}, {"m", 60000}, {"h", 3600000}, {"d", 86400000}};
	uint64_t value;
	const char *unit;
	if (!read_digits(s, &value, &unit)) {
		return false;
	}
	for (size_t i = 0; i < sizeof units / sizeof *units; i++) {
		int64_t ms;
		if (strcmp(unit, units[i].unit) == 0 && !__builtin_mul_overflow(value, units[i].ms, &ms)) {
			*out = ms;
			return true;
		}
	}
	return false;
}

/* ---- hex and base64url ---- */

void text_hex(char *out, const void *data, size_t n)
{
	static const char digits[] = "0123456789abcdef";
	const uint8_t *in = data;
	for (size_t i = 0; i < n; i++) {
		out[2 * i] = digits[in[i] >> 4];
		out[2 * i + 1] = digits[in[i] & 15];
	}
	out[2 * n] = '\0';
}

static int hex_digit(char c)
{
	if (c >= '0' && c <= '9') {
		return c - '0';
	}
	char lower = (char)(c | 0x20);
	return lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : -1;
}

bool text_unhex(const char *s, void *out, size_t n)
{
	uint8_t *bytes = out;
	for (size_t i = 0; i < n; i++) {
		int high = hex_digit(s[2 * i]);
		int low = high >= 0 ? hex_digit(s[2 * i + 1]) : -1;
		if (low < 0) {
			return false;
		}
		bytes[i] = (uint8_t)(high << 4 | low);
	}
	return s[2 * n] == '\0';
}

static const char base64url[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

void text_base64url(char *out, const void *data, size_t n)
{
	const uint8_t *in = data;
	for (; n >= 3; n -= 3, in += 3) {
		uint32_t group = (uint32_t)in[0] << 16 | (uint32_t)in[1] << 8 | in[2];
		*out++ = base64url[group >> 18];
		*out++ = base64url[group >> 12 & 63];
		*out++ = base64url[group >> 6 & 63];
		*out++ = base64url[group & 63];
	}
	if (n > 0) {
		uint32_t group = (uint32_t)in[0] << 16 | (n == 2 ? (uint32_t)in[1] << 8 : 0);
		*out++ = base64url[group >> 18];
		*out++ = base64url[group >> 12 & 63];
		if (n == 2) {
			*out++ = base64url[group >> 6 & 63];
		}
	}
	*out = '\0';
}

/* The digit's value plus one; 0 = a foreign character. */
static const uint8_t base64url_digits[256] = {
	['A'] = 1,  ['B'] = 2,  ['C'] = 3,  ['D'] = 4,  ['E'] = 5,  ['F'] = 6,  ['G'] = 7,  ['H'] = 8,  ['I'] = 9,  ['J'] = 10, ['K'] = 11,
	['L'] = 12, ['M'] = 13, ['N'] = 14, ['O'] = 15, ['P'] = 16, ['Q'] = 17, ['R'] = 18, ['S'] = 19, ['T'] = 20, ['U'] = 21, ['V'] = 22,
	['W'] = 23, ['X'] = 24, ['Y'] = 25, ['Z'] = 26, ['a'] = 27, ['b'] = 28, ['c'] = 29, ['d'] = 30, ['e'] = 31, ['f'] = 32, ['g'] = 33,
	['h'] = 34, ['i'] = 35, ['j'] = 36, ['k'] = 37, ['l'] = 38, ['m'] = 39, ['n'] = 40, ['o'] = 41, ['p'] = 42, ['q'] = 43, ['r'] = 44,
	['s'] = 45, ['t'] = 46, ['u'] = 47, ['v'] = 48, ['w'] = 49, ['x'] = 50, ['y'] = 51, ['z'] = 52, ['0'] = 53, ['1'] = 54, ['2'] = 55,
	['3'] = 56, ['4'] = 57, ['5'] = 58, ['6'] = 59, ['7'] = 60, ['8'] = 61, ['9'] = 62, ['-'] = 63, ['_'] = 64};

/* Writes the n bytes that 2 to 4 digits carry; false on a foreign character or if the bits behind the last byte are not zero. */
static bool unbase64url_group(const char *s, size_t digits, uint8_t *out, size_t n)
{
	uint32_t bits = 0;
	for (size_t i = 0; i < digits; i++) {
		uint32_t digit = base64url_digits[(unsigned char)s[i]];
		if (digit == 0) {
			return false;
		}
		bits |= (digit - 1) << (18 - 6 * i);
	}
	for (size_t i = 0; i < n; i++) {
		out[i] = (uint8_t)(bits >> (16 - 8 * i));
	}
	return (bits & (0xffffffU >> (8 * n))) == 0;
}

long text_unbase64url(const char *s, size_t len, void *out, size_t max)
{
	uint8_t *bytes = out;
	size_t rest = len % 4;
	size_t n = len / 4 * 3 + (rest > 0 ? rest - 1 : 0);
	if (rest == 1 || n > max) {
		return -1;
	}
	const char *end = s + (len - rest);
	for (; s < end; s += 4, bytes += 3) {
		if (!unbase64url_group(s, 4, bytes, 3)) {
			return -1;
		}
	}
	return rest == 0 || unbase64url_group(s, rest, bytes, rest - 1) ? (long)n : -1;
}

void text_base64(char *out, const void *data, size_t n)
{
	text_base64url(out, data, n);
	size_t len = 0;
	for (; out[len]; len++) {
		out[len] = out[len] == '-' ? '+' : out[len] == '_' ? '/' : out[len];
	}
	while (len % 4) {
		out[len++] = '=';
	}
	out[len] = '\0';
}

long text_unbase64(const char *s, size_t len, void *out, size_t max)
{
	uint8_t *bytes = out;
	size_t left = max;
	if (len % 4) {
		return -1;
	}
	for (const char *end = s + len; s < end; s += 4) {
		size_t digits = s + 4 < end || s[3] != '=' ? 4 : s[2] != '=' ? 3 : 2;
		char group[4];
		for (size_t i = 0; i < digits; i++) {
			group[i] = s[i] == '+' ? '-' : s[i] == '/' ? '_' : s[i] == '-' || s[i] == '_' ? '=' : s[i];
		}
		if (digits - 1 > left || !unbase64url_group(group, digits, bytes, digits - 1)) {
			return -1;
		}
		bytes += digits - 1;
		left -= digits - 1;
	}
	return (long)(max - left);
}

/* ---- the rest ---- */

bool text_copy(char *dst, size_t size, const char *s)
{
	size_t len = strnlen(s, size);
	if (len >= size) {
		if (size > 0) {
			dst[0] = '\0';
		}
		return false;
	}
	memcpy(dst, s, len + 1);
	return true;
}

static unsigned char lower(char c)
{
	return (unsigned char)(c >= 'A' && c <= 'Z' ? c | 0x20 : c);
}

bool text_equals_nocase(const char *a, const char *b)
{
	while (*a != '\0' && lower(*a) == lower(*b)) {
		a++;
		b++;
	}
	return lower(*a) == lower(*b);
}

static uint64_t hash_seed[3];

/* Before main, so that no reader needs a check or a lock. */
__attribute__((constructor)) static void seed_hash(void)
{
	digest_random(hash_seed, sizeof hash_seed);
}

/* The 128-bit product, folded. */
static inline uint64_t fold(uint64_t a, uint64_t b)
{
#ifdef __SIZEOF_INT128__
	__extension__ typedef unsigned __int128 wide;
	wide product = (wide)a * b;
	return (uint64_t)product ^ (uint64_t)(product >> 64);
#else
	uint64_t a_high = a >> 32, a_low = (uint32_t)a, b_high = b >> 32, b_low = (uint32_t)b;
	uint64_t cross = a_high * b_low, other = a_low * b_high;
	uint64_t middle = (a_low * b_low >> 32) + (uint32_t)cross + (uint32_t)other;
	return (a_high * b_high + (cross >> 32) + (other >> 32) + (middle >> 32)) ^ (a * b);
#endif
}

static inline uint64_t load64(const char *s)
{
	uint64_t v;
	memcpy(&v, s, sizeof v);
	return le64toh(v);
}

static inline uint64_t load32(const char *s)
{
	uint32_t v;
	memcpy(&v, s, sizeof v);
	return le32toh(v);
}

static inline uint64_t hash(const uint64_t seed[3], const char *s, size_t len)
{
	uint64_t h = seed[0];
	size_t left = len;
	for (; left > 16; left -= 16, s += 16) {
		h = fold(load64(s) ^ seed[1], load64(s + 8) ^ h);
	}
	uint64_t a = 0;
	uint64_t b = 0;
	if (left >= 8) {
		a = load64(s);
		b = load64(s + left - 8);
	} else if (left >= 4) {
		a = load32(s);
		b = load32(s + left - 4);
	} else if (left > 0) {
		a = (uint64_t)(unsigned char)s[0] << 16 | (uint64_t)(unsigned char)s[left / 2] << 8 | (unsigned char)s[left - 1];
	}
	return fold(seed[2] ^ len, fold(a ^ seed[1], b ^ h));
}

uint64_t text_hash(const char *s, size_t len)
{
	return hash(hash_seed, s, len);
}

uint64_t text_sum(const void *data, size_t len)
{
	static const uint64_t seed[] = {0x9e3779b97f4a7c15, 0xbf58476d1ce4e5b9, 0x94d049bb133111eb};
	return hash(seed, data, len);
}

void text_uuid(char out[37])
{
	uint8_t raw[16];
	digest_random(raw, sizeof raw);
	raw[6] = (uint8_t)((raw[6] & 0x0f) | 0x40); /* version 4 */
	raw[8] = (uint8_t)((raw[8] & 0x3f) | 0x80); /* RFC 4122 variant */
	static const uint8_t groups[] = {4, 2, 2, 2, 6};
	const uint8_t *from = raw;
	for (size_t i = 0; i < sizeof groups; i++) {
		text_hex(out, from, groups[i]);
		from += groups[i];
		out += (size_t)2 * groups[i];
		*out++ = '-';
	}
	out[-1] = '\0';
}
