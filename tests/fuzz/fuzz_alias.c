/* Aliases. Line 1: a file name as it comes in a download. The rest: an alias to make, and how to alter it. */
#include <stdlib.h>
#include <string.h>

#include "common/alias.h"
#include "common/digest.h"
#include "common/scoped.h"
#include "fuzz.h"

static struct digest_key *key;
static struct digest_key *other_key;

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	(void)argc;
	(void)argv;
	static const uint8_t bytes[32] = "the key of the seeds";
	key = digest_key_new(bytes, sizeof bytes);
	other_key = digest_key_new(bytes, 1);
	CHECK(key && other_key);
	return 0;
}

static bool same(const struct alias *a, const struct alias *b)
{
	return a->kind == b->kind && memcmp(a->sha_head, b->sha_head, sizeof a->sha_head) == 0 && a->id == b->id &&
	       a->device == b->device && a->expires_h == b->expires_h;
}

/* What is accepted has one spelling. */
static void any_text(const char *text)
{
	struct alias a;
	char again[ALIAS_SIZE];
	if (alias_verify(key, text, &a)) {
		CHECK(alias_make(key, &a, again));
		CHECK(strcmp(again, text) == 0);
	}
}

static void altered(const char text[ALIAS_SIZE], size_t at, char c, size_t cut)
{
	struct alias a;
	scoped_free char *other = strdup(text);
	other[at] = c;
	CHECK(alias_verify(key, other, &a) == (c == text[at]));
	other[at] = text[at];
	other[cut] = '\0';
	CHECK(!alias_verify(key, other, &a));
	char longer[ALIAS_SIZE + 1];
	memcpy(longer, text, ALIAS_LEN);
	longer[ALIAS_LEN] = c ? c : '/';
	longer[ALIAS_LEN + 1] = '\0';
	CHECK(!alias_verify(key, longer, &a));
}

static void made(struct fuzz_input *in)
{
	struct alias a = {.kind = (enum alias_kind)fuzz_number(in, 1)};
	for (size_t i = 0; i < sizeof a.sha_head; i++) {
		a.sha_head[i] = (uint8_t)fuzz_number(in, 1);
	}
	a.id = fuzz_number(in, 7);
	a.device = fuzz_number(in, 6);
	a.expires_h = (uint32_t)fuzz_number(in, 4);
	bool fit =
		(a.kind == ALIAS_TASK || a.kind == ALIAS_ROLLOUT) && a.id < 1ULL << 48 && a.device < 1ULL << 40 && a.expires_h < 1u << 24;
	char text[ALIAS_SIZE];
	CHECK(alias_make(key, &a, text) == fit);
	if (!fit) {
		CHECK(*text == '\0');
		return;
	}
	struct alias back;
	CHECK(strlen(text) == ALIAS_LEN);
	CHECK(alias_verify(key, text, &back) && same(&a, &back));
	CHECK(!alias_verify(other_key, text, &back));
	altered(text, fuzz_number(in, 1) % ALIAS_LEN, (char)fuzz_number(in, 1), fuzz_number(in, 1) % ALIAS_LEN);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fuzz_input in = {data, size};
	scoped_free char *text = fuzz_line(&in);
	any_text(text);
	made(&in);
	return 0;
}
