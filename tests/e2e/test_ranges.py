"""Which devices the rollout of a file is for, by /api/v3: lists are imported whole or not at all, and found again by whom they name."""

import pytest

CSV = {"Content-Type": "text/csv"}


def problem(answer, status, words=""):
    assert answer.status == status, answer
    assert answer.header("Content-Type") == "application/problem+json"
    assert words in answer.json["detail"], answer
    return answer.json


def make(site, key="lamp"):
    body = {"productId": site.product(key), "component": "mcu", "version": "1.0", "fileUrl": "http://files.example.com/a.bin", "md5": "m", "size": "1", "stage": "test"}
    return site.operator.post("/api/v3/files", body).must(201).json


def rollout(site, key="lamp"):
    return make(site, key)["rolloutId"]


def load(client, number, body, status=200, headers=None, **query):
    answer = client.request("POST", f"/api/v3/rollouts/{number}/ranges/import", query, body, {**CSV, **(headers or {})})
    assert answer.status == status, answer
    return answer


def ranges(client, number, **query):
    return client.get(f"/api/v3/rollouts/{number}/ranges", **query).must(200).json


def test_a_list_is_imported_read_and_dropped(site):
    number = rollout(site)
    assert ranges(site.viewer, number) == {"count": 0, "items": [], "next": None}
    body = b"\xef\xbb\xbfmac_range\r\nc8:93:46:40:4a:b2\r\nC89346000000~C89346FFFFFF\r\n\r\n\"DEF1*\"\r\n"
    assert load(site.operator, number, body).json == {"imported": 3}
    wanted = [{"place": 1, "range": "C89346000000~C89346FFFFFF"}, {"place": 2, "range": "C89346404AB2"}, {"place": 3, "range": "DEF1*"}]
    assert ranges(site.viewer, number) == {"count": 3, "items": wanted, "next": None}
    assert load(site.operator, number, b"MORE").json == {"imported": 1}
    assert ranges(site.viewer, number, limit=2) == {"count": 4, "items": wanted[:2], "next": 2}
    assert ranges(site.viewer, number, after=2, limit=2) == {"count": 4, "items": [wanted[2], {"place": 4, "range": "MORE"}], "next": None}
    assert load(site.operator, number, b"ONLY", replace="true").json == {"imported": 1}
    assert ranges(site.viewer, number)["items"] == [{"place": 1, "range": "ONLY"}]
    assert site.operator.delete(f"/api/v3/rollouts/{number}/ranges").status == 204
    assert ranges(site.viewer, number)["count"] == 0
    mine = [row for row in site.audit() if row[1].startswith("ranges.")]
    assert [row[1] for row in mine] == ["ranges.import"] * 3 + ["ranges.delete"]


def test_it_is_found_by_whom_it_names(site):
    number = rollout(site)
    load(site.operator, number, b"C89346404AB2\nC89346000000~C89346FFFFFF\nDEF1*\n")
    found = site.viewer.get("/api/v3/ranges", identifier="c8:93:46:40:4a:b2").must(200).json
    assert found == {"items": [
        {"rolloutId": number, "place": 1, "range": "C89346000000~C89346FFFFFF"}, {"rolloutId": number, "place": 2, "range": "C89346404AB2"},
    ]}  # fmt: skip
    assert len(site.viewer.get("/api/v3/ranges", identifier="DEF1LUK").json["items"]) == 1
    assert site.viewer.get("/api/v3/ranges", identifier="DEF1LUK", productId=999).json == {"items": []}
    assert site.viewer.get("/api/v3/ranges", identifier="ZEBRA").json == {"items": []}
    problem(site.viewer.get("/api/v3/ranges", identifier="A*"), 400, "identifier")
    problem(site.viewer.get("/api/v3/ranges"), 400, "identifier")


BAD_FILES = [
    ("reversed", b"A\nC89346000001~C89346000000\n", 400, "line 2: the range C89346000001~C89346000000 is reversed"),
    ("no hex", b"range\nA\nG89346000000~G89346000001", 400, "line 3: an end of a range must be a MAC address"),
    ("a star inside", b"A*B", 400, "line 1: "), ("a star alone", b"A\n\n*", 400, "line 3: "), ("two fields", b"A,B", 400, "line 1: "),
    ("NUL", b"A\0B", 400, "line 1: "), ("not ASCII", "l\u00e4mp".encode(), 400, "line 1: "), ("empty", b"", 400, "no entry"), ("blank lines", b"\r\n\n", 400, "no entry"),
    ("a line of a megabyte", b"A\n" + b"x" * (1 << 20), 413, "line 2: "), ("too many", b"A\n" * 1_000_001, 413, "line 1000001"),
]  # fmt: skip


@pytest.mark.parametrize("body, status, words", [pytest.param(b, s, w, id=i) for i, b, s, w in BAD_FILES])
def test_a_bad_file_changes_nothing(shared, body, status, words):
    number = getattr(shared, "ranges_rollout", None)
    if number is None:
        number = shared.ranges_rollout = rollout(shared, "bad-ranges")
        load(shared.operator, number, b"OLD")
    problem(load(shared.operator, number, body, status, replace="true"), status, words)
    assert ranges(shared.viewer, number)["items"] == [{"place": 1, "range": "OLD"}]


def test_what_is_not_there_and_who_may_not(site):
    file = make(site)
    number = file["rolloutId"]
    path = f"/api/v3/rollouts/{number}/ranges"
    problem(load(site.operator, 999, b"A", 404), 404, "no rollout 999 of a file")
    problem(site.viewer.get("/api/v3/rollouts/999/ranges"), 404)
    problem(site.operator.delete("/api/v3/rollouts/999/ranges"), 404)
    problem(load(site.viewer, number, b"A", 403), 403)
    problem(site.viewer.delete(path), 403)
    problem(site.anybody.get(path), 401)
    problem(site.anybody.get("/api/v3/ranges", identifier="A"), 401)
    problem(load(site.operator, number, b"A", 400, replace="yes"), 400, "replace")
    problem(load(site.operator, number, b"A", 400, colour="red"), 400, "colour")
    assert site.operator.request("POST", path + "/import", {}, b"A", {"Content-Type": "application/json"}).status == 415
    site.operator.delete(f"/api/v3/files/{file['id']}").must(204)
    problem(load(site.operator, number, b"A", 404), 404)
    problem(site.viewer.get(path), 404)
    body = {"productId": file["productId"], "firmwareId": site.firmware(file["productId"]).id}
    standing = site.operator.post("/api/v3/rollouts", body).must(201).json["id"]
    problem(load(site.operator, standing, b"A", 404), 404)  # no file's


def test_a_repeated_import_is_one(site):
    number = rollout(site)
    headers = {"Idempotency-Key": "r1"}
    for _ in range(2):
        assert load(site.operator, number, b"A\nB", headers=headers).json == {"imported": 2}
    assert ranges(site.viewer, number)["count"] == 2
    problem(load(site.operator, number, b"C", 409, headers), 409)


def test_a_file_shows_how_many_it_has_and_takes_them_along(site):
    file = make(site)
    load(site.operator, file["rolloutId"], b"A\nB")
    path = f"/api/v3/files/{file['id']}"
    assert site.viewer.get(path).json["ranges"] == 2
    row = site.operator.get(f"/api/v1/ota/{file['productId']}/files/{file['id']}").json["data"]
    assert row["mac_range"] == ["A", "B"]
    site.operator.delete(path).must(204)
    assert site.db.value("SELECT count(*) FROM mac_ranges") == 0
