/* A page of revocations as the service sends it: the whole input is the request. What is taken is well-formed. */
#include <string.h>

#include "common/err.h"
#include "common/json.h"
#include "common/scoped.h"
#include "common/text.h"
#include "fuzz.h"
#include "plugin/control.h"
#include "plugin/control_page.h"
#include "plugin/journal.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct err err = {0};
	struct fuzz_input in = {data, size};
	size_t len;
	scoped_free char *text = fuzz_rest(&in, &len);
	scoped_json struct cJSON *json = json_parse_object(text, len, NULL);
	scoped_free struct journal_page *page = json ? control_page_read(json, &err) : NULL;
	CHECK(!json || (page != NULL) == (err.kind == ERR_NONE));
	CHECK(err.kind == ERR_NONE || *err.text);
	for (size_t i = 0; page && i < page->count; i++) {
		CHECK(text_is_device_name(page->rows[i].device) && page->rows[i].epoch <= CREDENTIAL_EPOCH_MAX);
	}
	CHECK(!page || (page->count <= CONTROL_ROWS && (!page->reset || page->from == 0)));
	return 0;
}
