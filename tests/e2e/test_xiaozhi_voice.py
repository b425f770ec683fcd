"""What a check says of MQTT and WebSocket: credentials that verify, for the right broker, in values that every generation of firmware survives."""

import base64
import hashlib
import hmac
import json
import time
import uuid

import pytest

from harness import image, mqtt
from harness.process import Failure, until
from harness.xiaozhi import Device, must_not_hurt

BOARD = "bread-compact-ml307"
CODES = "/api/v2/xiaozhi/otaManage"
GATEWAY = {"endpoint": "mqtt.example.com:1883", "signatureKey": "TestKey123"}
SOCKET = {"url": "wss://voice.example.com/xiaozhi/v1/", "token": "the token", "version": 3}
pytestmark = pytest.mark.config(trusted_proxies="127.0.0.1")


@pytest.fixture
def product(site):
    return site.product(BOARD)


def speak(site, product, mqtt_by="own", websocket=None, gateway=None):
    path = f"/api/v3/products/{product}"
    if gateway:
        site.admin.put(f"{path}/gateway", gateway).must(201)
    site.admin.put(f"{path}/voice", {"mqtt": mqtt_by, **({"websocket": websocket} if websocket else {})}).must(201)


def verify(credentials, key):
    """As a public gateway does (protocols/xiaozhi.md 6), in other words than the service's; what the user name holds."""
    client_id, username = credentials["client_id"], credentials["username"]
    signed = hmac.new(key.encode(), f"{client_id}|{username}".encode(), hashlib.sha256).digest()
    assert base64.b64encode(signed).decode() == credentials["password"]
    group, mac, last = client_id.split("@@@")
    assert group and mac and last
    return json.loads(base64.b64decode(username, validate=True))


def test_the_tests_own_verification_is_the_protocols():
    vector = {
        "client_id": "GID_test@@@11_22_33_44_55_66@@@36c98363-3656-43cb-a00f-8bced2391a90",
        "username": "eyJpcCI6IjIyMi4yMjIuMjIyLjIyMiJ9", "password": "s0bZyj4vH6bZxwmrbPaxGDaGcG9Paygt0ShzTl5T/Mc=",
    }
    assert verify(vector, "TestKey123") == {"ip": "222.222.222.222"}


# --- an external gateway ---


def test_credentials_for_an_external_gateway_verify_there(site, product):
    speak(site, product, "gateway", gateway=GATEWAY)
    device = Device(site).bind(product)
    sent = device.check(X_Forwarded_For="192.0.2.77")["mqtt"]
    assert verify(sent, GATEWAY["signatureKey"]) == {"ip": "192.0.2.77"}
    assert sent["client_id"] == f"GID_otad@@@{device.name}@@@{device.uuid}"
    assert (sent["endpoint"], sent["publish_topic"], sent["subscribe_topic"]) == (GATEWAY["endpoint"], "device-server", "null")


@pytest.mark.parametrize("key", ["k", "密钥", 'with "quotes" and \\', "x" * 256])
def test_any_signature_key_signs(site, product, key):
    speak(site, product, "gateway", gateway={"endpoint": "mqtt.example.com", "signatureKey": key})
    verify(Device(site).check()["mqtt"], key)


def test_a_gateways_new_key_signs_from_the_next_check_on(site, product):
    speak(site, product, "gateway", gateway=GATEWAY)
    device = Device(site).bind(product)
    before = device.check()["mqtt"]
    site.admin.put(f"/api/v3/products/{product}/gateway", {**GATEWAY, "signatureKey": "another"}).must(200)
    after = device.check()["mqtt"]
    assert verify(after, "another") and after["password"] != before["password"]


def test_before_binding_both_voices_and_the_code_come_together(site, product):
    """As seed 004's answer has it."""
    speak(site, product, "gateway", SOCKET, GATEWAY)
    device = Device(site)
    answer = device.check()
    must_not_hurt(answer, device.version)
    assert set(answer) == {"mqtt", "websocket", "server_time", "firmware", "activation"}
    verify(answer["mqtt"], GATEWAY["signatureKey"])
    assert answer["websocket"] == SOCKET
    assert site.db.value("SELECT count(*) FROM devices") == 0


def test_a_device_without_a_client_id_has_its_MAC_as_the_third_part(site, product):
    speak(site, product, "gateway", gateway=GATEWAY)
    device = Device(site)
    body = {key: value for key, value in device.body().items() if key != "uuid"}
    sent = device.post(Client_Id=None, body=body).must(200).json["mqtt"]
    assert sent["client_id"].split("@@@")[1:] == [device.name, device.name]
    verify(sent, GATEWAY["signatureKey"])


@pytest.mark.parametrize("odd", [
    "a@@@b", "@@@", '"', "'; DROP TABLE devices; --", "a|b", "x" * 6_000, "\t", "a b", "é", "%s%n", "otad", "", "../..", "{}", "x" * 65,
], ids=lambda odd: repr(odd[:24]))
@pytest.mark.parametrize("by", ["own", "gateway"])
def test_an_odd_client_id_never_bends_the_credentials(shared, by, odd):
    product = shared.db.rows("INSERT INTO products (key) VALUES (gen_random_uuid()::text) RETURNING id, key")[0]
    shared.admin.patch(f"/api/v3/products/{product[0]}", {"name": "n"}).must(200)
    speak(shared, product[0], by, gateway=GATEWAY)
    device = Device(shared, board=product[1])
    device.bind(product[0])
    device.uuid = odd
    answer = device.post(Client_Id=odd.encode()).must(200).json
    must_not_hurt(answer, device.version)
    if by == "gateway":
        verify(answer["mqtt"], GATEWAY["signatureKey"])
    assert answer["mqtt"]["client_id"].split("@@@")[1] == device.name


@pytest.mark.parametrize("address", ["2001:db8::1", "::ffff:192.0.2.1", "not an address", '"}', "192.0.2.1, 192.0.2.2", "x" * 3000, "", "127.0.0.1:80"])
@pytest.mark.parametrize("by", ["own", "gateway"])
def test_an_odd_address_never_bends_the_user_name(site, product, by, address):
    speak(site, product, by, gateway=GATEWAY)
    answer = Device(site).bind(product).post(X_Forwarded_For=address).must(200).json
    must_not_hurt(answer, "2.0.4")
    told = json.loads(base64.b64decode(answer["mqtt"]["username"]))["ip"]
    assert all(c in "0123456789abcdef.:" for c in told), told


# --- websocket ---


VERSIONS = {
    "0.9.8": False, "1.0.1": False, "1.5.8": False, "1.6.0": False, "1.6.2": False, "1.6.3": True, "1.6.2.1": True, "1.10.0": True, "2.0.4": True,
    "2": True, "1": False, "2.0.4-dirty": True, "v2.0.4": False,
}


@pytest.mark.parametrize("version", VERSIONS)
def test_numbers_are_for_firmware_that_survives_them(shared, version):
    product = shared.db.rows("INSERT INTO products (key) VALUES (gen_random_uuid()::text) RETURNING id, key")[0]
    shared.admin.patch(f"/api/v3/products/{product[0]}", {"name": "n"}).must(200)
    speak(shared, product[0], "none", SOCKET)
    device = Device(shared, version=version, board=product[1])
    answer = device.check()
    must_not_hurt(answer, version)
    assert "mqtt" not in answer
    assert {key: answer["websocket"][key] for key in ("url", "token")} == {key: SOCKET[key] for key in ("url", "token")}
    assert ("version" in answer["websocket"]) is VERSIONS[version]


@pytest.mark.parametrize("websocket", [{"url": "ws://voice:8000"}, {"url": "wss://v.example.com/", "version": 1}, {"url": "wss://v.example.com/", "token": "令牌 \"\\"}])
def test_a_websocket_is_told_as_it_was_set(site, product, websocket):
    speak(site, product, "none", websocket)
    sent = Device(site).check()["websocket"]
    assert sent["url"] == websocket["url"] and sent["token"] == websocket.get("token", "") and sent.get("version") == websocket.get("version")


def test_a_product_without_a_voice_of_its_own_names_our_broker(site, product):
    device = Device(site).bind(product)
    answer = device.check()
    assert "websocket" not in answer and answer["mqtt"]["endpoint"] == f"127.0.0.1:{site.broker.port}"


def test_a_voice_is_changed_and_taken_away_at_the_next_check(site, product):
    path = f"/api/v3/products/{product}/voice"
    device = Device(site).bind(product)
    speak(site, product, "own", SOCKET)
    assert {"mqtt", "websocket"} <= set(device.check())
    site.admin.put(path, {"mqtt": "none"}).must(200)
    assert not {"mqtt", "websocket"} & set(device.check())
    site.admin.delete(path).must(204)
    assert "mqtt" in device.check()


# --- our own broker ---


def login(site, sent):
    client = mqtt.Client(site.broker.port, sent["client_id"], username=sent["username"], password=sent["password"])
    site.clients.append(client)
    return client


@pytest.mark.thread_leg
def test_what_an_unbound_device_had_is_dead(site, product):
    device = Device(site).bind(product)
    sent = device.check()["mqtt"]
    login(site, sent).publish(sent["publish_topic"], '{"type":"hello"}', qos=0)
    row = site.viewer.get(CODES).data[0]
    assert site.operator.delete(CODES, id=row["id"]).data is None
    with pytest.raises(Failure, match="refused the login"):
        login(site, sent)
    answer = device.check()
    assert "mqtt" not in answer
    assert site.operator.post(CODES, {"code": answer["activation"]["code"], "productId": product}).code == 200
    login(site, device.check()["mqtt"])


def test_a_rotation_gives_the_next_check_other_credentials(site, product):
    device = Device(site).bind(product)
    before = device.check()["mqtt"]
    row = site.viewer.get(CODES).data[0]
    site.admin.post(f"/api/v3/devices/{row['id']}/credentials/rotate").must(200)
    after = device.check()["mqtt"]
    assert after["password"] != before["password"]
    login(site, after)
    with pytest.raises(Failure, match="refused the login"):
        login(site, before)


@pytest.mark.config(mqtt_public_endpoint="broker.example.com")
def test_devices_are_told_the_brokers_public_name(site, product):
    device = Device(site).bind(product)
    assert device.check()["mqtt"]["endpoint"] == "broker.example.com"
    site.otad.write_config(mqtt_public_endpoint="other.example.com:8883")
    site.otad.reload()
    until(lambda: device.check()["mqtt"]["endpoint"] == "other.example.com:8883", "the new name is told")


@pytest.mark.parametrize("host", ["[::1]:8002", "[::1]", "a:b", "x:99999", "-", ".", "a..b", "x:", "h" * 250, "under_score:80", "EXAMPLE.com"])
def test_a_host_that_no_device_can_reach_costs_no_answer(site, product, host):
    device = Device(site).bind(product)
    firmware = site.firmware(product, data=image.app("2.4.2"))
    site.operator.post("/api/v2/xiaozhi/otaPassive", {"otaId": firmware.id, "productId": product, "versionName": "2.4.2"}).data
    answer = device.post(Host=host).must(200).json
    must_not_hurt(answer, device.version)
    assert device.check()["firmware"]["url"], "by a good name it is offered"


@pytest.mark.parametrize("zone, offset", [("UTC", 0), ("Asia/Kolkata", 330), ("America/St_Johns", None)])
def test_the_clock_is_the_configured_zones_east_positive(site, product, zone, offset):
    site.otad.write_config(timezone=zone)
    site.otad.restart()
    told = Device(site).check()["server_time"]
    assert told["timezone"] == told["timeZone"] == zone
    assert told["timezone_offset"] in ([offset] if offset is not None else [-210, -150])
    assert abs(told["timestamp"] - time.time() * 1000) < 5000


def test_credentials_are_a_devices_own(site, product):
    speak(site, product, "own")
    one, two = (Device(site).bind(product) for _ in range(2))
    sent, other = one.check()["mqtt"], two.check()["mqtt"]
    for stolen in ({"client_id": other["client_id"]}, {"username": other["username"]}, {"client_id": f"GID_otad@@@{two.name}@@@{uuid.uuid4()}"}):
        mixed = {**sent, **stolen}
        if mixed != sent and mixed != other and mixed["username"] + mixed["client_id"] != sent["username"] + sent["client_id"]:
            with pytest.raises(Failure, match="refused the login"):
                login(site, mixed)
    login(site, sent)
    login(site, other)
