"""Licences and gateways by /api/v3: keys go in and never come out; nothing secret, a voice's token neither, stands in clear in the database, the logs or --print-config."""

import base64
import os
import re
import secrets
import subprocess
from pathlib import Path

import pytest

from harness.postgres import BIN
from harness.process import unprivileged
from harness.site import password_of

CSV = {"Content-Type": "text/csv"}


def new_key():
    return secrets.token_hex(32)


def problem(answer, status, words=""):
    assert answer.status == status, answer
    assert answer.header("Content-Type") == "application/problem+json"
    assert words in answer.json["detail"], answer
    return answer.json


def lines(*rows):
    return "".join(",".join(row) + "\n" for row in rows).encode()


# ---- licences ----


def test_a_licence_is_made_listed_and_deleted_and_never_shows_its_key(site):
    product, key = site.product(), new_key()
    made = site.admin.post("/api/v3/licences", {"serial": "SN-1", "key": key, "productId": product}).must(201)
    row = made.json
    path = f"/api/v3/licences/{row['id']}"
    assert made.header("Location") == path
    assert {name: row[name] for name in ("serial", "encoding", "productId", "deviceId")} == {
        "serial": "SN-1", "encoding": "raw", "productId": product, "deviceId": None,
    }
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z", row["createdAt"])
    other = site.admin.post("/api/v3/licences", {"serial": "SN-2", "key": new_key(), "encoding": "hex_text"}).must(201).json
    assert (other["encoding"], other["productId"]) == ("hex_text", None)
    everything = site.viewer.get("/api/v3/licences").must(200)
    assert [item["serial"] for item in everything.json["items"]] == ["SN-1", "SN-2"]
    assert set(everything.json["items"][0]) == {"id", "serial", "encoding", "productId", "deviceId", "createdAt"}
    assert site.viewer.get(path).must(200).json == row
    for answer in (made, everything, site.viewer.get(path)):
        assert key[:16] not in str(answer.headers) + answer.body.decode()
    assert [r["serial"] for r in site.viewer.get("/api/v3/licences", serial="SN-2").json["items"]] == ["SN-2"]
    assert [r["serial"] for r in site.viewer.get("/api/v3/licences", product="lamp").json["items"]] == ["SN-1"]
    problem(site.admin.delete(f"/api/v3/products/{product}"), 409, "licences: 1")
    assert site.admin.delete(path).status == 204
    problem(site.viewer.get(path), 404)
    assert [action for _, action, target, _ in site.audit() if target.startswith("licence/")] == ["licence.create"] * 2 + ["licence.delete"]


def test_only_admins_write_licences_and_gateways(shared):
    product = shared.product("guarded")
    gateway = f"/api/v3/products/{product}/gateway"
    licence = shared.admin.post("/api/v3/licences", {"serial": "guarded", "key": new_key()}).must(201).header("Location")
    shared.admin.put(gateway, {"endpoint": "a", "signatureKey": "k"}).must(201)
    for client in (shared.viewer, shared.operator):
        for path in ("/api/v3/licences", licence, gateway):
            assert client.get(path).status == 200, path
        problem(client.post("/api/v3/licences", {"serial": "x", "key": new_key()}), 403)
        problem(client.post("/api/v3/licences/import", lines(("x", new_key())), headers=CSV), 403)
        problem(client.delete(licence), 403)
        problem(client.put(gateway, {"endpoint": "b", "signatureKey": "k"}), 403)
        problem(client.delete(gateway), 403)
    for path in ("/api/v3/licences", licence, gateway):
        problem(shared.anybody.get(path), 401)


BAD_LICENCES = [
    ("no serial", {"serial": ...}, "serial"), ("no key", {"key": ...}, "key"), ("empty serial", {"serial": ""}, "serial"),
    ("long serial", {"serial": "s" * 33}, "serial"), ("a serial of umlauts", {"serial": "ä"}, "serial"), ("a blank at the end", {"serial": "s "}, "serial"),
    ("short key", {"key": "ab" * 31}, "64 hex digits"), ("long key", {"key": "ab" * 33}, "key"), ("no hex", {"key": "xy" * 32}, "64 hex digits"),
    ("key is a number", {"key": 5}, "key"), ("encoding", {"encoding": "base64"}, "raw or hex_text"), ("unknown member", {"colour": "red"}, "colour"),
    ("unknown product", {"productId": 999_999}, "no product"), ("product is a word", {"productId": "lamp"}, "productId"), ("deviceId", {"deviceId": 1}, "deviceId"),
]


@pytest.mark.parametrize("change, words", [pytest.param(c, w, id=i) for i, c, w in BAD_LICENCES])
def test_bad_licences(shared, change, words):
    key = new_key()
    body = {name: value for name, value in {"serial": "fine", "key": key, **change}.items() if value is not ...}
    told = problem(shared.admin.post("/api/v3/licences", body), 400, words)
    given = change.get("key", key)
    assert str(given)[:8] not in str(told).replace("'status'", "") or len(str(given)) < 8, "an error must not repeat the key"


def test_a_serial_is_taken_once(shared):
    body = {"serial": "only-once", "key": new_key()}
    shared.admin.post("/api/v3/licences", body).must(201)
    problem(shared.admin.post("/api/v3/licences", body), 409, "only-once")


def test_a_repeated_POST_of_a_licence_is_one(site):
    headers = {"Idempotency-Key": "l1"}
    body = {"serial": "SN-1", "key": new_key()}
    first = site.admin.post("/api/v3/licences", body, headers=headers).must(201)
    second = site.admin.post("/api/v3/licences", body, headers=headers).must(201)
    assert first.json == second.json and first.header("Location") == second.header("Location")
    problem(site.admin.post("/api/v3/licences", {**body, "key": new_key()}, headers=headers), 409)
    rows = lines(("SN-2", new_key()))
    for _ in range(2):
        answer = site.admin.post("/api/v3/licences/import", rows, headers={**CSV, "Idempotency-Key": "l2"}).must(200)
        assert answer.json == {"imported": 1}
    site.otad.restart()  # the master key is the same, so the answer opens again
    assert site.admin.post("/api/v3/licences", body, headers=headers).must(201).json == first.json


# ---- import ----


def test_a_file_of_licences_is_imported(site):
    product = site.product()
    body = b"\xef\xbb\xbfserial,key,encoding\r\n" + lines(("A1", new_key()), ("A2", new_key(), "hex_text"), (' "A,""3"', f'"{new_key()}"', "raw"))
    assert site.admin.request("POST", "/api/v3/licences/import", {"productId": product}, body, CSV).must(200).json == {"imported": 3}
    rows = site.viewer.get("/api/v3/licences").json["items"]
    assert [(r["serial"], r["encoding"], r["productId"]) for r in rows] == [("A1", "raw", product), ("A2", "hex_text", product), ('A,"3', "raw", product)]
    assert ("admin", "licence.import", "licence") in [row[:3] for row in site.audit()]


BAD_FILES = [
    ("a short key", lambda: lines(*((f"S{n}", new_key()) for n in range(16)), ("S16", "0011")), 400, "line 17: the key must be 64 hex digits"),
    ("twice in the file", lambda: lines(("B1", new_key()), ("B2", new_key()), ("B1", new_key())), 409, 'line 3: the serial "B1" stands in line 1 already'),
    ("there already", lambda: lines(("serial", "key"), ("C1", new_key()), ("taken", new_key())), 409, 'line 3: there is a licence with the serial "taken" already'),
    ("an encoding", lambda: lines(("D1", new_key(), "base64")), 400, "line 1: the encoding must be raw or hex_text"),
    ("one column", lambda: b"D1\n", 400, "line 1: there must be at least two fields"),
    ("nothing", lambda: b"serial,key\n", 400, "no licence in the body"), ("no body", lambda: None, 400, "no licence in the body"),
    ("UTF-16", lambda: lines(("E1", new_key())).decode().encode("utf-16"), 400, "line 1: "), ("too many rows", lambda: b"F,00\n" * 100_001, 400, "line 1: "),
    ("binary", lambda: os.urandom(5000), 400, "line "), ("too large", lambda: b"x" * (10 * 1024 * 1024 + 1), 413, ""),
]


@pytest.mark.parametrize("body, status, words", [pytest.param(b, s, w, id=i) for i, b, s, w in BAD_FILES])
def test_a_bad_file_is_refused_as_a_whole_with_its_first_bad_line(shared, body, status, words):
    shared.admin.post("/api/v3/licences", {"serial": "taken", "key": new_key()})
    before = shared.db.value("SELECT count(*) FROM licences")
    problem(shared.admin.post("/api/v3/licences/import", body(), headers=CSV), status, words)
    assert shared.db.value("SELECT count(*) FROM licences") == before


def test_an_import_of_another_type_or_to_an_unknown_product_is_refused(shared):
    rows = lines(("G1", new_key()))
    problem(shared.admin.post("/api/v3/licences/import", rows, headers={"Content-Type": "application/json"}), 415)
    problem(shared.admin.request("POST", "/api/v3/licences/import", {"productId": 999_999}, rows, CSV), 400, "no product 999999")
    problem(shared.admin.request("POST", "/api/v3/licences/import", {"colour": "red"}, rows, CSV), 400, "colour")


def test_a_hundred_thousand_licences_are_imported_at_once(site):
    body = lines(*((f"SN-{n:06}", new_key()) for n in range(100_000)))
    assert len(body) < 10 * 1024 * 1024
    client = site.client(site.tokens["admin"], timeout=100)
    assert client.post("/api/v3/licences/import", body, headers=CSV).must(200).json == {"imported": 100_000}
    assert site.db.value("SELECT count(*) FROM licences") == 100_000
    problem(client.post("/api/v3/licences/import", body, headers=CSV), 409, 'line 1: there is a licence with the serial "SN-000000"')


# ---- gateways ----


def test_a_gateway_is_set_shown_without_its_key_changed_and_taken_away(site):
    path = f"/api/v3/products/{site.product()}/gateway"
    problem(site.viewer.get(path), 404, "has no gateway")
    made = site.admin.put(path, {"endpoint": "mqtt.example.com", "signatureKey": "the signature key"}).must(201)
    got = site.viewer.get(path).must(200)
    assert set(got.json) == {"productId", "endpoint", "signatureKeySet", "createdAt", "updatedAt"}
    assert (got.json["endpoint"], got.json["signatureKeySet"]) == ("mqtt.example.com", True)
    assert got.header("ETag") == made.header("ETag")
    assert site.viewer.get(path, headers={"If-None-Match": got.header("ETag")}).status == 304
    body = {"endpoint": "mqtt.example.com:1883", "signatureKey": "another key"}
    changed = site.admin.put(path, body, headers={"If-Match": got.header("ETag")}).must(200)
    assert changed.json["endpoint"] == "mqtt.example.com:1883"
    problem(site.admin.put(path, body, headers={"If-Match": got.header("ETag")}), 412)
    problem(site.admin.delete(path, headers={"If-Match": got.header("ETag")}), 412)
    assert site.admin.delete(path, headers={"If-Match": changed.header("ETag")}).status == 204
    problem(site.viewer.get(path), 404)
    problem(site.admin.delete(path), 404)
    problem(site.admin.put(path, body, headers={"If-Match": "*"}), 412)


def test_the_gateway_of_an_unknown_product_is_404(shared):
    body = {"endpoint": "a", "signatureKey": "k"}
    for path in ("/api/v3/products/999999/gateway", "/api/v3/products/x/gateway"):
        for answer in (shared.admin.get(path), shared.admin.put(path, body), shared.admin.delete(path)):
            problem(answer, 404)


BAD_GATEWAYS = [
    ("no endpoint", {"endpoint": ...}, "endpoint"), ("empty endpoint", {"endpoint": ""}, "endpoint"), ("scheme", {"endpoint": "mqtts://a.b:8883"}, "scheme"),
    ("IPv6", {"endpoint": "[2001:db8::1]:1883"}, "IPv6"), ("port is a word", {"endpoint": "a.b:mqtt"}, "port"), ("port 0", {"endpoint": "a.b:0"}, "port"),
    ("port 65536", {"endpoint": "a.b:65536"}, "port"), ("path", {"endpoint": "a.b/c"}, "host"), ("blank", {"endpoint": "a b"}, "host"),
    ("long endpoint", {"endpoint": "a." * 200 + "a"}, "endpoint"), ("no key", {"signatureKey": ...}, "signatureKey"), ("empty key", {"signatureKey": ""}, "signatureKey"),
    ("long key", {"signatureKey": "k" * 257}, "signatureKey"), ("key with a newline", {"signatureKey": "a\nb"}, "signatureKey"),
    ("key is a number", {"signatureKey": 1}, "signatureKey"), ("unknown member", {"signatureKeySet": True}, "signatureKeySet"),
]


@pytest.mark.parametrize("change, words", [pytest.param(c, w, id=i) for i, c, w in BAD_GATEWAYS])
def test_bad_gateways(shared, change, words):
    product = shared.db.rows("INSERT INTO products (key) VALUES (gen_random_uuid()::text) RETURNING id")[0][0]
    body = {name: value for name, value in {"endpoint": "a.b", "signatureKey": "k", **change}.items() if value is not ...}
    problem(shared.admin.put(f"/api/v3/products/{product}/gateway", body), 400, words)
    assert shared.db.value("SELECT count(*) FROM gateways WHERE product_id = %s", product) == 0


# ---- nothing in clear ----


def disguises(secret):
    """What some bytes look like in clear, as hex, and as base64 wherever in a longer text they begin."""
    yield "clear", secret
    yield "hex", secret.hex().encode()
    for shift in range(3):
        coded = base64.b64encode(bytes(shift) + secret)
        whole = coded[(shift * 8 + 5) // 6 : (shift + len(secret)) * 8 // 6]
        yield f"base64+{shift}", whole
        yield f"base64url+{shift}", whole.translate(bytes.maketrans(b"+/", b"-_"))


def shown(text, words):
    """Which of the secret words stand in the text, and how. 64 hex digits are looked for as the bytes they stand for, too."""
    lower = text.lower()
    found = []
    for word in words:
        forms = [word.encode()]
        if re.fullmatch("[0-9a-fA-F]{64}", word):
            forms.append(bytes.fromhex(word))
        for form in forms:
            assert len(form) >= 8, "too short to be looked for"
            for how, pattern in disguises(form):
                if pattern in text or ("base64" not in how and pattern.lower() in lower):
                    found.append((word, how))
    return found


@pytest.mark.parametrize("place", [0, 1, 2, 3])
def test_the_search_for_secrets_finds_them(place):
    key, text = new_key(), "the signature key"
    before = b"x" * place
    for secret, plain in [(key, key.encode()), (key, bytes.fromhex(key)), (text, text.encode())]:
        whole = before + plain + b"yz"
        for sight in (whole, whole.hex().encode(), whole.hex().upper().encode(), base64.b64encode(whole), base64.urlsafe_b64encode(whole)):
            assert shown(b"INSERT '" + sight + b"'", [secret]), sight
    assert not shown(os.urandom(4096).hex().encode(), [key, text])


def dump(site):
    """The whole database as text, and what the server has logged."""
    command = [str(BIN / "pg_dump"), "-h", str(site.cluster.dir), "-U", "postgres", "--inserts", site.db.name]
    done = subprocess.run(unprivileged(command), capture_output=True, cwd="/", timeout=60)
    assert done.returncode == 0, done.stderr
    for table in ("licences", "gateways", "voices", "idempotency", "audit", "tokens", "operators"):
        assert f"INSERT INTO public.{table} ".encode() in done.stdout, f"the dump has no row of {table}"
    return done.stdout + site.cluster.process.log.read_bytes()


def strings(value):
    """Every text in an answer."""
    if isinstance(value, dict):
        return [text for part in value.values() for text in strings(part)]
    if isinstance(value, list):
        return [text for part in value for text in strings(part)]
    return [value] if isinstance(value, str) else []


def key_files(site):
    """The secret words of the files that the configuration names."""
    files = [Path(path) for name, path in site.otad.settings.items() if name.endswith(("key_file", "keys_file", "password_file"))]
    words = [word for path in files for word in path.read_text().split() if len(word) >= 16]
    assert words
    return words


def test_no_secret_stands_in_clear_in_the_database_the_log_or_print_config(site):
    keys = [new_key() for _ in range(5)]
    signatures = ["the signature key", "签名密钥 of the gateway"]
    voice_tokens = ["the token of the voice", "语音令牌 of another"]
    secret = [*keys, *signatures, *voice_tokens, *site.tokens.values(), *map(password_of, site.tokens), *key_files(site)]
    secret.append(site.anybody.post("/api/v2/login", {"username": "admin", "password": password_of("admin")}).data.removeprefix("Bearer "))
    secret.append(site.otad.do("user", "add", "newcomer", "--role", "viewer").strip().split()[-1])
    product = site.product()
    gateway = f"/api/v3/products/{product}/gateway"
    voice = f"/api/v3/products/{product}/voice"

    def once(name):
        return {"Idempotency-Key": name}

    # What is taken, ...
    made = [
        site.admin.post("/api/v3/licences", {"serial": "A1", "key": keys[0]}, headers=once("1")).must(201),
        site.admin.post("/api/v3/licences", {"serial": "A2", "key": keys[1], "encoding": "hex_text"}, headers=once("2")).must(201),
        site.admin.post("/api/v3/licences/import", lines(("A3", keys[2]), ("A4", keys[3], "hex_text")), headers={**CSV, **once("3")}).must(200),
        site.admin.put(gateway, {"endpoint": "a", "signatureKey": signatures[0]}).must(201),
        site.admin.put(gateway, {"endpoint": "a", "signatureKey": signatures[1]}).must(200),
        site.admin.put(voice, {"mqtt": "gateway", "websocket": {"url": "ws://a", "token": voice_tokens[0]}}).must(201),
        site.admin.put(voice, {"mqtt": "gateway", "websocket": {"url": "ws://a", "token": voice_tokens[1]}}).must(200),
        site.admin.post("/api/v3/devices", {"name": "esp-1", "productId": product}, headers=once("4")).must(201),
    ]
    password = made[7].json["password"]  # shown once, in the answer that is kept for the Idempotency-Key
    secret.append(password)
    assert site.admin.post("/api/v3/devices", {"name": "esp-1", "productId": product}, headers=once("4")).must(201).json["password"] == password
    # ... what is refused, ...
    for answer in (
        site.admin.post("/api/v3/licences", {"serial": "A1", "key": keys[4]}),
        site.admin.post("/api/v3/licences", {"serial": "A9", "key": keys[4], "encoding": "x"}),
        site.admin.post("/api/v3/licences", {"serial": "A9", "key": keys[4] + "00"}),
        site.admin.post("/api/v3/licences/import", lines(("A9", keys[4]), ("A1", keys[4])), headers=CSV),
        site.admin.post("/api/v3/licences/import", lines(("A9", keys[4]), (keys[4], "A9")), headers=CSV),
        site.admin.put(gateway, {"endpoint": "mqtt://a", "signatureKey": signatures[0]}),
        site.admin.put(voice, {"mqtt": "own", "websocket": {"url": "a", "token": voice_tokens[0]}}),
        site.admin.put(voice, {"mqtt": "own", "websocket": {"url": "ws://a", "token": voice_tokens[0] + "\n"}}),
        site.anybody.post("/api/v2/login", {"username": "admin", "password": password_of("admin") + "!"}),
    ):
        assert answer.status in (400, 409) or answer.json["errorCode"] != 200, answer
        made.append(answer)
    # ... and what answers show. The first answer is where a password is meant to be seen.
    for answer in made[:7] + made[8:] + [site.admin.get(path) for path in ("/api/v3/licences", gateway, voice, "/api/v3/audit", "/api/v3/devices")]:
        assert not shown(answer.body + str(answer.headers).encode(), secret), answer

    assert shown(dump(site), secret) == [], "the database or its log"
    assert shown(site.otad.process.log.read_bytes(), secret) == [], "otad's log"
    del site.otad.settings["mqtt_password_file"]
    site.otad.write_config(mqtt_password="the broker's word", pg="postgresql://u:the-password@/x?host=/tmp")
    printed = site.otad.run("--print-config")
    assert printed.returncode == 0
    assert shown((printed.stdout + printed.stderr).encode(), [*secret, "the broker's word", "the-password"]) == [], "--print-config"


def test_the_search_of_the_database_finds_what_is_in_clear(site):
    """The opposite of the test before: were a key not sealed, it would be seen."""
    key = new_key()
    site.admin.post("/api/v3/licences", {"serial": "A1", "key": key}, headers={"Idempotency-Key": "1"}).must(201)
    product = f"/api/v3/products/{site.product()}"
    site.admin.put(f"{product}/gateway", {"endpoint": "a", "signatureKey": "the signature key"}).must(201)
    site.admin.put(f"{product}/voice", {"mqtt": "own", "websocket": {"url": "ws://a", "token": "the token of the voice"}}).must(201)
    words = [key, "the signature key", "the token of the voice"]
    assert shown(dump(site), words) == []
    site.db.rows("UPDATE licences SET key_sealed = key_sealed || decode(%s, 'hex')", key)
    site.db.rows("UPDATE gateways SET key_sealed = key_sealed || convert_to('the signature key', 'UTF8')")
    site.db.rows("UPDATE voices SET ws_token = ws_token || convert_to('the token of the voice', 'UTF8')")
    assert {word for word, _ in shown(dump(site), words)} == set(words)
