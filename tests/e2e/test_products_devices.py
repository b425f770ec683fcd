"""Products and devices by /api/v3: plain resources, problem+json, paging, If-Match, Idempotency-Key."""

import re
import time

import pytest

from harness.process import until
from harness.web import Client


@pytest.fixture(scope="module")
def lamp(shared):
    return shared.product()


def problem(answer, status):
    assert answer.status == status, answer
    assert answer.header("Content-Type") == "application/problem+json"
    assert answer.json["status"] == status and answer.json["title"]
    return answer.json


def test_a_product_is_made_read_changed_and_deleted(site):
    made = site.admin.post("/api/v3/products", {"key": "lamp", "name": "Lamp", "description": "it shines"}).must(201)
    row = made.json
    assert (row["key"], row["name"], row["description"]) == ("lamp", "Lamp", "it shines")
    path = f"/api/v3/products/{row['id']}"
    assert made.header("Location") == path
    got = site.viewer.get(path).must(200)
    assert got.json["id"] == row["id"] and got.header("ETag")
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z", got.json["createdAt"])
    changed = site.admin.patch(path, {"name": "Light"}, headers={"If-Match": got.header("ETag")}).must(200)
    assert changed.json["name"] == "Light" and changed.header("ETag") != got.header("ETag")
    problem(site.admin.patch(path, {"name": "Dark"}, headers={"If-Match": got.header("ETag")}), 412)
    assert site.admin.delete(path).status == 204
    problem(site.viewer.get(path), 404)


def test_a_device_is_made_read_moved_and_deleted(site):
    one, two = site.product("one"), site.product("two")
    made = site.admin.post("/api/v3/devices", {"name": "esp-1", "productId": one, "mac": "aa:bb:cc:dd:ee:ff"}).must(201)
    row = made.json
    assert (row["name"], row["productId"], row["clientId"]) == ("esp-1", one, "esp-1")
    assert re.sub("[^0-9a-f]", "", row["mac"].lower()) == "aabbccddeeff"
    path = f"/api/v3/devices/{row['id']}"
    assert site.admin.patch(path, {"productId": two}).must(200).json["productId"] == two
    assert site.admin.delete(path).status == 204
    problem(site.viewer.get(path), 404)


def test_a_device_shows_what_it_told_of_itself(site):
    """Rows as the service writes them; the Client-Id stays a secret, and who has the page is told when the facts change."""
    device = site.device(product=site.product(), arrive=False)
    number = site.viewer.get("/api/v3/devices", name=device.name).json["items"][0]["id"]
    path = f"/api/v3/devices/{number}"
    before = site.viewer.get(path).must(200)
    assert before.json["facts"] is None
    site.db.rows(
        "INSERT INTO device_facts VALUES (%s, 1, 16777216, true, 'bread \"x\"', 'bread', 'esp32s3', 'ota_0', '', %s, 'a-secret-uuid', E'1 2 16384 nvs\n0 16 4128768 ota_0\n') RETURNING told",
        number,
        b"\x01" * 32,
    )
    after = site.viewer.get(path, headers={"If-None-Match": before.header("ETag")}).must(200)
    facts = after.json["facts"]
    assert facts.pop("updatedAt")
    assert facts == {
        "bodyRead": True,
        "boardName": 'bread "x"',
        "boardType": "bread",
        "chip": "esp32s3",
        "slot": "ota_0",
        "language": None,
        "elfSha256": "01" * 32,
        "flashSize": 16777216,
        "partitions": [{"label": "nvs", "type": 1, "subtype": 2, "size": 16384}, {"label": "ota_0", "type": 0, "subtype": 16, "size": 4128768}],
    }
    assert b"secret" not in after.body
    assert "facts" not in site.viewer.get("/api/v3/devices").json["items"][0]
    assert site.admin.delete(path).status == 204
    assert site.db.value("SELECT count(*) FROM device_facts") == 0


def test_a_product_in_use_cannot_be_deleted(site):
    product = site.product()
    site.device(product=product, arrive=False)
    problem(site.admin.delete(f"/api/v3/products/{product}"), 409)


def test_lists_come_in_pages(site):
    product = site.product()
    for number in range(25):
        site.admin.post("/api/v3/devices", {"name": f"d{number:02}", "productId": product}).must(201)
    names, after, pages = [], None, 0
    while True:
        page = site.viewer.get("/api/v3/devices", limit=10, after=after).must(200).json
        names += [row["name"] for row in page["items"]]
        pages += 1
        after = page.get("next")
        if not after:
            break
    assert names == [f"d{number:02}" for number in range(25)] and pages == 3


def test_lists_are_filtered(site):
    one, two = site.product("one"), site.product("two")
    site.device("a", one, arrive=False)
    site.device("b", two, arrive=False)
    assert [row["name"] for row in site.viewer.get("/api/v3/devices", product=two).json["items"]] == ["b"]
    assert [row["name"] for row in site.viewer.get("/api/v3/devices", name="a").json["items"]] == ["a"]
    assert [row["key"] for row in site.viewer.get("/api/v3/products", key="one").json["items"]] == ["one"]


def test_an_idempotency_key_makes_a_repeated_POST_one(site):
    headers = {"Idempotency-Key": "8f14e45f"}
    first = site.admin.post("/api/v3/products", {"key": "lamp"}, headers=headers).must(201)
    second = site.admin.post("/api/v3/products", {"key": "lamp"}, headers=headers).must(201)
    assert first.json == second.json
    assert site.db.value("SELECT count(*) FROM products") == 1
    assert site.admin.post("/api/v3/products", {"key": "other"}, headers=headers).status in (409, 422)


BAD_PRODUCTS = [
    ("no key", {}, 400), ("empty key", {"key": ""}, 400), ("key is a number", {"key": 7}, 400), ("key with a slash", {"key": "a/b"}, 400),
    ("key too long", {"key": "k" * 65}, 400), ("unknown member", {"key": "k", "colour": "red"}, 400), ("null", {"key": None}, 400),
    ("a list", [], 400), ("taken", {"key": "lamp"}, 409), ("long description", {"key": "k", "description": "d" * 5000}, 400),
]


@pytest.mark.parametrize("body, status", [pytest.param(b, s, id=i) for i, b, s in BAD_PRODUCTS])
def test_bad_products(shared, lamp, body, status):
    problem(shared.admin.post("/api/v3/products", body), status)


BAD_DEVICES = [
    ("no name", {"name": ...}, 400), ("no product", {"productId": ...}, 400), ("unknown product", {"productId": 999_999}, 400),
    ("product is a word", {"productId": "lamp"}, 400), ("product is a fraction", {"productId": 1.5}, 400), ("empty name", {"name": ""}, 400),
    ("name too long", {"name": "d" * 65}, 400), ("name with a slash", {"name": "a/b"}, 400), ("name with +", {"name": "a+b"}, 400), ("name with #", {"name": "#"}, 400),
    ("name with $", {"name": "$SYS"}, 400), ("name with a space", {"name": "a b"}, 400), ("a name of umlauts", {"name": "lämp"}, 400),
    ("bad mac", {"mac": "aa:bb"}, 400), ("unknown member", {"colour": "red"}, 400),
]


@pytest.mark.parametrize("change, status", [pytest.param(c, s, id=i) for i, c, s in BAD_DEVICES])
def test_bad_devices(shared, lamp, change, status):
    body = {key: value for key, value in {"name": "fine", "productId": lamp, **change}.items() if value is not ...}
    answer = shared.admin.post("/api/v3/devices", body)
    assert answer.status in (status, 404, 422) and answer.status < 500, answer
    problem(answer, answer.status)


def test_a_device_name_is_taken_everywhere(shared, lamp):
    shared.admin.post("/api/v3/devices", {"name": "only-once", "productId": lamp}).must(201)
    problem(shared.admin.post("/api/v3/devices", {"name": "only-once", "productId": shared.product("else")}), 409)


@pytest.mark.parametrize("path", ["/api/v3/products/999999", "/api/v3/devices/999999", "/api/v3/tasks/999999", "/api/v3/nothing"])
def test_unknown_things_are_404(shared, path):
    problem(shared.viewer.get(path), 404)


@pytest.mark.parametrize("path", ["/api/v3/products/abc", "/api/v3/products/-1", "/api/v3/products/1e3", "/api/v3/products/99999999999999999999999"])
def test_an_id_that_is_none_is_refused(shared, path):
    assert shared.viewer.get(path).status in (400, 404)


@pytest.mark.parametrize("query", ["limit=0", "limit=-1", "limit=x", "limit=100000000", "after=x", "colour=red", "limit=1&limit=2"])
def test_bad_queries(shared, query):
    problem(shared.viewer.request("GET", "/api/v3/devices", raw_query=query), 400)


@pytest.mark.parametrize("body", [b"", b"{", b"[" * 10_000, b'{"key":"a","key":"b"}', b'{"key":"\xff"}', b'{"key":"a"} x'])
def test_bad_bodies(shared, body):
    problem(shared.admin.post("/api/v3/products", body, headers={"Content-Type": "application/json"}), 400)


def test_another_content_type_is_415(shared):
    problem(shared.admin.post("/api/v3/products", b"key=a", headers={"Content-Type": "text/plain"}), 415)


def test_a_new_device_is_known_to_the_next_poll(site):
    product = site.product()
    firmware = site.firmware(product)
    for number in range(10):
        device = site.device(f"esp-{number}", product, arrive=False)
        assert site.assign(firmware, device).code == 200
        assert device.poll().code == 200


def test_a_deleted_device_is_gone_from_the_next_poll(site):
    device, firmware = site.lamp()
    site.assign(firmware, device)
    alias = device.poll().data["fileName"]
    number = site.viewer.get("/api/v3/devices", name=device.name).json["items"][0]["id"]
    problem(site.admin.delete(f"/api/v3/devices/{number}"), 409)
    (row,) = site.viewer.get("/api/v2/otaPassive").data
    assert site.operator.delete("/api/v2/otaPassive", id=row["id"]).code == 200
    assert site.admin.delete(f"/api/v3/devices/{number}").status == 204
    assert device.poll().code == 1001
    assert site.anybody.get("/api/v2/micro/" + alias).status in (404, 410)


# ---- tasks

def test_a_task_shows_its_timeline(site):
    device, firmware = site.lamp()
    site.push(firmware, device)
    device.update("2.0.0")
    (row,) = site.viewer.get("/api/v3/tasks", device=device.name).must(200).json["items"]
    task = site.viewer.get(f"/api/v3/tasks/{row['id']}").must(200).json
    assert task["state"] == "succeeded"
    assert task["timeline"][-1]["to"] == "succeeded"
    assert [line["to"] for line in task["timeline"]][:2] == ["queued", "notified"]


def test_a_withdrawal_acts_on_another_replica_within_a_second(site):
    device, firmware = site.lamp()
    replica = site.service("replica")
    replica.start()
    assignment = site.assign(firmware, device).data["id"]
    path = "/api/v2/micro/" + device.poll().data["fileName"]
    there = Client(replica.url)
    until(lambda: there.get(path).status == 200, "the replica serves the alias")
    assert site.operator.delete("/api/v2/otaPassive", id=assignment).code == 200
    began = time.monotonic()
    until(lambda: there.get(path).status == 410, "the replica refuses the alias", timeout=5)
    assert time.monotonic() - began < 1


def test_cancel_acts_at_once(site):
    device, firmware = site.lamp()
    site.push(firmware, device)
    offer = device.offer()
    path = f"/api/v3/tasks/{offer['taskId']}/cancel"
    assert site.operator.post(path).status in (200, 204)
    assert device.web.get("/api/v2/micro/" + offer["fileName"]).status == 410
    assert site.task(device)["state"] == "cancelled"
    problem(site.operator.post(path), 409)
    problem(site.operator.post("/api/v3/tasks/999999/cancel"), 404)
    problem(site.viewer.post(path), 403)


def test_explain_says_why_in_two_languages(site):
    device, firmware = site.lamp()
    path = f"/api/v3/devices/{device.name}/explain"

    def sentences():
        return site.viewer.get(path).must(200).json["sentences"]

    before = sentences()
    assert set(before) == {"en", "zh"} and before["en"] and before["zh"]
    site.assign(firmware, device)
    assert sentences()["en"] != before["en"]
    problem(site.viewer.get("/api/v3/devices/nobody/explain"), 404)
