"""What the fog dialect's files refuse: the envelope with the right code, and nothing half-written. And those who write at once."""

import json
import threading
import uuid

import pytest
from test_fog_files import DELETED, MADE, Files, as_json, multipart, urlencoded

WHOLE = "SELECT (SELECT count(*) FROM firmware), (SELECT count(*) FROM rollouts), (SELECT count(*) FROM mac_ranges), (SELECT count(*) FROM audit WHERE action LIKE 'file.%%')"


@pytest.fixture
def fog(shared):
    return Files(shared, shared.product("p" + uuid.uuid4().hex[:12]))


def refused(fog, method, tail, code, body=None, headers=None, **query):
    """The answer's message; nothing is written."""
    before = fog.site.db.rows(WHOLE)
    got, message, data = fog.call(method, tail, body=body, headers=headers, **query)
    assert (got, data) == (code, {}), (got, message)
    assert fog.site.db.rows(WHOLE) == before
    return message


# Whose, and which.


@pytest.mark.parametrize("method, tail", [("GET", ""), ("POST", ""), ("GET", "1"), ("PUT", "1"), ("PATCH", "1"), ("DELETE", "1")])
@pytest.mark.parametrize("product", ["nonsense", "0", "-1", "9" * 18, "9" * 40, "device", "devce", "version", "%E5%B0%8F", "a%20b"])
def test_a_wrong_product(fog, method, tail, product):
    fog.base = f"/api/v1/ota/{product}/files/"
    assert refused(fog, method, tail, 10000, MADE if method in ("POST", "PUT", "PATCH") else None).startswith("参数错误:")


@pytest.mark.parametrize("path", ["/api/v1/ota/files", "/api/v1/ota/files/", "/api/v1/ota//files", "/api/v1/ota//files/"])
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_no_product_at_all(shared, path, method):
    answer = shared.operator.request(method, path, body=MADE if method == "POST" else None)
    assert Files.read(answer)[:2] == (10000, "参数错误:缺少product参数")


@pytest.mark.parametrize("id_", ["0", "-1", "x", "1.0", "9" * 18, "9" * 40, "999999"])
def test_an_id_that_nobody_has(fog, id_):
    for method in ("GET", "PUT", "PATCH"):
        refused(fog, method, id_, 10000, MADE if method != "GET" else None)
    assert refused(fog, "DELETE", id_, 10500) == "ot_id错误,找不到任务"


def test_another_product_s_file(shared, fog):
    other = Files(shared, shared.product("p" + uuid.uuid4().hex[:12]))
    theirs = other.make()
    for method, code in (("GET", 10000), ("PUT", 10000), ("PATCH", 10000), ("DELETE", 10500)):
        refused(fog, method, str(theirs["id"]), code, {"status": 1} if method == "PATCH" else MADE if method == "PUT" else None)
    assert other.get(theirs["id"]) == theirs


def test_firmware_that_is_no_file_is_none(shared, fog):
    uploaded = shared.firmware(fog.product, "fw-" + uuid.uuid4().hex[:8])
    assert fog.count() == 0
    for method, code in (("GET", 10000), ("PATCH", 10000), ("DELETE", 10500)):
        refused(fog, method, str(uploaded.id), code, {"status": 1} if method == "PATCH" else None)


# What the members may not be.


BAD = [
    {"ug_type": 0, "ota_type": 1}, {"ug_type": 2}, {"ug_type": -1}, {"ug_type": "x"}, {"ota_type": 1.5}, {"ug_type": [0]},
    {"file_url": ""}, {"file_url": "ftp://a.com/a"}, {"file_url": "a.com/a.bin"}, {"file_url": "http://"}, {"file_url": "https:///a"},
    {"file_url": "http://a.com/a b"}, {"file_url": 'http://a.com/"'}, {"file_url": "http://a.com/固件.bin"}, {"file_url": "http://a.com/" + "a" * 244},
    {"file_url": ["http://a.com"]}, {"file_url": "javascript:alert(1)"}, {"file_url": "http://a.com/\r\nX: y"},
    {"version": ""}, {"version": "1" * 33}, {"version": "1 0"}, {"version": '1"0'}, {"version": {}},
    {"md5": ""}, {"md5": "a" * 65}, {"md5": "a\\b"}, {"size": ""}, {"size": "9" * 33}, {"size": None},
    {"customize": "x" * 257}, {"customize": "小" * 86}, {"customize": "a\x01b"}, {"description": "x" * 513}, {"file_name": "x" * 257}, {"file_name": None},
    {"mac_range": ["C89346FFFFFF~C89346000000"]}, {"mac_range": ["XX9346000000~XX9346FFFFFF"]}, {"mac_range": ["C8~C9"]}, {"mac_range": ["A*B"]},
    {"mac_range": ["A~B~C"]}, {"mac_range": [""]}, {"mac_range": ["A", ""]}, {"mac_range": "A,,B"}, {"mac_range": [1]}, {"mac_range": {"a": 1}},
    {"mac_range": 7}, {"mac_range": ["é"]}, {"mac_range": ["A" * 200]}, {"mac_range": [f"{n:X}" for n in range(100_001)]},
    {"file_url": "http://a.com/" + "a" * 1_000_000}, {"customize": "x" * 1_000_000}, {"mac_range": ["A" * 1_000_000]}, {"version": "1" * 1_000_000},
    {"force": "maybe"}, {"allow_downgrade": 3},
]


@pytest.mark.parametrize("bad", BAD, ids=lambda bad: repr(bad)[:60])
def test_what_a_member_may_not_be(fog, bad):
    assert refused(fog, "POST", "", 10000, {**MADE, **bad}).startswith("参数错误:")
    made = fog.make()
    if None not in bad.values():
        refused(fog, "PUT", str(made["id"]), 10000, {**MADE, **bad})
        assert fog.get(made["id"]) == made


@pytest.mark.parametrize("bad", [{"status": 3}, {"status": -1}, {"status": "x"}, {"id": 777777}, {"ot_id": 777777}, {"ug_type": 1}])
def test_what_a_change_may_not_say(fog, bad):
    made = fog.make()
    refused(fog, "PUT", str(made["id"]), 10000, {**MADE, "version": "3", **bad})
    refused(fog, "PATCH", str(made["id"]), 10000, {"version": "3", **bad})
    assert fog.get(made["id"]) == made


def test_overlapping_ranges_are_ranges(fog):
    ranges = ["C89346000000~C89346FFFFFF", "C89346404AB2", "C893*", "C89346404AB2"]
    assert fog.make(mac_range=ranges)["mac_range"] == ranges


@pytest.mark.parametrize("status", [1, 2])
def test_an_online_file_is_not_deleted(fog, status):
    made = fog.make()
    fog.call("PATCH", str(made["id"]), {"status": status})
    assert refused(fog, "DELETE", str(made["id"]), 10501) == "任务状态错误:仅有测试中的任务可以删除"


# Bodies that are not what they say.


FORM = {"Content-Type": "application/x-www-form-urlencoded"}
JSON = {"Content-Type": "application/json"}
PARTS, PARTS_BODY = multipart(MADE.items())
BODIES = [
    (FORM, json.dumps(MADE)), (PARTS, json.dumps(MADE)), (JSON, urlencoded(MADE.items())[1]), (JSON, PARTS_BODY), (FORM, PARTS_BODY),
    (PARTS, urlencoded(MADE.items())[1]), (JSON, ""), (FORM, ""), (PARTS, ""), (JSON, "[]"), (JSON, "null"), (JSON, "{"), (JSON, "{}"), (JSON, '{"md5":1,"md5":2}'),
    (JSON, b'{"version":"\xff"}'), (JSON, '{"version":"\\u0000"}'), (JSON, "[" * 100_000), (JSON, b"\x00" * 100),
    (FORM, "a=%"), (FORM, "a=%zz"), (FORM, "a=%00"), (FORM, b"a=\xff"), (FORM, "a"), (FORM, "=a"), (FORM, "&"), (FORM, "a=1&" * 200_000),
    (PARTS, PARTS_BODY[:-5]), (PARTS, PARTS_BODY[:100]), ({"Content-Type": "multipart/form-data"}, PARTS_BODY),
    ({"Content-Type": "multipart/form-data; boundary="}, PARTS_BODY), ({"Content-Type": "text/plain"}, json.dumps(MADE)),
    ({"Content-Type": "application/jsonx"}, json.dumps(MADE)),
]


@pytest.mark.parametrize("headers, body", BODIES, ids=lambda value: repr(value)[:40])
def test_a_body_that_is_not_what_it_says(fog, headers, body):
    body = body.encode() if isinstance(body, str) else body
    refused(fog, "POST", "", 10000, body, headers)
    made = fog.make()
    refused(fog, "PUT", str(made["id"]), 10000, body, headers)


def test_json_that_is_called_a_form_is_told_so(fog):
    assert "the body is JSON" in refused(fog, "POST", "", 10000, json.dumps(MADE).encode(), FORM)


def test_a_file_where_a_field_belongs(fog):
    parts = PARTS_BODY.replace(b'name="file_url"', b'name="file_url"; filename="a.bin"')
    assert "file" in refused(fog, "POST", "", 10000, parts, PARTS)


@pytest.mark.parametrize("encode", [multipart, urlencoded])
def test_a_member_that_is_there_twice(fog, encode):
    headers, body = encode([*MADE.items(), ("version", "2")])
    assert "version" in refused(fog, "POST", "", 10000, body, headers)


def test_more_than_may_be_sent(shared, fog):
    answer = shared.operator.request("POST", fog.base, body=b"{" + b" " * (17 << 20) + b"}", headers=JSON)
    assert Files.read(answer, 413)[0] == 10000
    assert fog.count() == 0


# Pages.


@pytest.mark.parametrize("page", ["0", "-1", "1000000000", "2", "x", "1.5", "9" * 30, "%00", "+1"])
def test_a_bad_page_is_404_and_10000(shared, fog, page):
    fog.make()
    answer = shared.operator.request("GET", fog.base, raw_query=f"page={page}")
    if page == "%00":
        assert answer.status == 400
    else:
        assert Files.read(answer, 404)[0] == 10000


@pytest.mark.parametrize("size", ["0", "-1", "101", "1000000", "x", "1.5", "9" * 30])
def test_a_bad_page_size(fog, size):
    fog.make()
    refused(fog, "GET", "", 10000, page_size=size)


def test_an_empty_product_has_one_empty_page(fog):
    assert fog.call("GET")[2] == {"count": 0, "page_size": 10, "next": None, "previous": None, "results": []}
    assert fog.call("GET", page=1)[0] == 0


# The server's own refusals speak the dialect.


def test_unknown_paths_and_methods(shared, fog):
    for method, path, status in (("GET", "/api/v1/ota/", 404), ("GET", f"{fog.base}1/2", 404), ("PUT", fog.base, 405), ("POST", f"{fog.base}1", 405)):
        assert Files.read(shared.operator.request(method, path), status)[0] == 10000


def test_without_a_database_it_is_503(site):
    seed = Files(site, site.product("test"))
    made = seed.make()
    site.cluster.kill()
    for method, tail, body in (("GET", "", None), ("POST", "", {**MADE, "version": "2"}), ("PATCH", str(made["id"]), {"status": 1}), ("DELETE", str(made["id"]), None)):
        answer = site.operator.request(method, seed.base + tail, body=body)
        assert Files.read(answer, 503)[0] == 503 and answer.header("Retry-After")
    site.cluster.start()
    for _ in range(100):
        if site.operator.get(seed.base).status == 200:
            break
    assert seed.get(made["id"]) == made and seed.count() == 1


# At once.


def at_once(calls):
    results = [None] * len(calls)

    def run(i):
        results[i] = calls[i]()

    threads = [threading.Thread(target=run, args=(i,)) for i in range(len(calls))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return results


def test_racing_puts_leave_one_of_them_whole(fog):
    made = fog.make()
    bodies = [{**MADE, "version": f"2.{n}", "md5": f"m{n}", "size": str(n), "mac_range": [f"A{n}", f"B{n}"], "customize": f"c{n}"} for n in range(8)]
    for _ in range(3):
        answers = at_once([lambda body=body: fog.call("PUT", str(made["id"]), body) for body in bodies])
        assert [code for code, _, _ in answers] == [0] * len(bodies)
        last = fog.get(made["id"])
        assert {key: last[key] for key in bodies[0]} in bodies
    assert fog.site.db.value("SELECT count(*) FROM rollouts WHERE firmware_id = %s", made["id"]) == 1


def test_no_answer_mixes_two_puts(fog):
    made = fog.make(version="2.0", mac_range=["A0"], customize="c0")
    bodies = [{**MADE, "version": f"2.{n}", "mac_range": [f"A{n}"], "customize": f"c{n}"} for n in range(4)]

    def write(body):
        answers = [fog.call("PUT", str(made["id"]), body)[2] for _ in range(8)]
        assert all(answer[key] == body[key] for answer in answers for key in body), "a PUT's answer is what it has written"
        return answers

    def read():
        return [row for _ in range(8) for row in (fog.get(made["id"]), *fog.call("GET")[2]["results"])]

    for row in [row for rows in at_once([lambda body=body: write(body) for body in bodies] + [read] * 2) for row in rows]:
        assert {row["version"][2:], row["mac_range"][0][1:], row["customize"][1:]} == {row["version"][2:]}, row


def test_of_racing_posts_of_one_version_one_wins(fog):
    answers = at_once([lambda: fog.call("POST", body=MADE)] * 8)
    assert sorted(code for code, _, _ in answers) == [0] + [10000] * 7
    assert fog.count() == 1


def test_a_put_and_a_delete_at_once(fog):
    for n in range(5):
        made = fog.make(version=f"1.{n}")
        put, delete = at_once([lambda: fog.call("PUT", str(made["id"]), {**MADE, "version": f"9.{n}"}), lambda: fog.call("DELETE", str(made["id"]))])
        assert delete[0] == 0 and put[0] in (0, 10000), (put, delete)
        assert fog.call("GET", str(made["id"]))[0] == 10000
    assert fog.count() == 0


def test_the_seed_s_delete_answer_is_the_same_for_all_kinds_of_slash(shared, fog):
    for slash in ("", "/"):
        made = fog.make(version=f"7.{len(slash)}")
        assert shared.operator.delete(f"{fog.base}{made['id']}{slash}").body.decode() == DELETED


def test_as_json_is_how_these_tests_speak(fog):
    headers, body = as_json(MADE.items())
    assert fog.call("POST", body=body, headers=headers)[0] == 0
