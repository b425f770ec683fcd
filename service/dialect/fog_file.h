/* Inside the fog dialect: a file as operators write it and read it. */
#ifndef DIALECT_FOG_FILE_H
#define DIALECT_FOG_FILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct buf;
struct err;
struct file;
struct file_edit;
struct fog_body;
struct range_list;
struct range_row;

/* ota_type: 0 = the component "mcu", 1 = "wifi". */
const char *fog_component(int64_t ota_type);
/* -1: the protocol has no number for it. */
int fog_ota_type(const char *component);

/* The members of the body that are there, and which ones they are; the ranges, pointing into the body, into *ranges, which the caller
 * frees. ota_type: -1 = not said. id: of the path; a copy of it in the body is ignored, another one refused. import: the bytes of file_url
 * are to be fetched and kept (a member of our own). */
struct fog_file_in {
	int64_t id;
	int64_t ota_type;
	bool import;
	struct range_list *ranges;
};
bool fog_file_decode(const struct fog_body *body, struct fog_file_in *in, struct file_edit *out, struct err *err);

/* {"id":1,"product":"test",...}: the full object. rows: its ranges, or the first of them: then "extra" says how many there are. */
void fog_file_encode(struct buf *out, const char *product, const struct file *file, const struct range_row *rows, size_t count);

#endif
