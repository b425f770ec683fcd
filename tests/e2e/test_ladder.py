"""Push to a running Xiaozhi device: over its one connection, which subscribes to nothing, by what its firmware understands."""

import hashlib
import json
import re
import time
from types import SimpleNamespace

import pytest
from harness import mqtt, xiaozhi
from harness.board import NAME, Boards
from harness.image import app
from harness.process import until

PUBLIC = "http://ota.example.com"
BOARD = "bread-compact-ml307"
UNKNOWN = {"error": {"message": "Unknown tool: self.upgrade_firmware"}}
TRUE = {"result": {"content": [{"type": "text", "text": "true"}], "isError": False}}

pytestmark = pytest.mark.config(public_url=PUBLIC, resend_min="1s", resend_max="4s")


class Running(xiaozhi.Device):
    """Activated; at the broker as the firmware is there: with what its check gave it, never a subscription, QoS 0 up."""

    client = None

    def connect(self):
        """What it does at every boot that ends without an upgrade."""
        given = self.check()["mqtt"]
        assert given["subscribe_topic"] == "null"
        self.topic = given["publish_topic"]
        self.client = mqtt.Client(self.site.broker.port, given["client_id"], username=given["username"], password=given["password"])
        until(lambda: self.site.viewer.get(f"/api/v3/devices/{self.name}").json["online"], "it is seen to be connected")
        return self

    def leave(self):
        if self.client:
            self.client.close()
            self.client = None

    def say(self, text):
        self.client.publish(self.topic, text if isinstance(text, str) else json.dumps(text), qos=0)

    def answer(self, call, words):
        """As the firmware concatenates it."""
        payload = json.dumps({"jsonrpc": "2.0", "id": call["payload"]["id"], **words}, separators=(",", ":"))
        self.say('{"session_id":"","type":"mcp","payload":' + payload + "}")

    def message(self, timeout=10):
        return self.client.next(timeout).json

    def call(self, timeout=10):
        """The next message, which must be the call that the firmware understands."""
        call = self.message(timeout)
        url = call["payload"]["params"]["arguments"]["url"]
        assert call == {
            "type": "mcp",
            "payload": {
                "jsonrpc": "2.0", "id": call["payload"]["id"], "method": "tools/call",
                "params": {"name": "self.upgrade_firmware", "arguments": {"url": url}},
            },
        }
        assert isinstance(call["payload"]["id"], int) and 0 < call["payload"]["id"] < 2**31
        assert re.fullmatch(PUBLIC + r"/xiaozhi/ota/firmware/[0-9a-f]{16}-[\w-]{40}\.bin", url)
        return call

    def obey(self, call):
        """Says that it will, and does: the image is in its other slot."""
        self.answer(call, TRUE)
        self.site.until_state(self, "accepted")  # a download as fast as here would overtake it
        _, data = self.fetch({"url": call["payload"]["params"]["arguments"]["url"]})
        self.leave()
        self.install(data)


def running(site, product, version):
    device = Running(site, version, BOARD).bind(product)
    site.devices.append(device)
    return device


def lamp(site, version, image_version="2.4.2", **image):
    product = site.product(BOARD)
    device = running(site, product, version)
    data = app(image_version, size=60_000, elf=hashlib.sha256(image_version.encode()).digest(), **image)
    return device, site.firmware(product, data=data)


def metric(site, name):
    return int(re.search(rf"^{name} (\d+)$", site.anybody.get("/metrics").body.decode(), re.M).group(1))


def timeline(site, device):
    rows = site.db.rows("SELECT event, detail FROM events WHERE task_id = %s ORDER BY at", site.task(device)["id"])
    return [row[0] for row in rows]


def test_the_whole_way_by_its_tool(site):
    device, firmware = lamp(site, "2.0.4")
    device.connect()
    site.push(firmware, device).must(200)
    call = device.call()
    site.until_state(device, "notified")
    device.obey(call)
    site.until_state(device, "downloaded")
    device.connect()
    assert site.task(device)["state"] == "succeeded"
    assert site.walk(device) == ["queued", "notified", "accepted", "downloading", "downloaded", "succeeded"]
    device.client.nothing(1.5)


def test_what_is_older_is_brought_back_and_stays(site):
    """Its tool has no guard: what it runs then must not be undone by the check after it."""
    device, firmware = lamp(site, "2.4.2", "2.0.4")
    device.connect()
    site.push(firmware, device).must(200)
    device.obey(device.call())
    assert device.check()["firmware"] == {"version": "2.0.4", "url": ""}
    assert site.task(device)["state"] == "succeeded"


def test_who_said_true_is_not_called_again_soon(site):
    device, firmware = lamp(site, "2.0.4")
    device.connect()
    site.push(firmware, device)
    device.answer(device.call(), TRUE)
    site.until_state(device, "accepted")
    device.client.nothing(3)


def test_who_does_not_answer_is_called_again_at_the_outbox_s_pace(site):
    device, firmware = lamp(site, "2.0.4")
    device.connect()
    site.push(firmware, device)
    first = device.call()
    began = time.monotonic()
    assert device.call() == first
    assert time.monotonic() - began > 0.9


def test_an_unknown_tool_leads_to_one_reboot(site):
    device, firmware = lamp(site, "2.0.4")
    device.connect()
    site.push(firmware, device)
    device.answer(device.call(), UNKNOWN)
    assert device.message() == {"type": "system", "command": "reboot"}
    site.until_state(device, "notified")
    device.client.nothing(4)
    assert [event for event in timeline(site, device) if event in ("no_tool", "reboot")] == ["no_tool", "reboot"]
    assert metric(site, "otad_push_reboots_total") == 1


@pytest.mark.parametrize("version", ["1.6.0", "1.8.9"])
def test_firmware_without_the_tool_boots_and_is_offered_it(site, version):
    device, firmware = lamp(site, version)
    device.connect()
    site.push(firmware, device)
    assert device.message() == {"type": "system", "command": "reboot"}
    site.until_state(device, "notified")
    device.leave()
    assert device.update()["firmware"] == {"version": "2.4.2", "url": ""}
    assert site.task(device)["state"] == "succeeded"


def test_who_did_not_fetch_after_its_boot_is_not_rebooted_again_whoever_sends(site):
    device, firmware = lamp(site, "1.8.9")
    device.connect()
    site.push(firmware, device)
    assert device.message() == {"type": "system", "command": "reboot"}
    site.until_state(device, "notified")
    device.leave()
    device.connect()  # it booted, was offered the image, and could not fetch it
    site.otad.restart()
    other = site.service("other", {**site.otad.settings, "http_port": 0, "cache_dir": site.otad.cache, "mqtt_client_id": "otad:other"})
    other.start()
    site.push(firmware, device)
    device.client.nothing(5)
    assert timeline(site, device).count("reboot") == 1


@pytest.mark.parametrize("version", ["0.9.8", "1.5.8", "v2"])
def test_older_firmware_waits_for_its_next_boot(site, version):
    device, firmware = lamp(site, version)
    device.connect()
    site.push(firmware, device)
    device.client.nothing(2.5)
    assert site.task(device)["state"] == "queued"
    device.leave()
    if version != "v2":  # which would abort on any answer
        device.update()
        assert site.task(device)["state"] == "succeeded"


def test_who_is_never_connected_waits_for_its_next_boot(site):
    device, firmware = lamp(site, "2.0.4")
    device.check()
    site.push(firmware, device)
    time.sleep(2.5)
    assert site.task(device)["state"] == "queued"
    assert site.db.value("SELECT count(*) FROM outbox") == 1
    device.update()
    assert site.task(device)["state"] == "succeeded"


def test_who_comes_back_is_called_at_once(site):
    device, firmware = lamp(site, "2.0.4")
    device.connect()
    device.client.vanish()
    until(lambda: not site.viewer.get(f"/api/v3/devices/{device.name}").json["online"], "it is seen to be gone")
    site.push(firmware, device)
    time.sleep(2)
    site.db.rows("UPDATE outbox SET due_at = now() + interval '1 h', attempt = 9 RETURNING task_id")
    device.client.paho.reconnect()  # Wi-Fi is back: no boot, no check
    device.client.paho.loop_start()
    device.call(3)


def test_an_image_for_another_chip_is_not_sent(site):
    device, firmware = lamp(site, "2.0.4", chip="esp32c3")
    device.connect()
    site.push(firmware, device)
    device.client.nothing(2.5)
    assert site.task(device)["state"] == "queued"


def test_its_owner_s_wish_is_kept(site):
    device, firmware = lamp(site, "2.0.4")
    device.connect()
    site.admin.patch(f"/api/v3/devices/{device.name}", {"autoUpdate": False}).must(200)
    site.push(firmware, device)
    device.client.nothing(2.5)
    assert site.task(device)["state"] == "queued"


def test_a_refusal_ends_the_task_in_its_own_words(site):
    device, firmware = lamp(site, "2.0.4")
    device.connect()
    site.push(firmware, device)
    device.answer(device.call(), {"error": {"message": "battery low"}})
    assert site.until_state(device, "failed")["code"] == "device_failed"
    assert site.db.value("SELECT detail FROM events WHERE event = 'failed'") == "battery low"


def test_answers_of_others_and_talk_change_nothing(site):
    device, firmware = lamp(site, "2.0.4")
    other = running(site, firmware.product, "2.0.4")
    device.connect()
    other.connect()
    site.push(firmware, device)
    call = device.call()
    other.answer(call, {"error": {"message": "not mine"}})
    device.answer({"payload": {"id": call["payload"]["id"] + 1}}, UNKNOWN)
    device.say({"type": "hello", "version": 3, "transport": "udp", "features": {"mcp": True}})
    device.say('{"session_id":"","type":"mcp","payload":{"jsonrpc":"2.0","id":')
    device.say({"session_id": "a", "type": "listen", "state": "start"})
    other.client.publish(device.topic, json.dumps({"type": "mcp"}), qos=0)  # the broker does not let it
    until(lambda: metric(site, "otad_calls_stray_total") == 2, "both answers are counted")
    time.sleep(0.5)
    assert site.task(device)["state"] == "notified"
    assert metric(site, "otad_calls_answered_total") == 0


def test_a_flood_of_talk_holds_up_nobody(site):
    device, firmware = lamp(site, "2.0.4")
    other = running(site, firmware.product, "2.0.4")
    device.connect()
    other.connect()
    talk = json.dumps({"session_id": "a", "type": "mcp", "payload": {"jsonrpc": "2.0", "id": 5, "result": {"content": ["x" * 700]}}})
    for _ in range(20_000):
        other.client.paho.publish(other.topic, talk, 0)
    began = time.monotonic()
    site.push(firmware, device)
    device.answer(device.call(), TRUE)
    site.until_state(device, "accepted")
    assert time.monotonic() - began < 5
    assert site.anybody.get("/readyz").json["status"] == "ready"


@pytest.mark.parametrize(("version", "rungs"), [("1.6.2", ["reboot"]), ("1.8.9", ["reboot"]), ("2.0.4", [])])
def test_simulated_devices_are_brought_there_while_they_run(site, version, rungs):
    site.otad.write_config(public_url=site.otad.url)
    site.otad.restart()
    device = SimpleNamespace(name=NAME)
    product = site.product("bread-compact-wifi")
    firmware = site.firmware(product, data=app("2.9.0", size=60_000, elf=hashlib.sha256(b"2.9.0").digest()))
    with Boards(site.otad.url, version, "--timeout", "60s", "--exit-after", 1, "--talk", "200ms") as boards:
        code = boards.event("code", device=NAME)["text"]
        site.operator.post("/api/v2/xiaozhi/otaManage", {"code": code, "productId": product, "nickName": "n"}).data
        boards.event("connected")
        site.push(firmware, device).must(200)
        boards.done()
    assert boards.summary["harmed"] == 0 and boards.events("valid")[0]["version"] == "2.9.0"
    site.until_state(device, "succeeded")
    assert [event for event in timeline(site, device) if event == "reboot"] == rungs
    assert len(boards.events("called")) == 1
