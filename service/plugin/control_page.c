#include "plugin/control_page.h"

#include <cjson/cJSON.h>
#include <stdlib.h>
#include <string.h>

#include "common/err.h"
#include "common/json.h"
#include "common/scoped.h"
#include "common/text.h"
#include "plugin/control.h"
#include "plugin/journal.h"

static const int64_t revision_max = (int64_t)1 << 53;

static bool read_blocked(const cJSON *value, bool *out)
{
	bool number = cJSON_IsNumber(value) && (value->valuedouble == 0 || value->valuedouble == 1);
	*out = cJSON_IsTrue(value) || (number && value->valuedouble == 1);
	return cJSON_IsBool(value) || number;
}

/* [device, epoch, blocked] */
static bool read_row(const cJSON *entry, struct revocation_row *out)
{
	const cJSON *device = cJSON_IsArray(entry) && cJSON_GetArraySize(entry) == 3 ? entry->child : NULL;
	const cJSON *epoch = device ? device->next : NULL;
	if (!epoch || !cJSON_IsString(device) || !text_is_device_name(device->valuestring) || !cJSON_IsNumber(epoch)) {
		return false;
	}
	double number = epoch->valuedouble;
	if (!(number >= 0 && number <= CREDENTIAL_EPOCH_MAX) || number != (double)(uint32_t)number) {
		return false;
	}
	out->epoch = (uint32_t)number;
	return text_copy(out->device, sizeof out->device, device->valuestring) && read_blocked(epoch->next, &out->blocked);
}

static struct journal_page *read_rows(const cJSON *entries, struct err *err)
{
	int count = cJSON_IsArray(entries) ? cJSON_GetArraySize(entries) : -1;
	if (count < 0 || count > CONTROL_ROWS) {
		err_set(err, ERR_INVALID, "entries must be a list of at most %d", CONTROL_ROWS);
		return NULL;
	}
	scoped_free struct journal_page *page = calloc(1, sizeof *page + (size_t)count * sizeof *page->rows);
	if (!page) {
		err_set(err, ERR_INTERNAL, "out of memory");
		return NULL;
	}
	for (const cJSON *entry = entries->child; entry; entry = entry->next) {
		if (!read_row(entry, &page->rows[page->count++])) {
			err_set(err, ERR_INVALID, "entry %zu must be [device, epoch, blocked]", page->count);
			return NULL;
		}
	}
	return steal(&page);
}

struct journal_page *control_page_read(const cJSON *json, struct err *err)
{
	static const char *const keys[] = {"id", "cmd", "from", "to", "entries", "reset", NULL};
	int64_t from = 0;
	int64_t to = 0;
	bool reset = false;
	if (!json_only_keys(json, keys, err) || !json_bool(json, "reset", false, &reset, err) ||
	    !json_int(json, "from", !reset, 0, revision_max, &from, err) || !json_int(json, "to", true, 0, revision_max, &to, err)) {
		return NULL;
	}
	struct journal_page *page = read_rows(cJSON_GetObjectItemCaseSensitive(json, "entries"), err);
	if (page) {
		page->from = reset ? 0 : (uint64_t)from;
		page->to = (uint64_t)to;
		page->reset = reset;
	}
	return page;
}
