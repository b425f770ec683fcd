#include "model/fix.h"

#include <stddef.h>
#include <string.h>

#include "common/err.h"
#include "common/text.h"

bool fix_check(const struct fix *fix, struct err *err)
{
	size_t version = strlen(fix->from_version);
	size_t board = strlen(fix->board);
	if (version == 0 || !text_is_utf8(fix->from_version, version) || !text_is_printable(fix->from_version, version)) {
		return err_set(err, ERR_INVALID, "fromVersion must have 1 to %d bytes of printable UTF-8", VERSION_SIZE - 1);
	}
	if (board == 0 || !text_is_utf8(fix->board, board) || !text_is_printable(fix->board, board)) {
		return err_set(err, ERR_INVALID, "board must have 1 to %d bytes of printable UTF-8", NAME_SIZE - 1);
	}
	if (strcspn(fix->board, "*") < board - 1) {
		return err_set(err, ERR_INVALID, "board may have one '*', as its last character");
	}
	return true;
}

static bool fits(const char *pattern, const char *board)
{
	size_t len = strlen(pattern);
	if (!*board) {
		return false;
	}
	return len && pattern[len - 1] == '*' ? strncmp(pattern, board, len - 1) == 0 : strcmp(pattern, board) == 0;
}

bool fix_matches(const struct fix *fix, const char *version, const char *board_name, const char *board_type)
{
	return strcmp(fix->from_version, version) == 0 && (fits(fix->board, board_name) || fits(fix->board, board_type));
}
