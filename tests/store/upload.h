/* Files to upload for tests: bytes that follow from a seed. */
#ifndef TESTS_STORE_UPLOAD_H
#define TESTS_STORE_UPLOAD_H

#include <stddef.h>
#include <stdint.h>

struct artifact;
struct db;

/* Fills data. */
void upload_bytes(uint8_t *data, size_t size, unsigned seed);

/* Uploads size such bytes in pieces and seals them; a failure fails the test. */
struct artifact upload(struct db *db, unsigned seed, size_t size, size_t piece);

/* A connection to uri, which must live as long; a failure fails the test. */
struct db *upload_connect(const char *uri);

#endif
