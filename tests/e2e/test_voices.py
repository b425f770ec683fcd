"""What a product says of its devices by /api/v3: their boards and needs, their voice back end, and the fixes that nothing holds up."""

import base64
import hashlib
import hmac
import json
import re
import time

import pytest

from harness.process import until
from harness.web import Client
from harness.xiaozhi import Device

BOARD = "bread-compact-ml307"


def problem(answer, status, words=""):
    assert answer.status == status, answer
    assert answer.header("Content-Type") == "application/problem+json"
    assert words in answer.json["detail"], answer
    return answer.json


def fresh(site):
    """A product that no other test knows, past the interface."""
    return site.db.rows("INSERT INTO products (key) VALUES (gen_random_uuid()::text) RETURNING id")[0][0]


# ---- boards, partitions, updates before activation ----


def test_a_product_says_what_its_devices_are(site):
    plain = site.admin.post("/api/v3/products", {"key": "plain"}).must(201).json
    assert (plain["boards"], plain["partitions"], plain["unboundUpdates"]) == ([], [], False)
    body = {"key": "lamp", "boards": ["bread-compact-wifi", '面包 "板", {1}\\'], "partitions": ["assets", "nvs"], "unboundUpdates": True}
    made = site.admin.post("/api/v3/products", body).must(201)
    assert {name: made.json[name] for name in body} == body
    path = made.header("Location")
    assert site.viewer.get(path).must(200).json == made.json
    assert site.viewer.get("/api/v3/products", key="lamp").json["items"] == [made.json]
    changed = site.admin.patch(path, {"name": "Lamp", "boards": None}).must(200).json  # null: as it was
    assert {name: changed[name] for name in body} == body
    changed = site.admin.patch(path, {"boards": ["bread-compact-ml307"], "partitions": [], "unboundUpdates": False}).must(200).json
    assert (changed["boards"], changed["partitions"], changed["unboundUpdates"]) == (["bread-compact-ml307"], [], False)
    assert site.viewer.get(path).json["boards"] == ["bread-compact-ml307"]


BAD = [
    ("boards is a word", {"boards": "bread"}, "array of strings"), ("a number among them", {"boards": ["a", 1]}, "array of strings"),
    ("null among them", {"boards": [None]}, "array of strings"), ("an empty one", {"boards": [""]}, "boards is empty"),
    ("a long one", {"boards": ["b" * 65]}, "at most 64 bytes"), ("a newline", {"boards": ["a\nb"]}, "printable"),
    ("too many", {"boards": [f"b{n}" for n in range(33)]}, "at most 32"), ("twice", {"boards": ["a", "b", "a"]}, '"a" twice'),
    ("a long label", {"partitions": ["p" * 17]}, "at most 16 bytes"), ("too many labels", {"partitions": [f"p{n}" for n in range(33)]}, "at most 32"),
    ("a label twice", {"partitions": ["p", "p"]}, '"p" twice'), ("unboundUpdates is a word", {"unboundUpdates": "yes"}, "true or false"),
]


@pytest.mark.parametrize("change, words", [pytest.param(c, w, id=i) for i, c, w in BAD])
def test_bad_boards_and_partitions(shared, change, words):
    product = fresh(shared)
    problem(shared.admin.post("/api/v3/products", {"key": "fine", **change}), 400, words)
    problem(shared.admin.patch(f"/api/v3/products/{product}", change), 400, words)
    assert shared.db.value("SELECT count(*) FROM products WHERE key = 'fine' OR id = %s AND rev > 1", product) == 0


def test_a_board_is_one_products_only(site):
    site.admin.post("/api/v3/products", {"key": "lamp", "boards": ["bread"]}).must(201)
    bulb = site.admin.post("/api/v3/products", {"key": "bulb"}).must(201).header("Location")
    taken = 'the board "{}" is of the product "lamp" already'
    problem(site.admin.post("/api/v3/products", {"key": "torch", "boards": ["x", "bread"]}), 409, taken.format("bread"))
    problem(site.admin.patch(bulb, {"boards": ["bread"]}), 409, taken.format("bread"))
    problem(site.admin.patch(bulb, {"boards": ["lamp"]}), 409, taken.format("lamp"))  # a key is a board
    problem(site.admin.patch(bulb, {"key": "bread"}), 409, taken.format("bread"))
    problem(site.admin.patch(bulb, {"key": "lamp"}), 409, 'a product with the key "lamp" already')
    site.admin.patch(bulb, {"boards": ["Bread", "bulb"]}).must(200)  # exactly; its own key does no harm


# ---- voices ----


def test_a_voice_is_set_shown_without_its_token_changed_and_taken_away(site):
    path = f"/api/v3/products/{site.product()}/voice"
    problem(site.viewer.get(path), 404, "no voice is said")
    body = {"mqtt": "own", "websocket": {"url": "wss://voice.example.com/xiaozhi/v1/", "token": "the token of voice", "version": 3}}
    made = site.admin.put(path, body).must(201)
    got = site.viewer.get(path).must(200)
    assert set(got.json) == {"productId", "mqtt", "websocket", "createdAt", "updatedAt"}
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z", got.json["createdAt"])
    assert got.json["mqtt"] == "own"
    assert got.json["websocket"] == {"url": "wss://voice.example.com/xiaozhi/v1/", "tokenSet": True, "version": 3}
    assert "the token" not in str(made.headers) + made.body.decode() + got.body.decode()
    assert got.header("ETag") == made.header("ETag")
    assert site.viewer.get(path, headers={"If-None-Match": got.header("ETag")}).status == 304
    changed = site.admin.put(path, {"mqtt": "none", "websocket": {"url": "ws://voice:8000"}}, headers={"If-Match": got.header("ETag")}).must(200)
    assert changed.json["websocket"] == {"url": "ws://voice:8000", "tokenSet": False, "version": None}  # PUT replaces all, the token too
    problem(site.admin.put(path, body, headers={"If-Match": got.header("ETag")}), 412)
    problem(site.admin.delete(path, headers={"If-Match": got.header("ETag")}), 412)
    bare = site.admin.put(path, {"mqtt": "own"}, headers={"If-Match": changed.header("ETag")}).must(200)
    assert bare.json["websocket"] is None
    assert site.admin.delete(path, headers={"If-Match": bare.header("ETag")}).status == 204
    problem(site.viewer.get(path), 404)
    problem(site.admin.delete(path), 404)
    problem(site.admin.put(path, body, headers={"If-Match": "*"}), 412)
    assert [action for _, action, target, _ in site.audit() if target.endswith("/voice")] == ["voice.put"] * 3 + ["voice.delete"]


def test_a_voice_by_a_gateway_needs_it_and_keeps_it(site):
    product = f"/api/v3/products/{site.product()}"
    voice, gateway = f"{product}/voice", f"{product}/gateway"
    problem(site.admin.put(voice, {"mqtt": "gateway"}), 409, "has no gateway")
    own = site.admin.put(voice, {"mqtt": "own"}).must(201).header("ETag")
    problem(site.admin.put(voice, {"mqtt": "gateway"}, headers={"If-Match": own}), 409, "has no gateway")  # not the condition's fault
    tag = site.admin.put(gateway, {"endpoint": "mqtt.example.com", "signatureKey": "the signature key"}).must(201).header("ETag")
    site.admin.put(voice, {"mqtt": "gateway"}).must(200)
    problem(site.admin.delete(gateway), 409, "use this gateway by its voice")
    problem(site.admin.delete(gateway, headers={"If-Match": tag}), 409, "use this gateway by its voice")
    site.admin.put(gateway, {"endpoint": "other.example.com", "signatureKey": "another key"}).must(200)
    site.admin.put(voice, {"mqtt": "none"}).must(200)
    assert site.admin.delete(gateway).status == 204
    site.admin.put(gateway, {"endpoint": "mqtt.example.com", "signatureKey": "the signature key"}).must(201)
    site.admin.put(voice, {"mqtt": "gateway"}).must(200)
    assert site.admin.delete(product).status == 204  # with both
    assert site.db.value("SELECT (SELECT count(*) FROM voices) + (SELECT count(*) FROM gateways)") == 0


BAD_VOICES = [
    ("no mqtt", {"mqtt": ...}, "mqtt"), ("another mqtt", {"mqtt": "ours"}, "own, gateway or none"), ("mqtt is a flag", {"mqtt": True}, "mqtt"),
    ("websocket is a url", {"websocket": "ws://a"}, "must be an object"), ("no url", {"websocket": {}}, "url"), ("empty url", {"websocket": {"url": ""}}, "url"),
    ("another scheme", {"websocket": {"url": "https://a"}}, "ws:// or wss://"), ("no scheme", {"websocket": {"url": "a.b/c"}}, "ws:// or wss://"),
    ("IPv6", {"websocket": {"url": "ws://[2001:db8::1]/"}}, "IPv4"), ("port is a word", {"websocket": {"url": "ws://a:b/"}}, "host:port"),
    ("blank", {"websocket": {"url": "ws://a/b c"}}, "encoded"), ("long url", {"websocket": {"url": "ws://a/" + "b" * 4000}}, "too long"),
    ("long token", {"websocket": {"url": "ws://a", "token": "t" * 4000}}, "too long"), ("token with a newline", {"websocket": {"url": "ws://a", "token": "a\nb"}}, "token"),
    ("token is a number", {"websocket": {"url": "ws://a", "token": 7}}, "token"), ("version 0", {"websocket": {"url": "ws://a", "version": 0}}, "version"),
    ("version 256", {"websocket": {"url": "ws://a", "version": 256}}, "version"), ("version is a word", {"websocket": {"url": "ws://a", "version": "v1"}}, "version"),
    ("unknown member", {"colour": "red"}, "colour"), ("unknown member within", {"websocket": {"url": "ws://a", "tokenSet": True}}, "tokenSet"),
]


@pytest.mark.parametrize("change, words", [pytest.param(c, w, id=i) for i, c, w in BAD_VOICES])
def test_bad_voices(shared, change, words):
    product = fresh(shared)
    body = {name: value for name, value in {"mqtt": "own", "websocket": {"url": "ws://a"}, **change}.items() if value is not ...}
    told = problem(shared.admin.put(f"/api/v3/products/{product}/voice", body), 400, words)
    assert "ttttt" not in str(told), "an error must not repeat the token"
    assert shared.db.value("SELECT count(*) FROM voices WHERE product_id = %s", product) == 0


def test_the_longest_that_a_device_can_keep_is_taken(shared):
    path = f"/api/v3/products/{fresh(shared)}/voice"
    url = "ws://a/" + "b" * 3992
    shared.admin.put(path, {"mqtt": "own", "websocket": {"url": url, "token": "t" * 3999, "version": 255}}).must(201)
    assert shared.viewer.get(path).json["websocket"] == {"url": url, "tokenSet": True, "version": 255}


def test_the_voice_of_an_unknown_product_is_404(shared):
    for path in ("/api/v3/products/999999/voice", "/api/v3/products/x/voice"):
        for answer in (shared.admin.get(path), shared.admin.put(path, {"mqtt": "own"}), shared.admin.delete(path)):
            problem(answer, 404)


def test_only_admins_write_voices_and_viewers_write_nothing(shared):
    voice = f"/api/v3/products/{fresh(shared)}/voice"
    shared.admin.put(voice, {"mqtt": "own"}).must(201)
    fix = shared.operator.post("/api/v3/forced-fixes", {"fromVersion": "1.0", "board": "guarded"}).must(201).header("Location")
    for client in (shared.viewer, shared.operator):
        assert client.get(voice).status == 200
        problem(client.put(voice, {"mqtt": "own"}), 403)
        problem(client.delete(voice), 403)
    for path in ("/api/v3/forced-fixes", fix):
        assert shared.viewer.get(path).status == 200
    problem(shared.viewer.post("/api/v3/forced-fixes", {"fromVersion": "1.0", "board": "x"}), 403)
    problem(shared.viewer.delete(fix), 403)
    for path in (voice, "/api/v3/forced-fixes", fix):
        problem(shared.anybody.get(path), 401)


def test_a_restarted_service_has_what_was_set(site):
    path = f"/api/v3/products/{site.product()}/voice"
    set_ = site.admin.put(path, {"mqtt": "own", "websocket": {"url": "ws://a", "token": "the token of voice"}}).must(201).json
    site.otad.restart()
    assert site.viewer.get(path).json == set_
    assert b"does not open" not in site.otad.process.log.read_bytes()


# ---- what devices are told of it ----

WEBSOCKET = {"url": "wss://voice.example.com/v1/", "token": "the token of voice", "version": 3}


def parts(site, device):
    answer = device.check()
    return answer.get("mqtt"), answer.get("websocket")


def test_devices_are_told_where_their_voice_goes(site):
    product = site.product(BOARD)
    voice, gateway = f"/api/v3/products/{product}/voice", f"/api/v3/products/{product}/gateway"
    device, stranger = Device(site).bind(product), Device(site)
    mqtt, websocket = parts(site, device)
    assert mqtt["endpoint"].endswith(f":{site.broker.port}") and websocket is None  # nothing said: our own broker
    assert parts(site, stranger) == (None, None)
    site.admin.put(voice, {"mqtt": "own", "websocket": WEBSOCKET}).must(201)
    mqtt, websocket = parts(site, device)
    assert mqtt["endpoint"].endswith(f":{site.broker.port}")
    assert {**websocket, "version": int(websocket.get("version", 3))} == WEBSOCKET
    assert parts(site, stranger)[0] is None, "a stranger has no business at our broker"
    site.admin.put(gateway, {"endpoint": "mqtt.example.com:8883", "signatureKey": "TestKey123"}).must(201)
    site.admin.put(voice, {"mqtt": "gateway"}).must(200)
    mqtt, websocket = parts(site, device)
    assert mqtt["endpoint"] == "mqtt.example.com:8883" and websocket is None
    assert mqtt["client_id"].split("@@@")[1:] == [device.name, device.uuid] and mqtt["publish_topic"] == "device-server"
    assert json.loads(base64.b64decode(mqtt["username"]))["ip"] == "127.0.0.1"
    signed = f"{mqtt['client_id']}|{mqtt['username']}".encode()
    assert mqtt["password"] == base64.b64encode(hmac.new(b"TestKey123", signed, hashlib.sha256).digest()).decode()
    site.admin.put(gateway, {"endpoint": "mqtt.example.com", "signatureKey": "another key"}).must(200)
    changed, _ = parts(site, device)
    assert changed["endpoint"] == "mqtt.example.com"
    signed = f"{changed['client_id']}|{changed['username']}".encode()
    assert changed["password"] == base64.b64encode(hmac.new(b"another key", signed, hashlib.sha256).digest()).decode()
    site.admin.put(voice, {"mqtt": "none", "websocket": {"url": "ws://voice:8000"}}).must(200)
    mqtt, websocket = parts(site, device)
    assert mqtt is None and websocket["url"] == "ws://voice:8000" and websocket["token"] == ""
    assert site.admin.delete(voice).status == 204
    mqtt, websocket = parts(site, device)
    assert mqtt["endpoint"].endswith(f":{site.broker.port}") and websocket is None
    log = site.otad.process.log.read_bytes()
    assert b"the token of voice" not in log and b"TestKey123" not in log


def test_a_voice_shows_on_another_replica_within_a_second(site):
    product = site.product(BOARD)
    other = site.service("other")
    other.start()
    device = Device(site).bind(product)
    ask = {"Device-Id": device.mac, "Client-Id": device.uuid, "Content-Type": "application/json"}

    def told():
        return Client(other.url).request("POST", "/xiaozhi/ota/", body=device.body(), headers=ask).must(200).json.get("websocket", {}).get("url")

    until(lambda: "mqtt" in Client(other.url).request("POST", "/xiaozhi/ota/", body=device.body(), headers=ask).json, "the other knows the device")
    late = 0
    for number in range(4):
        url = f"ws://voice-{number}/"
        site.admin.put(f"/api/v3/products/{product}/voice", {"mqtt": "own", "websocket": {"url": url}})
        began = time.monotonic()
        until(lambda: told() == url, f"the other replica tells {url}")
        late += time.monotonic() - began > 1
    assert late <= 1  # a loaded machine may stumble once


def test_a_token_that_does_not_open_is_not_told_and_nor_is_its_websocket(site):
    product = site.product(BOARD)
    device = Device(site).bind(product)
    site.admin.put(f"/api/v3/products/{product}/voice", {"mqtt": "own", "websocket": WEBSOCKET}).must(201)
    assert parts(site, device)[1]["token"] == "the token of voice"
    site.db.rows("UPDATE voices SET ws_token = set_byte(ws_token, 20, get_byte(ws_token, 20) # 1)")
    site.otad.restart()  # it starts all the same, and says what is wrong
    mqtt, websocket = parts(site, device)
    assert mqtt and websocket is None
    assert b"error=\"voice/" in site.otad.process.log.read_bytes()


# ---- forced fixes ----


def test_forced_fixes_are_made_listed_and_deleted(site):
    first = site.viewer.get("/api/v3/forced-fixes").must(200).json
    assert [(row["fromVersion"], row["board"]) for row in first["items"]] == [("0.9.8", "bread-*")] and first["next"] is None
    assert set(first["items"][0]) == {"id", "fromVersion", "board", "createdAt"}
    made = site.operator.post("/api/v3/forced-fixes", {"fromVersion": "1.0.1", "board": "lamp"}).must(201)
    path = made.header("Location")
    assert path == f"/api/v3/forced-fixes/{made.json['id']}"
    assert site.viewer.get(path).must(200).json == made.json
    page = site.viewer.get("/api/v3/forced-fixes", limit=1).json
    assert page["next"] == first["items"][0]["id"]
    assert site.viewer.get("/api/v3/forced-fixes", after=page["next"]).json["items"] == [made.json]
    problem(site.operator.post("/api/v3/forced-fixes", {"fromVersion": "1.0.1", "board": "lamp"}), 409, 'version "1.0.1" on board "lamp" already')
    assert site.operator.delete(path).status == 204
    problem(site.viewer.get(path), 404)
    problem(site.operator.delete(path), 404)
    assert site.db.rows("SELECT action, detail FROM audit WHERE target LIKE 'forced_fix/%' ORDER BY id") == [
        ("forced_fix.create", "version 1.0.1, board lamp"), ("forced_fix.delete", "version 1.0.1, board lamp"),
    ]


BAD_FIXES = [
    ("no version", {"fromVersion": ...}, "fromVersion"), ("empty version", {"fromVersion": ""}, "fromVersion"), ("long version", {"fromVersion": "1" * 65}, "fromVersion"),
    ("no board", {"board": ...}, "board"), ("empty board", {"board": ""}, "board"), ("long board", {"board": "b" * 65}, "board"),
    ("a star before the end", {"board": "bread-*-wifi"}, "one '*'"), ("two stars", {"board": "**"}, "one '*'"), ("board is a number", {"board": 1}, "board"),
    ("unknown member", {"colour": "red"}, "colour"),
]


@pytest.mark.parametrize("change, words", [pytest.param(c, w, id=i) for i, c, w in BAD_FIXES])
def test_bad_fixes(shared, change, words):
    body = {name: value for name, value in {"fromVersion": "1.0", "board": "bad", **change}.items() if value is not ...}
    problem(shared.admin.post("/api/v3/forced-fixes", body), 400, words)
    problem(shared.viewer.get("/api/v3/forced-fixes", product=1), 400)
