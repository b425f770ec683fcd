"""The operator's side of the oc dialect: what each call answers, and what it says to bad input."""

import pytest

LONG = "x" * 5000


@pytest.fixture(scope="module")
def lamp(shared):
    """A product with one device, a firmware that is assigned to it and one that is not used."""
    product = shared.product()
    device = shared.device("lamp-1", product, arrive=False)
    used = shared.firmware(product, "used", b"used firmware")
    idle = shared.firmware(product, "idle", b"idle firmware")
    other = shared.firmware(shared.product("door"), "door-fw", b"of another product")
    assignment = shared.assign(used, device).data
    return {"product": product, "device": device, "used": used, "idle": idle, "other": other, "assignment": assignment}


# ---- what the calls answer

def test_the_list_shows_every_firmware_in_four_fields(shared, lamp):
    rows = shared.viewer.get("/api/v2/otaList").data
    assert all(set(row) == {"id", "path", "name", "productId"} for row in rows)
    assert {row["name"] for row in rows} >= {"used", "idle", "door-fw"}


def test_the_list_of_an_empty_installation_is_an_empty_array(site):
    assert site.viewer.get("/api/v2/otaList").data == []


def test_the_path_operators_see_cannot_be_downloaded_without_a_token(shared, lamp):
    path = shared.viewer.get("/api/v2/otaList").data[0]["path"]
    assert shared.anybody.get("/api/v2/micro/" + path.rsplit("/", 1)[-1]).status in (401, 404)


def test_a_firmware_in_use_cannot_be_deleted(shared, lamp):
    assert shared.operator.delete("/api/v2/otaDelete", id=lamp["used"].id).code == 3002


def test_a_deleted_firmware_is_gone_and_its_name_is_free_again(shared, lamp):
    firmware = shared.firmware(lamp["product"], "short-lived", b"1")
    assert shared.operator.delete("/api/v2/otaDelete", id=firmware.id).code == 200
    assert "short-lived" not in [row["name"] for row in shared.viewer.get("/api/v2/otaList").data]
    assert shared.operator.delete("/api/v2/otaDelete", id=firmware.id).code == 1001
    again = shared.firmware(lamp["product"], "short-lived", b"2")
    assert shared.operator.delete("/api/v2/otaDelete", id=again.id).code == 200


def test_assignments_are_listed_with_their_names(shared, lamp):
    rows = shared.viewer.get("/api/v2/otaPassive").data
    row = next(row for row in rows if row["id"] == lamp["assignment"]["id"])
    assert set(row) == {"id", "otaId", "deviceId", "versionName", "description", "otaName", "deviceName"}
    assert (row["otaName"], row["deviceName"], row["versionName"]) == ("used", "lamp-1", "1.8")


def test_a_device_has_one_assignment_and_the_last_one_counts(shared, lamp):
    device = shared.device("lamp-twice", lamp["product"], arrive=False)
    first = shared.assign(lamp["used"], device, version="1").data
    second = shared.assign(lamp["idle"], device, version="2").data
    mine = [row for row in shared.viewer.get("/api/v2/otaPassive").data if row["deviceName"] == "lamp-twice"]
    assert [row["versionName"] for row in mine] == ["2"]
    assert device.poll().data["version"] == "2"
    for row in mine:
        assert shared.operator.delete("/api/v2/otaPassive", id=row["id"]).code == 200
    assert device.poll().code == 1001
    assert first["deviceId"] == second["deviceId"]


def test_every_write_is_audited_with_who_what_and_from_where(site):
    device, firmware = site.lamp()
    site.push(firmware, device)
    site.assign(firmware, device)
    audit = site.audit()
    by_operator = [(action, target) for actor, action, target, address in audit if actor == "operator" and address == "127.0.0.1"]
    assert len(by_operator) >= 3, audit
    assert any("firmware" in action for action, _ in by_operator), audit
    assert {actor for actor, *_ in audit} >= {"admin", "operator"}


def test_a_refused_write_leaves_no_audit_of_a_change(site):
    before = len(site.audit())
    site.viewer.post("/api/v2/otaEnable", name="x", deviceName="y")
    site.operator.post("/api/v2/otaEnable", name="x", deviceName="y")
    assert len(site.audit()) == before


# ---- bad input: (call, expected errorCode); business errors come with HTTP 200

ENABLE_BAD = [
    ("no name", "deviceName=lamp-1", 1004),
    ("no deviceName", "name=used", 1004),
    ("empty name", "name=&deviceName=lamp-1", 1002),
    ("empty deviceName", "name=used&deviceName=", 1002),
    ("unknown name", "name=nobody&deviceName=lamp-1", 1001),
    ("unknown device", "name=used&deviceName=nobody", 1001),
    ("firmware of another product", "name=door-fw&deviceName=lamp-1", 1001),
    ("name twice", "name=used&name=used&deviceName=lamp-1", 1001),
    ("device twice", "name=used&deviceName=lamp-1&deviceName=lamp-1", 1001),
    ("name too long", f"name={'x' * 200}&deviceName=lamp-1", 1001),
    ("device too long", f"name=used&deviceName={'x' * 65}", 1001),
    ("device with /", "name=used&deviceName=lamp%2F1", 1001),
    ("device with +", "name=used&deviceName=lamp%2B1", 1001),
    ("device with #", "name=used&deviceName=%23", 1001),
    ("device with $", "name=used&deviceName=%24SYS", 1001),
    ("control character", "name=used&deviceName=lamp%0A1", 1001),
]


@pytest.mark.parametrize("query, code", [pytest.param(q, c, id=i) for i, q, c in ENABLE_BAD])
def test_otaEnable_refuses(shared, lamp, query, code):
    answer = shared.operator.request("POST", "/api/v2/otaEnable", raw_query=query)
    assert (answer.status, answer.code) == (200, code), answer
    assert answer.json["data"] is None
    assert answer.json["errorMsg"]


@pytest.mark.parametrize("query", ["name=%FF%FE&deviceName=lamp-1", "name=%C0%AF&deviceName=lamp-1", "name=a%00b&deviceName=lamp-1", "name=%zz&deviceName=lamp-1"])
def test_otaEnable_refuses_what_is_no_text(shared, lamp, query):
    answer = shared.operator.request("POST", "/api/v2/otaEnable", raw_query=query)
    assert (answer.status, answer.code) in ((200, 1001), (400, 1001)), answer


def test_an_oversized_query_is_414_or_1001(shared, lamp):
    answer = shared.operator.request("POST", "/api/v2/otaEnable", raw_query=f"name={LONG}&deviceName=lamp-1")
    assert answer.status == 414 or answer.code == 1001, answer


def assignment(**changes):
    body = {"deviceName": "lamp-1", "name": "used", "description": "d", "versionName": "1.8", **changes}
    return {key: value for key, value in body.items() if value is not ...}


PASSIVE_BAD = [
    ("no deviceName", assignment(deviceName=...), 1004),
    ("no name", assignment(name=...), 1004),
    ("no versionName", assignment(versionName=...), 1004),
    ("empty deviceName", assignment(deviceName=""), 1002),
    ("empty name", assignment(name=""), 1002),
    ("empty versionName", assignment(versionName=""), 1002),
    ("deviceName is a number", assignment(deviceName=7), 1003),
    ("name is a list", assignment(name=["used"]), 1003),
    ("unknown device", assignment(deviceName="nobody"), 1001),
    ("unknown firmware", assignment(name="nobody"), 1001),
    ("firmware of another product", assignment(name="door-fw"), 1001),
    ("version too long", assignment(versionName="v" * 200), 1001),
    ("description too long", assignment(description="v" * 3000), 1001),
    ("device with /", assignment(deviceName="../lamp-1"), 1001),
    ("a list", [1, 2], 1001),
]


@pytest.mark.parametrize("body, code", [pytest.param(b, c, id=i) for i, b, c in PASSIVE_BAD])
def test_otaPassive_refuses(shared, lamp, body, code):
    answer = shared.operator.post("/api/v2/otaPassive", body)
    assert (answer.status, answer.code) == (200, code), answer


BODIES_BAD = [
    ("nothing", b""),
    ("no JSON", b"deviceName=lamp-1"),
    ("cut off", b'{"deviceName":"lamp-1","name":"us'),
    ("two values", b"{}{}"),
    ("10,000 deep", b"[" * 10_000 + b"]" * 10_000),
    ("10,000 objects deep", b'{"a":' * 10_000 + b"1" + b"}" * 10_000),
    ("invalid UTF-8", b'{"deviceName":"lamp-1","name":"used","versionName":"\xff\xfe","description":"d"}'),
    ("a NUL inside", b'{"deviceName":"lamp-1\\u0000x","name":"used","versionName":"1","description":"d"}'),
    ("a doubled key", b'{"deviceName":"lamp-1","deviceName":"lamp-2","name":"used","versionName":"1","description":"d"}'),
    ("half a surrogate", b'{"deviceName":"lamp-1","name":"used","versionName":"\\ud800","description":"d"}'),
]


@pytest.mark.parametrize("body", [pytest.param(b, id=i) for i, b in BODIES_BAD])
def test_otaPassive_refuses_a_body_that_is_not_one_JSON_object(shared, lamp, body):
    answer = shared.operator.post("/api/v2/otaPassive", body, headers={"Content-Type": "application/json"})
    assert answer.status in (200, 400) and 1001 <= answer.code <= 1004, answer


def test_otaPassive_refuses_another_content_type(shared, lamp):
    answer = shared.operator.post("/api/v2/otaPassive", b"deviceName=x", headers={"Content-Type": "application/x-www-form-urlencoded"})
    assert answer.status == 415, answer


def test_otaPassive_refuses_a_body_beyond_its_size(shared, lamp):
    body = assignment(description="d" * 2_000_000)
    answer = shared.operator.post("/api/v2/otaPassive", body)
    assert answer.status == 413, answer


@pytest.mark.parametrize("call, code", [
    pytest.param(("DELETE", "/api/v2/otaDelete", ""), 1004, id="delete nothing"),
    pytest.param(("DELETE", "/api/v2/otaDelete", "id="), 1002, id="delete an empty id"),
    pytest.param(("DELETE", "/api/v2/otaDelete", "id=abc"), 1003, id="delete a word"),
    pytest.param(("DELETE", "/api/v2/otaDelete", "id=999999"), 1001, id="delete an unknown id"),
    pytest.param(("DELETE", "/api/v2/otaDelete", "id=99999999999999999999999"), 1003, id="delete a number beyond 64 bits"),
    pytest.param(("DELETE", "/api/v2/otaPassive", ""), 1004, id="unassign nothing"),
    pytest.param(("DELETE", "/api/v2/otaPassive", "id=abc"), 1003, id="unassign a word"),
    pytest.param(("DELETE", "/api/v2/otaPassive", "id=999999"), 1001, id="unassign an unknown id"),
    pytest.param(("GET", "/api/v2/otaPassiveEnable", ""), 1004, id="poll without a device"),
    pytest.param(("GET", "/api/v2/otaPassiveEnable", "deviceName="), 1002, id="poll with an empty device"),
    pytest.param(("GET", "/api/v2/otaPassiveEnable", "deviceName=nobody"), 1001, id="poll of an unknown device"),
    pytest.param(("GET", "/api/v2/otaPassiveEnable", "deviceName=a%2Fb"), 1001, id="poll with a slash"),
    pytest.param(("GET", "/api/v2/otaPassiveEnable", "deviceName=lamp-1&deviceName=lamp-1"), 1001, id="poll with two devices"),
])
def test_query_calls_refuse(shared, lamp, call, code):
    method, path, query = call
    answer = shared.operator.request(method, path, raw_query=query)
    assert (answer.status, answer.code) == (200, code), answer


def test_unknown_routes_and_methods_are_told_in_the_envelope(shared):
    assert shared.operator.get("/api/v2/nothing").status == 404
    answer = shared.operator.get("/api/v2/otaEnable")
    assert answer.status == 405 and answer.header("Allow") == "POST", answer
    assert answer.json["success"] is False
