"""Xiaozhi devices of otad-sim at a real broker with the plugin: they connect only as an answer told them, subscribe to nothing, and obey
as their generation does."""

import json

import pytest
from harness import credentials
from harness.board import MAC, NAME, Boards
from harness.image import ELF_SHA256, app
from harness.plugin_broker import KEY, broker  # noqa: F401
from harness.scripted import Server, echo, http

CLIENT = f"GID_test@@@{NAME}@@@e2314aed-0a16-43f0-8128-766fbd3207f2"
DOWN = f"devices/p2p/{NAME}"
UP = f"device-server/{NAME}"


def login(port, client=CLIENT, **changes):
    username, password = credentials.xiaozhi(KEY, client)
    mqtt = {"endpoint": f"127.0.0.1:{port}", "client_id": client, "username": username, "password": password, "publish_topic": UP, "subscribe_topic": "null"}
    return {**mqtt, **changes}


class Place:
    """A broker, somebody who listens there, and a server of checks."""

    def __init__(self, broker):
        self.broker = broker
        self.service = broker.service()
        assert self.service.subscribe("device-server/+", 0) == 0
        self.server = Server(self.answer)
        self.image = app("2.4.2")
        self.mqtt = login(broker.port)

    def answer(self, request):
        if request.method == "GET":
            return http(self.image)
        return echo(request.version, **({"mqtt": self.mqtt} if self.mqtt else {}))

    def boards(self, version, *arguments, **how):
        return Boards(self.server.url, version, *arguments, **how)

    def say(self, message):
        self.service.publish(DOWN, message, 1)

    def call(self, number, method, **params):
        payload = {"jsonrpc": "2.0", "id": number, "method": method, "params": params}
        self.say({"type": "mcp", "payload": payload})

    def reply(self, number):
        message = self.service.next(10)
        assert (message.topic, message.qos) == (UP, 0)
        assert message.json["type"] == "mcp" and message.json["session_id"] == ""
        payload = message.json["payload"]
        assert payload["jsonrpc"] == "2.0" and payload["id"] == number
        return payload

    def text(self, number):
        return self.reply(number)["result"]["content"][0]["text"]

    def close(self):
        self.server.close()
        self.service.close()


@pytest.fixture
def place(broker):  # noqa: F811
    place = Place(broker)
    yield place
    place.close()


def test_a_device_connects_as_it_was_told_and_subscribes_to_nothing(place):
    with place.boards("2.0.4", "--exit-after", 0, "--linger", "500ms") as boards:
        assert place.service.event("c", NAME)
        assert boards.wait() == 0
    assert place.service.event("d", NAME)
    assert [e[0] for e in place.service.events(NAME)] == ["c", "d"]


@pytest.mark.parametrize("section", [None, {"url": "ws://127.0.0.1:1/"}])
def test_without_credentials_it_connects_to_nothing(place, section):
    place.mqtt = None
    more = {"websocket": section} if section else {}
    place.server.answer = lambda request: echo(request.version, **more)
    with place.boards("2.0.4", "--exit-after", 0, "--linger", "300ms") as boards:
        assert boards.wait() == 0
    assert place.service.events(NAME) == []


def test_credentials_stay_in_flash(place):
    with place.boards("2.0.4") as boards:
        boards.event("connected")
        place.mqtt = None
        boards.power_cycle()
        boards.event("connected", 2)


def test_a_wrong_password_is_refused_and_tried_again(place):
    place.mqtt = login(place.broker.port, password="x")
    with place.boards("2.0.4", "--exit-after", 0, speed=1000) as boards:
        assert "not authori" in boards.event("refused", 2)["text"].lower()
        assert boards.stop() == 1
    assert "is not connected" in boards.errors


def test_a_lost_broker_is_found_again(place):
    with place.boards("2.0.4", speed=200) as boards:
        boards.event("connected")
        place.broker.stop()
        boards.event("disconnected")
        place.broker.start()
        boards.event("connected", 2)


def test_it_says_hello_when_somebody_talks_to_it(place):
    with place.boards("2.0.4", "--talk", "50ms"):
        for _ in range(2):
            message = place.service.next(10)
            assert (message.topic, message.qos, message.json["type"]) == (UP, 0, "hello")


# --- MCP


def test_2_0_upgrades_when_it_is_told_to(place):
    with place.boards("2.0.4", "--exit-after", 1) as boards:
        boards.event("connected")
        place.call(7, "tools/call", name="self.upgrade_firmware", arguments={"url": place.server.url + "/a.bin"})
        assert place.text(7) == "true"
        assert boards.wait() == 0
    before, after = place.server.checks
    assert (after.version, after.elf, after.json["ota"]["label"]) == ("2.4.2", ELF_SHA256.hex(), "ota_1")
    assert [e["event"] for e in boards.lines if e["event"] in ("called", "downloaded", "valid", "done")] == ["called", "downloaded", "valid", "done"]


def test_an_upgrade_that_was_told_and_fails_leaves_it_running_and_connected(place):
    place.image = app("2.4.2", chip="esp32c3")
    with place.boards("2.0.4") as boards:
        boards.event("connected")
        place.call(7, "tools/call", name="self.upgrade_firmware", arguments={"url": place.server.url + "/a.bin"})
        assert place.text(7) == "true", "it means no more than that it is scheduled"
        assert "chip" in boards.event("failed")["text"]
        place.call(8, "tools/call", name="self.get_device_status", arguments={})
        place.reply(8)
        assert len(place.server.checks) == 1


def test_2_0_tells_what_it_is_and_reboots(place):
    with place.boards("2.0.4") as boards:
        boards.event("connected")
        place.call(1, "tools/call", name="self.get_system_info", arguments={})
        assert json.loads(place.text(1)) == place.server.checks[0].json
        place.call(2, "tools/call", name="self.reboot", arguments={})
        assert place.text(2) == "true"
        place.server.wait_checks(2)
        boards.event("connected", 2)


def test_mcp_from_the_beginning(place):
    with place.boards("2.0.4") as boards:
        boards.event("connected")
        place.call(1, "initialize", capabilities={})
        result = place.reply(1)["result"]
        assert result["serverInfo"] == {"name": "bread-compact-wifi", "version": "2.0.4"} and "tools" in result["capabilities"]
        place.call(2, "tools/list", cursor="")
        assert [t["name"] for t in place.reply(2)["result"]["tools"]] == ["self.get_device_status"]
        place.call(3, "tools/list", cursor="", withUserTools=True)
        names = {t["name"] for t in place.reply(3)["result"]["tools"]}
        assert {"self.upgrade_firmware", "self.get_system_info", "self.reboot"} <= names
        place.call(4, "tools/call", name="self.upgrade_firmware", arguments={})
        assert "url" in place.reply(4)["error"]["message"]
        place.call(5, "resources/list")
        assert "not implemented" in place.reply(5)["error"]["message"]


@pytest.mark.parametrize("tool", ["self.upgrade_firmware", "self.reboot", "self.get_system_info"])
def test_1_8_knows_no_such_tool(place, tool):
    with place.boards("1.8.x") as boards:
        boards.event("connected")
        place.call(1, "tools/call", name=tool, arguments={"url": place.server.url + "/a.bin"})
        assert place.reply(1)["error"]["message"] == f"Unknown tool: {tool}"
        assert len(place.server.checks) == 1


@pytest.mark.parametrize("version", ["1.6.2", "1.7.7", "1.8.x", "2.4.2"])
def test_from_1_6_it_obeys_reboot(place, version):
    with place.boards(version) as boards:
        boards.event("connected")
        place.say({"type": "system", "command": "reboot"})
        place.server.wait_checks(2)
        boards.event("connected", 2)


@pytest.mark.parametrize("version", ["0.9.8", "1.0.1", "1.5.8"])
def test_before_it_hears_nothing(place, version):
    with place.boards(version, "--exit-after", 0, "--linger", "1s") as boards:
        boards.event("connected")
        place.say({"type": "system", "command": "reboot"})
        place.call(1, "tools/call", name="self.reboot", arguments={})
        assert boards.wait() == 0
    assert len(place.server.checks) == 1 and place.service.messages.empty() and not boards.events("called")


@pytest.mark.parametrize("payload", ["", "{", "[]", "null", '{"type":1}', '{"type":"mcp"}', '{"type":"mcp","payload":{"jsonrpc":"2.0","method":"notifications/x"}}'])
def test_what_is_no_message_is_overlooked(place, payload):
    with place.boards("2.0.4") as boards:
        boards.event("connected")
        place.service.publish(DOWN, payload, 1)
        place.call(1, "tools/call", name="self.get_device_status", arguments={})
        place.reply(1)


def test_a_fleet_connects(place):
    def answer(request):
        name = request.headers["Device-Id"].replace(":", "_")
        mqtt = login(place.broker.port, f"GID_test@@@{name}@@@{request.headers['Client-Id']}", publish_topic=f"device-server/{name}")
        return echo(request.version, mqtt=mqtt)

    place.server.answer = answer
    boards = place.boards("2.0.4,2.4.2", "--count", 100, "--exit-after", 0, "--timeout", "60s", mac="02:00:00:00:00:01").done()
    assert boards.summary["connected"] == 100
    assert MAC.replace(":", "_") not in {e["device"] for e in boards.events("connected")}
