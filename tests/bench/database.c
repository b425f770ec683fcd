/* The ceilings of upload, reports and go-live: the same rows, written by bare libpq; and the two digests of an upload.
 *
 * bench-database digest BYTES              md5 and sha256 of so many bytes
 * bench-database chunks URI BYTES          so many bytes as rows of a table like "chunks", one statement each
 * bench-database reports URI FIRST ROWS BATCH   so many tasks from notified to accepted, with their events and changes
 * bench-database offers URI FIRST ROWS BATCH    so many tasks of rollout 1 that are made notified, with their events and changes
 * Prints how many seconds it took.
 */
#include <libpq-fe.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench.h"

enum { CHUNK = 262144 };

static unsigned char *some_bytes(void)
{
	unsigned char *bytes = malloc(CHUNK);
	if (!bytes) {
		bench_die("out of memory");
	}
	uint32_t x = 2463534242u;
	for (size_t i = 0; i < CHUNK; i++) {
		x ^= x << 13;
		x ^= x >> 17;
		x ^= x << 5;
		bytes[i] = (unsigned char)x;
	}
	return bytes;
}

static void digest(long size)
{
	unsigned char *bytes = some_bytes();
	EVP_MD_CTX *md5 = EVP_MD_CTX_new();
	EVP_MD_CTX *sha256 = EVP_MD_CTX_new();
	unsigned char out[EVP_MAX_MD_SIZE];
	EVP_DigestInit_ex(md5, EVP_md5(), NULL);
	EVP_DigestInit_ex(sha256, EVP_sha256(), NULL);
	for (long done = 0; done < size; done += CHUNK) {
		EVP_DigestUpdate(md5, bytes, CHUNK);
		EVP_DigestUpdate(sha256, bytes, CHUNK);
	}
	EVP_DigestFinal_ex(md5, out, NULL);
	EVP_DigestFinal_ex(sha256, out, NULL);
	EVP_MD_CTX_free(md5);
	EVP_MD_CTX_free(sha256);
	free(bytes);
}

static void check(PGconn *conn, PGresult *result)
{
	ExecStatusType status = PQresultStatus(result);
	if (status != PGRES_COMMAND_OK && status != PGRES_TUPLES_OK) {
		bench_die("%s", PQerrorMessage(conn));
	}
	PQclear(result);
}

static PGconn *connected(const char *uri)
{
	PGconn *conn = PQconnectdb(uri);
	if (PQstatus(conn) != CONNECTION_OK) {
		bench_die("%s", PQerrorMessage(conn));
	}
	return conn;
}

/* Without waiting for the disk but for the last row, as the service does it. */
static void chunks(PGconn *conn, long size)
{
	unsigned char *bytes = some_bytes();
	check(conn, PQprepare(conn, "chunk", "INSERT INTO bench_chunks (upload_id, seq, data) VALUES (1, $1, $2)", 0, NULL));
	check(conn, PQexec(conn, "SET synchronous_commit = off"));
	long count = (size + CHUNK - 1) / CHUNK;
	for (long i = 0; i < count; i++) {
		char seq[24];
		snprintf(seq, sizeof seq, "%ld", i);
		memcpy(bytes, &i, sizeof i);
		if (i == count - 1) {
			check(conn, PQexec(conn, "SET synchronous_commit = on"));
		}
		const char *values[] = {seq, (const char *)bytes};
		check(conn, PQexecPrepared(conn, "chunk", 2, values, (int[]){0, CHUNK}, (int[]){0, 1}, 0));
	}
	free(bytes);
}

enum { COLUMNS = 13 };

static const char update_tasks[] = "UPDATE tasks t SET state = u.state, rev = u.rev, updated_at = now()"
				   " FROM unnest($1::bigint[], $2::text[], $3::bigint[]) u(id, state, rev) WHERE t.id = u.id";
static const char insert_tasks[] =
	"INSERT INTO tasks (id, rollout_id, device_id, firmware_id, way, component, state, token, source_version,"
	" rev, offers) OVERRIDING SYSTEM VALUE SELECT id, rollout, device, firmware, way, component, state,"
	" token::uuid, source, rev, 1 FROM unnest($1::bigint[], $2::bigint[], $3::bigint[], $4::bigint[], $5::text[],"
	" $6::text[], $7::text[], $8::text[], $9::text[], $10::bigint[])"
	" u(id, rollout, device, firmware, way, component, state, token, source, rev)";
static const char insert_events[] = "INSERT INTO events (task_id, event, from_state, to_state, detail)"
				    " SELECT * FROM unnest($1::bigint[], $2::text[], $3::text[], $4::text[], $5::text[])";
static const char append_change[] = "SELECT change_append('task', $1::bigint[])";

struct array {
	char *text;
	size_t len;
};

static void array_begin(struct array *a)
{
	a->len = (size_t)sprintf(a->text, "{");
}
static void array_add(struct array *a, const char *value)
{
	a->len += (size_t)sprintf(a->text + a->len, "%s%s", a->len > 1 ? "," : "", value);
}

/* One array a column: of the id, where there is no constant. */
static void fill(struct array *a, const char *const *constant, size_t columns, long first, long count)
{
	for (size_t i = 0; i < columns; i++) {
		array_begin(&a[i]);
		for (long row = first; row < first + count; row++) {
			char id[24];
			snprintf(id, sizeof id, "%ld", row);
			array_add(&a[i], constant[i] ? constant[i] : id);
		}
		memcpy(a[i].text + a[i].len, "}", 2);
	}
}

static void reports_batch(PGconn *conn, struct array *a, long first, long count)
{
	static const char *const constant[] = {NULL, "accepted", "2", "notified", "accepted", "accepted"};
	fill(a, constant, 6, first, count);
	check(conn, PQexec(conn, "BEGIN"));
	check(conn, PQexecPrepared(conn, "tasks", 3, (const char *const[]){a[0].text, a[1].text, a[2].text}, NULL, NULL, 0));
	check(conn, PQexecPrepared(conn, "events", 5, (const char *const[]){a[0].text, a[4].text, a[3].text, a[4].text, a[5].text}, NULL,
				   NULL, 0));
	check(conn, PQexecPrepared(conn, "change", 1, (const char *const[]){a[0].text}, NULL, NULL, 0));
	check(conn, PQexec(conn, "COMMIT"));
}

/* A task is ordered and sent at once: two events. */
static void offers_batch(PGconn *conn, struct array *a, long first, long count)
{
	static const char *const constant[COLUMNS] = {NULL,    "1", "standing", "app",  "notified", "7f9c24e5-2b1a-4d52-9a3b-0b1f6a7c8d9e",
						      "2.0.4", "2", "ordered",  "\"\"", "queued",   "sent",
						      "poll"};
	fill(a, constant, COLUMNS, first, count);
	check(conn, PQexec(conn, "BEGIN"));
	const char *const task[] = {a[0].text, a[1].text, a[0].text, a[1].text, a[2].text,
				    a[3].text, a[4].text, a[5].text, a[6].text, a[7].text};
	check(conn, PQexecPrepared(conn, "offers", 10, task, NULL, NULL, 0));
	check(conn, PQexecPrepared(conn, "events", 5, (const char *const[]){a[0].text, a[8].text, a[9].text, a[10].text, a[2].text}, NULL,
				   NULL, 0));
	check(conn, PQexecPrepared(conn, "events", 5, (const char *const[]){a[0].text, a[11].text, a[10].text, a[4].text, a[12].text}, NULL,
				   NULL, 0));
	check(conn, PQexecPrepared(conn, "change", 1, (const char *const[]){a[0].text}, NULL, NULL, 0));
	check(conn, PQexec(conn, "COMMIT"));
}

typedef void one_batch(PGconn *conn, struct array *a, long first, long count);

static void batches(PGconn *conn, one_batch *run, long first, long rows, long size)
{
	struct array arrays[COLUMNS];
	for (int i = 0; i < COLUMNS; i++) {
		arrays[i].text = malloc((size_t)size * 48 + 8);
		if (!arrays[i].text) {
			bench_die("out of memory");
		}
	}
	check(conn, PQprepare(conn, "tasks", update_tasks, 0, NULL));
	check(conn, PQprepare(conn, "offers", insert_tasks, 0, NULL));
	check(conn, PQprepare(conn, "events", insert_events, 0, NULL));
	check(conn, PQprepare(conn, "change", append_change, 0, NULL));
	for (long done = 0; done < rows; done += size) {
		run(conn, arrays, first + done, rows - done < size ? rows - done : size);
	}
	for (int i = 0; i < COLUMNS; i++) {
		free(arrays[i].text);
	}
}

int main(int argc, char **argv)
{
	const char *what = argc > 2 ? argv[1] : "";
	PGconn *conn = argc > 3 ? connected(argv[2]) : NULL;
	int64_t begin = bench_now();
	if (argc == 3 && strcmp(what, "digest") == 0) {
		digest(bench_number(argv[2]));
	} else if (argc == 4 && strcmp(what, "chunks") == 0) {
		chunks(conn, bench_number(argv[3]));
	} else if (argc == 6 && (strcmp(what, "reports") == 0 || strcmp(what, "offers") == 0)) {
		one_batch *run = *what == 'r' ? reports_batch : offers_batch;
		batches(conn, run, bench_number(argv[3]), bench_number(argv[4]), bench_number(argv[5]));
	} else {
		bench_die("usage: bench-database digest BYTES | chunks URI BYTES | reports|offers URI FIRST ROWS BATCH");
	}
	printf("seconds %.6f\n", (double)(bench_now() - begin) / 1e9);
	PQfinish(conn);
	return 0;
}
