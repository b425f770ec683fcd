"""The check of Xiaozhi devices, from the device's side: who is told what, and what becomes of it."""

import base64
import hashlib
import json
import re
import time
from urllib.parse import urlsplit

import pytest

from harness import image, mqtt
from harness.process import until
from harness.web import raw
from harness.xiaozhi import PARTITIONS, Device, seed

BOARD = "bread-compact-ml307"


@pytest.fixture
def product(site):
    return site.product(BOARD)


def app(version, **more):
    """An image whose build is its own."""
    return image.app(version, elf=hashlib.sha256(version.encode() + b"built").digest(), **more)


def publish(site, product, version="2.4.2", name="fw", **image_of):
    """A firmware for whoever of the product comes."""
    firmware = site.firmware(product, name=name, data=app(version, **image_of))
    site.operator.post("/api/v2/xiaozhi/otaPassive", {"otaId": firmware.id, "productId": product, "versionName": version}).data
    return firmware


def settle(site):
    """Nothing runs in the background that would be counted."""

    def quiet():
        before = site.db.statements()
        time.sleep(0.5)
        return site.db.statements() == before

    until(quiet, "the service runs no statements by itself", timeout=20)


def send(site, name, path=None):
    """A seed's request as it stands; (status, headers, JSON)."""
    head, body = seed(name)
    lines = [line for line in head.split(b"\n") if not line.lower().startswith(b"content-length")]
    if path or not lines[0].endswith(b" HTTP/1.1"):  # the web client's is shown as a browser shows it
        lines[0] = b"POST %s HTTP/1.1" % (path or urlsplit(lines[0].split()[1].decode()).path).encode()
    if not any(line.lower().startswith(b"host:") for line in lines):
        lines.append(b"Host: 127.0.0.1")
    answer = raw(site.otad.url, b"\r\n".join([*lines, b"Content-Length: %d" % len(body), b"Connection: close", b"", b""]) + body, finish=False)
    head, _, body = answer.partition(b"\r\n\r\n")
    return int(head.split(b" ", 2)[1]), head, json.loads(body)


# --- requests ---


@pytest.mark.parametrize("name", ["seed_000_esp32", "seed_000_wifi", "seed_000_4g", "seed_001_web", "seed_004_4g_1", "seed_004_4g_4"])
def test_the_seeds_literal_requests_are_answered(site, name):
    status, head, answer = send(site, name)
    assert status == 200 and b"\r\nContent-Length: " in head
    sent = json.loads(seed(name)[1])
    assert answer["firmware"] == {"version": sent["application"]["version"], "url": ""}
    assert re.fullmatch(r"\d{6}", answer["activation"]["code"])
    assert answer["activation"]["message"].endswith("\n" + answer["activation"]["code"])
    assert answer["server_time"]["timezone_offset"] == 480
    assert answer["server_time"]["timezone"] == answer["server_time"]["timeZone"] == "Asia/Shanghai"


@pytest.mark.parametrize("root", ["/xiaozhi/ota", "/api/ota", "/v1/ota", "/xiaozi/ota"])
def test_every_alias_answers_with_and_without_its_slash(site, root):
    for path in (root, root + "/"):
        assert send(site, "seed_004_4g_1", path)[0] == 200
    device = Device(site)
    device.path = root + "/"
    device.check()
    assert device.activate().status == 202
    device.path = root
    assert device.activate().status == 202


def test_a_query_in_the_url_comes_before_activate(site):
    device = Device(site)
    device.check()
    assert device.post("/xiaozhi/ota/?k=v").status == 200
    assert device.post("/xiaozhi/ota/?k=v/activate", {}).status == 202


@pytest.mark.parametrize("name", ["ssid_quote", "ssid_backslash", "ssid_latin1"])
def test_a_body_broken_by_an_unescaped_ssid_is_answered_without_an_update(site, name):
    status, _, answer = send(site, name)
    assert status == 200 and answer["firmware"]["url"] == "" and "activation" in answer


def test_what_identifies_no_device_is_refused_in_the_seeds_words(site):
    device = Device(site)
    assert device.post(Device_Id=None).must(400).json == {"error": "Device ID is required"}
    assert device.post(Device_Id="not a mac").must(400).json == {"error": "Invalid OTA request"}
    assert device.post(body=b"[]").must(400).json == {"error": "Invalid OTA request"}
    assert device.post(body={**device.body(), "mac_address": "00:00:00:00:00:01"}).must(400).json == {"error": "Invalid OTA request"}
    assert device.post(body={**device.body(), "application": {}}).must(400).json == {"error": "Invalid OTA request"}
    assert device.post(body={**device.body(), "board": {}}).must(400).json == {"error": "Invalid OTA request"}
    assert device.post(body=b" " * 65537).must(413).json == {"error": "Invalid OTA request"}


def test_a_device_that_sends_no_client_id_is_served(site, product):
    device = Device(site, version="0.9.8")
    del device.headers["Activation-Version"]
    answer = device.post(Client_Id=None, body={key: value for key, value in device.body().items() if key != "uuid"}).must(200).json
    assert answer["firmware"] == {"version": "0.9.8", "url": ""}


def test_a_browser_may_ask(site):
    allowed = site.anybody.request("OPTIONS", "/xiaozhi/ota/", headers={"Origin": "http://test.example", "Access-Control-Request-Method": "POST"})
    assert allowed.status == 204 and allowed.header("Access-Control-Allow-Origin") == "*"
    for name in ("device-id", "client-id", "content-type"):
        assert name in allowed.header("Access-Control-Allow-Headers").lower()
    assert Device(site).post(Origin="http://test.example").must(200).header("Access-Control-Allow-Origin") == "*"
    assert Device(site).post().header("Access-Control-Allow-Origin") is None


def test_people_see_what_a_device_would_get(site):
    page = site.anybody.get("/xiaozhi/ota/").must(200)
    text = page.body.decode()
    assert page.header("Content-Type").startswith("text/html")
    assert f"http://127.0.0.1:{site.otad.port}/xiaozhi/ota/" in text and "public_url" in text and "还没有产品" in text
    publish(site, site.product(BOARD))
    assert "还没有" not in site.anybody.get("/xiaozhi/ota/").body.decode()


# --- activation and credentials ---


def test_a_device_shows_its_code_until_somebody_enters_it_and_is_then_let_in(site, product):
    device = Device(site)
    first, again = device.check(), device.check()
    assert first["activation"]["code"] == again["activation"]["code"]
    assert first["activation"]["challenge"] != again["activation"]["challenge"]
    assert "mqtt" not in first, "a stranger has no business at our broker"
    assert device.activate().status == 202
    device.bind(product)
    row = site.viewer.get("/api/v2/xiaozhi/otaManage").data[0]
    assert device.activate().must(200).json == {"message": "Device activated", "device_id": row["id"]}
    answer = device.check()
    assert "activation" not in answer
    sent = answer["mqtt"]
    assert sent["client_id"] == f"GID_otad@@@{device.name}@@@{device.uuid}"
    assert sent["publish_topic"] == f"device-server/{device.name}" and sent["subscribe_topic"] == "null"
    assert all(isinstance(value, str) for value in sent.values())
    assert json.loads(base64.b64decode(sent["username"]))["ip"] == "127.0.0.1"
    host, port = sent["endpoint"].split(":")
    assert (host, int(port)) == ("127.0.0.1", site.broker.port)
    client = mqtt.Client(int(port), sent["client_id"], username=sent["username"], password=sent["password"])
    site.clients.append(client)
    client.publish(sent["publish_topic"], '{"type":"hello"}', qos=0)


def test_messages_are_in_the_devices_language(site):
    chinese = Device(site).check()["activation"]["message"]
    english = Device(site).check(Accept_Language="en-US", body=None)["activation"]["message"]
    assert "输入" in chinese and english.startswith("Enter at ") or chinese != english


def test_another_client_id_is_a_stranger_where_the_product_pins_it(site, product):
    site.admin.patch(f"/api/v3/products/{product}", {"identity": "pinned"}).must(200)
    device = Device(site).bind(product)
    assert "mqtt" in device.check()
    thief = Device(site, mac=device.mac)
    answer = thief.check()
    assert "mqtt" not in answer and "activation" in answer
    assert "mqtt" in device.check()


def test_a_blocked_device_is_told_nothing(site, product):
    device = Device(site).bind(product)
    publish(site, product)
    row = site.viewer.get("/api/v2/xiaozhi/otaManage").data[0]
    site.admin.post(f"/api/v3/devices/{row['id']}/credentials/block").must(200)
    answer = device.check()
    assert answer["firmware"] == {"version": "2.0.4", "url": ""} and "mqtt" not in answer and "activation" not in answer


# --- firmware ---


def test_an_update_is_offered_fetched_and_proven_by_the_build_that_runs(site, product):
    device = Device(site).bind(product)
    publish(site, product)
    offered = device.check()["firmware"]
    assert offered["version"] == "2.4.2" and "force" not in offered
    head, data = device.fetch(offered)
    assert data == app("2.4.2") and head.count(b"\r\n") < 9, head
    site.until_state(device, "downloaded")
    device.install(data)
    after = device.check()
    assert after["firmware"] == {"version": "2.4.2", "url": ""}
    assert site.walk(device) == ["queued", "notified", "downloading", "downloaded", "succeeded"]
    assert device.check()["firmware"]["url"] == ""
    assert len(site.tasks(device)) == 1


def test_the_check_after_an_install_offers_nothing_else(site, product):
    device = Device(site).bind(product)
    publish(site, product, "2.4.2")
    _, data = device.fetch(device.check()["firmware"])
    publish(site, product, "2.5.0", name="newer")
    device.install(data)
    assert device.check()["firmware"] == {"version": "2.4.2", "url": ""}, "it would never mark 2.4.2 as valid"
    assert device.check()["firmware"]["version"] == "2.5.0"


def test_a_device_that_rolled_back_is_not_offered_it_again(site, product):
    device = Device(site).bind(product)
    publish(site, product)
    device.fetch(device.check()["firmware"])
    until(lambda: site.task(device)["state"] == "downloaded", "all bytes are counted")
    assert device.check()["firmware"]["url"] == ""
    assert (site.task(device)["state"], site.task(device)["code"]) == ("failed", "rolled_back")
    assert device.check()["firmware"]["url"] == ""


def test_what_does_not_suit_is_not_offered_and_explained(site, product):
    device = Device(site).bind(product)
    cases = [
        ({"chip": "esp32"}, "the device has chip esp32, the image of rollout 1 is for esp32s3"),
        ({"partitions": PARTITIONS[:2]}, "the device tells of no two app slots"),
        ({"partitions": [{**p, "size": 4096} if p["label"] == "ota_1" else p for p in PARTITIONS]}, "600848 bytes, the app slot for it 4096"),
        ({"board": {**device.board, "name": "other", "type": "another"}}, "the device's board is other"),
        ({"version": "2.9"}, "the device runs 2.9; rollout 1 brings 2.4.2, which is not newer"),
    ]
    publish(site, product)

    def explained():
        return site.viewer.get(f"/api/v3/devices/{device.name}/explain").must(200).json["sentences"]["en"][0]

    for changes, said in cases:
        before = {key: getattr(device, key) for key in changes}
        for key, value in changes.items():
            setattr(device, key, value)
        device.check()
        answer = device.check()
        assert answer["firmware"]["url"] == "", changes
        until(lambda: said in explained(), f"{said}: {explained()}", 5)
        for key, value in before.items():
            setattr(device, key, value)
    device.check()
    assert device.check()["firmware"]["version"] == "2.4.2"


def test_a_device_whose_owner_wants_no_updates_is_offered_none(site, product):
    device = Device(site).bind(product)
    publish(site, product)
    row = site.viewer.get("/api/v2/xiaozhi/otaManage").data[0]
    site.operator.put("/api/v2/xiaozhi/otaManage", {"id": row["id"], "nickName": "n", "autoUpdate": False}).data
    assert device.check()["firmware"] == {"version": "2.0.4", "url": ""}
    site.operator.put("/api/v2/xiaozhi/otaManage", {"id": row["id"], "nickName": "n", "autoUpdate": True}).data
    assert device.check()["firmware"]["version"] == "2.4.2"


def test_an_unbound_device_is_offered_nothing_unless_its_product_says_so(site, product):
    device = Device(site)
    publish(site, product)
    assert device.check()["firmware"]["url"] == ""
    site.admin.patch(f"/api/v3/products/{product}", {"unboundUpdates": True}).must(200)
    offers = [device.check()["firmware"] for _ in range(4)]
    assert [bool(offer["url"]) for offer in offers] == [True, True, True, False], "a bad image is not fetched at every boot"
    assert device.fetch(offers[0])[1] == app("2.4.2")
    assert site.db.value("SELECT count(*) FROM devices") == 0


def test_firmware_with_the_audio_defect_is_replaced_whatever_stands_against_it(site):
    product = site.product("bread-compact-wifi")
    publish(site, product)
    sound = Device(site, version="1.0.1", board="bread-compact-wifi")
    defect = Device(site, version="0.9.8", board="bread-compact-wifi")
    assert sound.check()["firmware"]["url"] == ""
    assert defect.check()["firmware"]["version"] == "2.4.2"


def test_an_order_for_one_device_may_bring_it_back(site, product):
    device = Device(site, version="2.5.0").bind(product)
    firmware = site.firmware(product, data=app("2.4.2"))
    site.operator.post("/api/v2/otaEnable", name=firmware.name, deviceName=device.name).data
    offered = device.check()["firmware"]
    assert (offered["version"], offered["force"]) == ("2.4.2", 1)
    device.install(device.fetch(offered)[1])
    assert device.check()["firmware"] == {"version": "2.4.2", "url": ""}
    assert site.task(device)["state"] == "succeeded"


@pytest.mark.parametrize("version", ["2.0.4-dirty", "v1", "latest"])
def test_a_version_that_a_device_cannot_read_is_never_sent_back(site, product, version):
    device = Device(site, version=version).bind(product)
    publish(site, product)
    assert "firmware" not in device.check()


def test_the_seeds_captures_in_a_row_cost_no_SQL_after_the_first(site, product):
    device = Device(site, mac="94:a9:90:2c:84:b8")
    device.uuid = "e2314aed-0a16-43f0-8128-766fbd3207f2"
    device.bind(product)
    send(site, "seed_004_4g_1")
    until(lambda: site.db.value("SELECT count(*) FROM device_facts") == 1, "its facts are written")
    settle(site)
    before = site.db.calls()
    for name in ("seed_004_4g_2", "seed_004_4g_3", "seed_004_4g_4"):
        assert send(site, name)[0] == 200
    ran = [text for text, calls in site.db.calls().items() if calls > before.get(text, 0)]
    assert [text for text in ran if "FROM changes" not in text and "outbox" not in text] == []


def test_a_device_known_by_another_name_is_found_by_its_mac(site, product):
    device = Device(site)
    site.admin.post("/api/v3/devices", {"name": "fog-7", "productId": product, "mac": device.mac}).must(201)
    device.bind(product)
    answer = device.check()
    assert "activation" not in answer and "mqtt" not in answer
    assert [row["deviceName"] for row in site.viewer.get("/api/v2/xiaozhi/otaManage").data] == ["fog-7"]
