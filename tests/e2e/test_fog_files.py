"""The fog dialect's files, as operators make, list, read, change and delete them: seed 002's samples literally, and what its table of inconsistencies settles."""

import json
import re
import uuid
from urllib.parse import urlencode

import pytest

from harness.process import until
from harness.web import Client

# The samples of the seed, character for character but for the values that this service makes.
CREATED = '{"meta":{"code":0,"message":"upload file ok"},"data":{"id":%d,"product":"test","ota_type":0,"file_name":"ota.bin","file_url":"https://xxx.com/a.bin","size":"20kb","md5":"gzsf12jkiu...","version":"1.0.1","mac_range":null,"customize":"xxx","created_at":"%s","updated_at":"%s","description":"","status":0,"is_delete":false,"extra":{}}}'  # noqa: E501
LISTED = '{"meta":{"message":"info list","code":0},"data":{"count":1,"page_size":10,"next":null,"previous":null,"results":[{"id":%d,"product":"test","ota_type":0,"file_name":"ota.bin","file_url":"https://a.com/a.bin","size":"20kb","md5":"f6hk9vgc4...","version":"1.0.1","mac_range":null,"customize":"xxxx","created_at":"%s","updated_at":"%s","description":"","status":0,"is_delete":false,"extra":{}}]}}'  # noqa: E501
SHOWN = '{"meta":{"code":0,"message":"file info"},"data":{"id":%d,"product":"test","ota_type":0,"file_name":"ota.bin","file_url":"https://a.com/a.bin","size":"20kb","md5":"abki2lnb...","version":"1.0.1","mac_range":null,"customize":"xxxx","created_at":"%s","updated_at":"%s","description":"","status":0,"is_delete":false,"extra":{}}}'  # noqa: E501
DELETED = '{"meta":{"message":"任务删除成功","code":0},"data":{"ot_id":null}}'
CHANGED = {"ota_type": 0, "file_name": "ota.bin", "file_url": "https://xxx.com/a.bin", "size": "20kb", "md5": "fg2bz4...", "version": "1.0.1",
           "mac_range": ["DEF1LUK", "DEF1L2G"], "extra": {}}

MADE = {"file_name": "ota.bin", "file_url": "https://xxx.com/a.bin", "md5": "gzsf12jkiu...", "size": "20kb", "version": "1.0.1", "customize": "xxx"}


@pytest.fixture
def fog(shared):
    """A product of this test's own, and its files."""
    return Files(shared, shared.product("p" + uuid.uuid4().hex[:12]))


class Files:
    def __init__(self, site, product):
        self.site = site
        self.product = product
        self.key = site.admin.get(f"/api/v3/products/{product}").json["key"]
        self.base = f"/api/v1/ota/{self.key}/files/"

    def call(self, method, tail="", body=None, headers=None, role="operator", **query):
        """(code, message, data) of an answer of the right shape."""
        answer = self.site.client(self.site.tokens[role] if role else None).request(method, self.base + tail, query, body=body, headers=headers)
        return self.read(answer)

    @staticmethod
    def read(answer, status=200):
        assert answer.status == status, answer
        assert answer.body.startswith(b"{") and answer.body.endswith(b"}"), answer
        assert int(answer.header("Content-Length")) == len(answer.body) and answer.header("Transfer-Encoding") is None
        whole = answer.json
        assert set(whole) == {"meta", "data"} and set(whole["meta"]) == {"code", "message"}
        return whole["meta"]["code"], whole["meta"]["message"], whole["data"]

    def make(self, **more):
        code, message, data = self.call("POST", body={**MADE, **more})
        assert (code, message) == (0, "upload file ok"), (code, message)
        return data

    def get(self, file):
        code, message, data = self.call("GET", str(file))
        assert (code, message) == (0, "file info"), (code, message)
        return data

    def count(self):
        return self.call("GET")[2]["count"]


# The seed, literally.


@pytest.fixture
def seed(site):
    return Files(site, site.product("test"))


def times(row):
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d", row["created_at"]), row
    return row["created_at"], row["updated_at"]


def text_of(site, method, path, body=None):
    answer = site.operator.request(method, path, body=body)
    Files.read(answer)
    return answer.body.decode()


@pytest.mark.parametrize("slash", ["", "/"])
def test_the_seed_s_samples(site, seed, slash):
    base = "/api/v1/ota/test/files"
    text = text_of(site, "POST", base + slash, MADE)
    made = json.loads(text)["data"]
    assert text == CREATED % (made["id"], *times(made))
    of_list = {**MADE, "file_url": "https://a.com/a.bin", "md5": "f6hk9vgc4...", "customize": "xxxx"}
    assert seed.call("PUT", str(made["id"]), of_list)[0] == 0
    text = text_of(site, "GET", base + slash)
    assert text == LISTED % (made["id"], *times(json.loads(text)["data"]["results"][0]))
    assert seed.call("PUT", str(made["id"]), {**of_list, "md5": "abki2lnb..."})[0] == 0
    text = text_of(site, "GET", f"{base}/{made['id']}{slash}")
    assert text == SHOWN % (made["id"], *times(json.loads(text)["data"]))
    changes = {**MADE, "md5": "fg2bz4...", "mac_range": ["DEF1LUK", "DEF1L2G"], "ot_id": made["id"]}
    text = text_of(site, "PUT", f"{base}/{made['id']}{slash}", changes)
    assert text.startswith('{"meta":{"code":0,"message":"update file ok"},"data":{')
    changed = json.loads(text)["data"]
    assert {key: changed[key] for key in CHANGED} == CHANGED
    assert text_of(site, "DELETE", f"{base}/{made['id']}{slash}") == DELETED
    assert seed.count() == 0


def test_times_are_those_of_the_configured_zone(site, seed):
    made = seed.make()
    utc, = site.db.rows("SELECT to_char(created_at AT TIME ZONE 'Asia/Shanghai', 'YYYY-MM-DD\"T\"HH24:MI:SS') FROM firmware")[0]
    assert made["created_at"] == utc


def test_no_path_is_redirected(seed):
    for method, tail in (("POST", ""), ("GET", ""), ("GET", "1"), ("PUT", "1"), ("PATCH", "1"), ("DELETE", "1")):
        for path in (seed.base + tail).rstrip("/"), (seed.base + tail).rstrip("/") + "/":
            answer = seed.site.operator.request(method, path, body={} if method in ("POST", "PUT", "PATCH") else None)
            assert answer.status == 200 and answer.header("Location") is None, (method, path, answer)


# Who may.


@pytest.mark.parametrize("scheme", ["token ", "Token ", "TOKEN ", "Bearer ", "bearer ", ""])
def test_a_token_counts_in_any_form(shared, fog, scheme):
    assert fog.call("GET", headers={"Authorization": scheme + shared.tokens["operator"]}, role=None)[0] == 0


@pytest.mark.parametrize("headers", [{}, {"Authorization": ""}, {"Authorization": "token"}, {"Authorization": "token nonsense"}])
@pytest.mark.parametrize("method, tail", [("GET", ""), ("POST", ""), ("GET", "1"), ("PUT", "1"), ("PATCH", "1"), ("DELETE", "1")])
def test_without_a_good_token_it_is_401_with_the_envelope(shared, fog, headers, method, tail):
    answer = shared.anybody.request(method, fog.base + tail, headers=headers)
    code, message, data = Files.read(answer, 401)
    assert (code, data) == (401, {}) and message


def test_a_viewer_reads_and_does_not_write(shared, fog):
    made = fog.make()
    assert fog.call("GET", role="viewer")[2]["count"] == 1
    assert Files.read(shared.viewer.post(fog.base, MADE), 403)[0] == 403
    assert Files.read(shared.viewer.delete(fog.base + str(made["id"])), 403)[0] == 403


# The three kinds of bodies.


def multipart(pairs):
    boundary = "--fog-boundary"
    parts = "".join(f'--{boundary}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n' for name, value in pairs)
    return {"Content-Type": f"multipart/form-data; boundary={boundary}"}, (parts + f"--{boundary}--\r\n").encode()


def urlencoded(pairs):
    return {"Content-Type": "application/x-www-form-urlencoded"}, urlencode(list(pairs)).encode()


def as_json(pairs):
    body = {}
    for name, value in pairs:
        body[name] = [*body[name], value] if name == "mac_range" and name in body else [value] if name == "mac_range" else value
    return {"Content-Type": "application/json; charset=utf-8"}, json.dumps(body).encode()


KINDS = pytest.mark.parametrize("encode", [multipart, urlencoded, as_json])


@KINDS
def test_every_kind_of_body_says_the_same(fog, encode):
    pairs = [*MADE.items(), ("ug_type", "1"), ("description", "第一版 & <more>"), ("mac_range", "C8:93:46:40:4A:B2"), ("mac_range", "DEF1LUK")]
    headers, body = encode(pairs)
    code, message, made = fog.call("POST", body=body, headers=headers)
    assert (code, message) == (0, "upload file ok")
    assert (made["ota_type"], made["description"], made["mac_range"]) == (1, "第一版 & <more>", ["C8:93:46:40:4A:B2", "DEF1LUK"])
    headers, body = encode([("status", "1"), ("mac_range", "AA*")])
    code, message, changed = fog.call("PATCH", str(made["id"]), body=body, headers=headers)
    assert (code, message, changed["status"], changed["mac_range"]) == (0, "update file ok", 1, ["AA*"])
    assert fog.get(made["id"]) == changed


def test_without_a_content_type_the_body_tells(shared, fog):
    for body in (json.dumps(MADE), urlencode({**MADE, "version": "2"})):
        answer = shared.operator.request("POST", fog.base, body=body.encode(), headers={"Content-Type": ""})
        assert Files.read(answer)[0] == 0, answer


@pytest.mark.parametrize("given, shown", [
    (None, None), ([], None), ("", None), (["A"], ["A"]), ("A,B", ["A", "B"]), ("A, c8-93-46*", ["A", "c8-93-46*"]),
    (["C89346000000~C89346FFFFFF"], ["C89346000000~C89346FFFFFF"]),
])
def test_ranges_as_they_may_be_written(fog, given, shown):
    assert fog.make(mac_range=given)["mac_range"] == shown


def test_a_hundred_thousand_ranges_in_one_call(fog):
    ranges = [f"{n:012X}" for n in range(100_000)]
    made = fog.make(mac_range=ranges)
    assert made["mac_range"] == ranges
    assert fog.site.db.value("SELECT count(*) FROM mac_ranges m JOIN rollouts r ON r.id = m.rollout_id WHERE r.firmware_id = %s", made["id"]) == 100_000
    row = fog.call("GET")[2]["results"][0]
    assert (row["mac_range"], row["extra"]) == (ranges[:1000], {"mac_range_count": 100_000}), "a list shows the first thousand"
    assert fog.call("DELETE", str(made["id"]))[0] == 0
    assert fog.site.db.value("SELECT count(*) FROM mac_ranges m JOIN rollouts r ON r.id = m.rollout_id WHERE r.firmware_id = %s", made["id"]) == 0


# The table of inconsistencies.


@pytest.mark.parametrize("types, component", [({}, 0), ({"ug_type": 1}, 1), ({"ota_type": 1}, 1), ({"ug_type": 1, "ota_type": 1}, 1), ({"ug_type": "1"}, 1)])
def test_ug_type_and_ota_type_are_one(fog, types, component):
    assert fog.make(**types)["ota_type"] == component


def test_the_path_s_product_is_echoed_whether_key_or_id(shared, fog):
    made = fog.make()
    by_id = Files(shared, fog.product)
    by_id.base = f"/api/v1/ota/{fog.product}/files/"
    assert by_id.get(made["id"])["product"] == str(fog.product)
    assert made["product"] == fog.key


@pytest.mark.parametrize("size, shown", [("20kb", "20kb"), (20480, "20480"), ("20.5 KB", "20.5 KB")])
def test_sizes_are_kept_verbatim_and_read_as_bytes_where_they_can(shared, fog, size, shown):
    made = fog.make(size=size)
    assert made["size"] == shown
    bytes_ = shared.operator.get(f"/api/v3/firmware/{made['id']}").must(200).json["size"]
    assert bytes_ == (0 if "." in shown else 20480)


def test_a_version_is_unique_in_its_component(fog):
    first = fog.make()
    assert fog.make(ug_type=1)["version"] == first["version"]
    assert fog.call("POST", body=MADE)[0] == 10000
    other = fog.make(version="1.0.2")
    assert fog.call("PUT", str(other["id"]), MADE)[0] == 10000
    assert fog.get(other["id"])["version"] == "1.0.2"
    assert fog.call("DELETE", str(first["id"]))[0] == 0
    assert fog.make()["id"] > other["id"], "what is deleted does not count"


@pytest.mark.parametrize("md5, shown", [("D41D8CD98F00B204E9800998ECF8427E", "d41d8cd98f00b204e9800998ecf8427e"), ("xxzz...", "xxzz..."), ("Q" * 64, "Q" * 64)])
def test_an_md5_is_lower_case_if_it_is_one(fog, md5, shown):
    assert fog.make(md5=md5)["md5"] == shown


def test_put_changes_what_it_names_and_answers_the_whole_object(fog):
    made = fog.make(description="first", mac_range=["A"], ug_type=1)
    wanted = {"file_url": "http://b.com/b.bin", "version": "2.0", "md5": "m", "size": 7}
    code, message, changed = fog.call("PUT", str(made["id"]), wanted)
    assert (code, message) == (0, "update file ok")
    assert {**made, **wanted, "size": "7", "updated_at": changed["updated_at"]} == changed == fog.get(made["id"])
    assert fog.call("PUT", str(made["id"]), {**wanted, "mac_range": None, "description": ""})[2]["mac_range"] is None
    assert fog.get(made["id"])["description"] == ""


@pytest.mark.parametrize("missing", ["file_url", "version", "md5", "size"])
def test_put_wants_its_four_unless_it_is_for_the_status_alone(fog, missing):
    made = fog.make()
    body = {key: value for key, value in MADE.items() if key != missing}
    assert fog.call("PUT", str(made["id"]), body)[:2] == (10000, f"参数错误:缺少{missing}参数")
    assert fog.call("PUT", str(made["id"]), {"status": 1, "description": "x"})[0] == 10000
    assert fog.call("PUT", str(made["id"]), {"status": 1})[2]["status"] == 1
    assert fog.call("PATCH", str(made["id"]), {"description": "x"})[2]["description"] == "x"


@pytest.mark.parametrize("missing", ["file_name", "file_url", "md5", "size", "version"])
def test_post_says_what_is_missing(fog, missing):
    body = {key: value for key, value in MADE.items() if key != missing}
    assert fog.call("POST", body=body)[:2] == (10000, f"参数错误:缺少{missing}参数")
    assert fog.count() == 0


def test_only_a_file_in_test_is_deleted_and_its_row_stays(shared, fog):
    made = fog.make()
    for status in (1, 2):
        assert fog.call("PATCH", str(made["id"]), {"status": status})[2]["status"] == status
        assert fog.call("DELETE", str(made["id"]))[:2] == (10501, "任务状态错误:仅有测试中的任务可以删除")
    assert fog.call("PATCH", str(made["id"]), {"status": 0})[0] == 0
    assert fog.call("DELETE", str(made["id"]))[:2] == (0, "任务删除成功")
    assert fog.call("DELETE", str(made["id"]))[:2] == (10500, "ot_id错误,找不到任务")
    assert fog.call("GET", str(made["id"]))[0] == 10000 and fog.call("PUT", str(made["id"]), MADE)[0] == 10000
    assert shared.db.value("SELECT deleted_at IS NOT NULL FROM firmware WHERE id = %s", made["id"])


def test_our_own_members_show_where_they_are_set(fog):
    assert fog.make(force=True, allow_downgrade=True)["extra"] == {"force": True, "allow_downgrade": True}
    assert fog.make(version="2")["extra"] == {}


# Pages.


def test_pages_with_absolute_urls(shared, fog):
    made = [fog.make(version=f"1.{n}")["id"] for n in range(12)]
    url = shared.otad.url + fog.base
    first = fog.call("GET")[2]
    assert (first["count"], first["page_size"], first["next"], first["previous"]) == (12, 10, url + "?page=2", None)
    second = Files.read(shared.operator.get(first["next"].removeprefix(shared.otad.url).split("?")[0], page=2))[2]
    assert (second["next"], second["previous"]) == (None, url + "?page=1")
    assert [row["id"] for row in first["results"] + second["results"]] == made
    middle = fog.call("GET", page=2, page_size=5)[2]
    assert (middle["next"], middle["previous"]) == (url + "?page=3&page_size=5", url + "?page=1&page_size=5")
    assert [row["id"] for row in middle["results"]] == made[5:10]
    assert fog.call("DELETE", str(made[0]))[0] == 0
    assert [row["id"] for row in fog.call("GET", page=2, page_size=5)[2]["results"]] == made[6:11]


def test_behind_a_public_url_links_are_its(site, seed):
    site.otad.stop()
    site.otad.write_config(public_url="https://ota.example.com")
    site.otad.start()
    for n in range(2):
        seed.make(version=str(n))
    assert seed.call("GET", page_size=1)[2]["next"] == "https://ota.example.com/api/v1/ota/test/files/?page=2&page_size=1"


# What stands behind it.


def test_it_is_a_firmware_with_a_url_and_a_ranked_rollout(shared, fog):
    made = fog.make(mac_range=["A"])
    row = shared.operator.get(f"/api/v3/firmware/{made['id']}").must(200).json
    assert (row["url"], row["component"], row["sha256"], row["md5"]) == (MADE["file_url"], "mcu", None, None)
    rollout, = shared.db.rows("SELECT way, ranked, stage, ended_at FROM rollouts WHERE firmware_id = %s", made["id"])
    assert rollout == ("standing", True, "test", None)
    actions = shared.db.rows("SELECT action, target FROM audit WHERE target = %s", f"product/{fog.product}/file/{made['id']}")
    assert actions == [("file.create", f"product/{fog.product}/file/{made['id']}")]


def test_what_has_no_bytes_here_is_not_to_be_had_by_the_other_ways(shared, fog):
    made = fog.make()
    device = shared.device("fog-" + uuid.uuid4().hex[:8], product=fog.product, arrive=False)
    assert fog.call("PATCH", str(made["id"]), {"status": 1})[0] == 0
    assert device.poll().code == 1001, "nobody else's dialect offers it"
    assert made["id"] not in [row["id"] for row in shared.operator.get("/api/v2/otaList").data]
    assert shared.operator.get(f"/api/v2/micro/firmware-{made['id']}.bin").status == 404
    name = shared.db.value("SELECT name FROM firmware WHERE id = %s", made["id"])
    assert shared.operator.post("/api/v2/otaEnable", name=name, deviceName=device.name).code == 1001
    assert shared.operator.post("/api/v2/otaPassive", {"deviceName": device.name, "name": name, "versionName": "1"}).code == 1001
    assert shared.operator.post("/api/v2/xiaozhi/otaPassive", {"otaId": made["id"], "productId": fog.product, "versionName": "1"}).code == 1001
    assert shared.operator.post("/api/v3/rollouts", {"productId": fog.product, "firmwareId": made["id"]}).status == 400
    assert shared.operator.delete(f"/api/v3/firmware/{made['id']}").status == 409
    assert shared.tasks(device) == []


def test_replicas_list_what_another_made(site, seed):
    other = site.service("other")
    other.start()
    made = seed.make()
    there = Client(other.url, site.tokens["operator"])
    until(lambda: there.get(seed.base).json["data"]["count"] == 1, "the other replica lists it")
    assert there.patch(f"{seed.base}{made['id']}", {"status": 1}).json["data"]["status"] == 1
    assert seed.get(made["id"])["status"] == 1
