#include "common/err.h"
#include "http/router.h"
#include "http/server.h"
#include "unit.h"

static const struct http_route v2[] = {
	{.method = "GET", .path = "/api/v2/list"},
	{.method = "POST", .path = "/api/v2/list"},
	{.method = "GET", .path = "/api/v2/micro/{fileName}"},
	{.method = "GET", .path = "/api/v2/micro/latest"},
	{.method = "DELETE", .path = "/api/v2/{kind}/x/{id}"},
};
static const struct http_route wide[] = {{.method = "GET", .path = "/api/{any}"}};
static const struct http_dialect dialects[] = {
	{.prefix = "/api/", .routes = wide, .route_count = COUNT(wide)},
	{.prefix = "/api/v2/", .routes = v2, .route_count = COUNT(v2)},
};

static struct http_match find(const char *method, const char *path)
{
	struct http_router *router = http_router_new(dialects, COUNT(dialects), NULL);
	struct http_match m;
	assert_non_null(router);
	http_router_find(router, method, path, &m);
	http_router_free(&router);
	assert_null(router);
	return m;
}

static void literal_routes(void **state)
{
	(void)state;
	assert_ptr_equal(find("GET", "/api/v2/list").route, &v2[0]);
	assert_ptr_equal(find("POST", "/api/v2/list").route, &v2[1]);
	assert_ptr_equal(find("HEAD", "/api/v2/list").route, &v2[0]);
	assert_null(find("GET", "/api/v2/list/").route);
	assert_null(find("GET", "/api/v2/lis").route);
	assert_null(find("GET", "/api/v2/List").route);
}

static void the_longest_prefix_wins(void **state)
{
	(void)state;
	assert_ptr_equal(find("GET", "/api/v2/nothing").dialect, &dialects[1]);
	assert_null(find("GET", "/api/v2/nothing").route);
	assert_ptr_equal(find("GET", "/api/other").route, &wide[0]);
	assert_null(find("GET", "/other").dialect);
	assert_null(find("GET", "").dialect);
	assert_null(find("GET", "*").dialect);
}

static void segments_match_one_non_empty_segment(void **state)
{
	(void)state;
	struct http_match m = find("GET", "/api/v2/micro/abc.bin");
	assert_ptr_equal(m.route, &v2[2]);
	assert_int_equal(m.param_count, 1);
	assert_memory_equal(m.param[0].name, "fileName", m.param[0].name_len);
	assert_int_equal(m.param[0].text_len, 7);
	assert_null(find("GET", "/api/v2/micro/").route);
	assert_null(find("GET", "/api/v2/micro/a/b").route);
	assert_non_null(find("GET", "/api/v2/micro/a%2Fb").route);
}

static void a_literal_wins_over_a_segment(void **state)
{
	(void)state;
	assert_ptr_equal(find("GET", "/api/v2/micro/latest").route, &v2[3]);
}

static void several_segments(void **state)
{
	(void)state;
	struct http_match m = find("DELETE", "/api/v2/firmware/x/17");
	assert_ptr_equal(m.route, &v2[4]);
	assert_int_equal(m.param_count, 2);
	assert_memory_equal(m.param[0].text, "firmware", 8);
	assert_memory_equal(m.param[1].text, "17", 2);
	assert_int_equal(m.param[1].name_len, 2);
}

static void another_method_names_those_allowed(void **state)
{
	(void)state;
	struct http_match m = find("PUT", "/api/v2/list");
	assert_null(m.route);
	assert_string_equal(m.allow, "GET, HEAD, POST");
	assert_string_equal(find("PUT", "/api/v2/micro/x").allow, "GET, HEAD");
	assert_string_equal(find("PUT", "/api/v2/none").allow, "");
	assert_string_equal(find("HEAD", "/api/v2/a/x/b").allow, "DELETE");
}

static void malformed_routes_are_refused(void **state)
{
	(void)state;
	static const char *const bad[] = {"api", "/a/{b", "/a/x{b}", "/a/{b}c", "/{a}/{b}/{c}/{d}/{e}"};
	for (size_t i = 0; i < COUNT(bad); i++) {
		struct http_route route = {.method = "GET", .path = bad[i]};
		struct http_dialect dialect = {.prefix = "/", .routes = &route, .route_count = 1};
		struct err err = {0};
		assert_null(http_router_new(&dialect, 1, &err));
		assert_int_equal(err.kind, ERR_INVALID);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(literal_routes),
		cmocka_unit_test(the_longest_prefix_wins),
		cmocka_unit_test(segments_match_one_non_empty_segment),
		cmocka_unit_test(a_literal_wins_over_a_segment),
		cmocka_unit_test(several_segments),
		cmocka_unit_test(another_method_names_those_allowed),
		cmocka_unit_test(malformed_routes_are_refused),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
