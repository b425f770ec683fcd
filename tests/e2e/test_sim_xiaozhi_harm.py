"""otad-sim notices what would hurt a real Xiaozhi device: every row of section 4 of the protocol, and what section 3 warns of, ends in
"harmed" and exit status 1."""

import pytest
from harness.board import Boards
from harness.image import app
from harness.scripted import Sequence, Server, echo, http

MQTT = {
    "endpoint": "127.0.0.1:1", "client_id": "c", "username": "u", "password": "p", "publish_topic": "device-server", "subscribe_topic": "null",
}


@pytest.fixture
def server():
    server = Server(None)
    yield server
    server.close()


def harmed(server, answer, version, *arguments, word=""):
    server.answer = answer if callable(answer) else lambda _request: answer
    boards = Boards(server.url, version, "--exit-after", 0, "--timeout", "20s", *arguments)
    status = boards.wait()
    assert status == 1, boards.story()
    assert boards.events("harmed"), boards.story()
    text = boards.events("harmed")[0]["text"]
    assert word in text, text
    assert boards.summary["harmed"] == 1 and boards.summary["finished"] == 0
    assert "would hurt it" in boards.errors
    return text


def mqtt(**changes):
    return echo("2.0.4", mqtt={**MQTT, **changes})


def firmware(**fields):
    return {"firmware": fields}


URL = "http://127.0.0.1:1/x.bin"
TOO_LARGE = "2.99999999999.0"

# Section 4, row by row: the answer, the generation it is tried on, a word of the sentence.
SECTION_4 = {
    "version v2.5.0": (firmware(version="v2.5.0", url=URL), "2.0.4", "version"),
    "version latest": (firmware(version="latest", url=URL), "2.0.4", "version"),
    "version with an empty part": (firmware(version="1..0", url=URL), "2.0.4", "version"),
    "version with a part beyond 2^31": (firmware(version=TOO_LARGE, url=URL), "2.0.4", "version"),
    "version v2.5.0 without a url": (firmware(version="v2.5.0", url=""), "1.0.1", "version"),
    "mqtt key of 16 characters": (mqtt(a_key_of_sixteen="x"), "2.0.4", "key too long"),
    "websocket key of 16 characters": (echo("2.0.4", websocket={"url": "ws://h/", "a_key_of_sixteen": "x"}), "2.0.4", "key too long"),
    "mqtt string of 4000 bytes": (mqtt(password="x" * 4000), "2.0.4", "value too long"),
    "websocket string of 4000 bytes": (echo("2.0.4", websocket={"url": "ws://h/", "token": "x" * 4000}), "2.0.4", "value too long"),
    "endpoint with a scheme": (mqtt(endpoint="mqtt://broker:1883"), "2.0.4", "port"),
    "endpoint with a port that is no number": (mqtt(endpoint="broker:mqtt"), "1.6.2", "port"),
    "null in a section, 0.9.8": (echo("0.9.8", mqtt={**MQTT, "token": None}), "0.9.8", "null"),
    "null as a section, 1.5.8": (echo("1.5.8", activation=None), "1.5.8", "null"),
    "null, newest": (echo("2.4.2", websocket=None), "2.4.2", "null"),
    "number where a string belongs, 1.6.2": (echo("1.6.2", mqtt={**MQTT, "keepalive": 90}), "1.6.2", "number"),
    "number where a string belongs, 0.9.8": (echo("0.9.8", mqtt={**MQTT, "keepalive": 90}), "0.9.8", "number"),
    "number as a websocket version, 1.5.8": (echo("1.5.8", websocket={"url": "ws://h/", "version": 1}), "1.5.8", "number"),
    "number as an endpoint, newest": (mqtt(endpoint=1883), "2.4.2", "text"),
    "number as a version, newest": (firmware(version=2, url=""), "2.4.2", "text"),
}


@pytest.mark.parametrize("row", SECTION_4)
def test_section_4(server, row):
    answer, version, word = SECTION_4[row]
    harmed(server, answer, version, word=word)


# Section 3: what must not be answered though nothing crashes at once.
SECTION_3 = {
    "newer without a url, 1.0.1": (firmware(version="1.0.2", url=""), "1.0.1", "reboots for ever"),
    "newer without a url, 1.7.7": (firmware(version="2.0.0", url=""), "1.7.7", "reboots for ever"),
    "newer without a url, newest": (firmware(version="3.0.0", url=""), "2.4.2", "reboots for ever"),
    "longer is newer, without a url": (firmware(version="2.4.2.0", url=""), "2.4.2", "reboots for ever"),
    "no firmware, 1.5.8": ({"server_time": {"timestamp": 1766848942364}}, "1.5.8", "whole check"),
    "no firmware, newest": ({}, "2.4.2", "whole check"),
    "firmware without a version": ({"firmware": {"url": ""}}, "2.0.4", "text"),
    "firmware without a url": ({"firmware": {"version": "2.0.4"}}, "2.0.4", "text"),
    "force as a boolean": (firmware(version="2.0.4", url=URL, force=True), "2.0.4", "force"),
    "force as a string": (firmware(version="2.0.4", url=URL, force="1"), "2.0.4", "force"),
    "code without a challenge": (echo("2.0.4", activation={"code": "123456", "message": "h\n123456"}), "2.0.4", "text"),
    "code that is a number": (echo("2.0.4", activation={"code": 123456, "message": "h", "challenge": "c"}), "2.0.4", "text"),
    "code that cannot be spoken": (echo("2.0.4", activation={"code": "abc", "message": "h", "challenge": "c"}), "2.0.4", "spoken"),
    "time as a string": (echo("2.0.4", server_time={"timestamp": "2026-11-21"}), "2.0.4", "timestamp"),
    "an error with status 200": ({"error": "Invalid OTA request"}, "2.0.4", "200"),
    "no JSON": (http(b"ok"), "2.0.4", "JSON"),
    "a redirect": (http(b"", 302), "2.0.4", "redirect"),
    "chunks": (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n", "2.0.4", "chunked"),
    "content-length in small letters": (http(echo("2.0.4"), length="content-length"), "2.0.4", "4G"),
    "an answer that is cut off": (http(echo("2.0.4"))[:-5], "2.0.4", "half a minute"),
}


@pytest.mark.parametrize("row", SECTION_3)
def test_section_3(server, row):
    answer, version, word = SECTION_3[row]
    harmed(server, answer, version, word=word)


def offer(server, version="2.4.2"):
    return {"firmware": {"version": version, "url": f"{server.url}/image.bin"}}


DOWNLOADS = {
    "a redirect": (http(b"", 302), "redirect"),
    "chunks": (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n", "chunks"),
    "no length": (http(app(), length=None), "without Content-Length"),
    "length 0": (http(b""), "without Content-Length"),
    "content-length in small letters": (http(app(), length="content-length"), "4G"),
}


@pytest.mark.parametrize("row", DOWNLOADS)
def test_a_download_that_no_device_can_make(server, row):
    answer, word = DOWNLOADS[row]
    harmed(server, Sequence(offer(server), image=answer), "2.0.4", word=word)


@pytest.mark.parametrize("version", ["1.7.7", "2.0.4"])
def test_another_offer_at_the_first_check_of_a_new_image(server, version):
    """It would never be proven."""
    harmed(server, Sequence(offer(server, "2.1.0"), offer(server, "2.9.9"), image=http(app("2.1.0"))), version, word="first check of a new image")


def test_an_offer_whose_version_the_image_does_not_have(server):
    """The upgrade at every boot that users of other servers run into."""
    harmed(server, Sequence(offer(server, "3.0.0"), image=http(app("2.9.0"))), "2.0.4", word="first check of a new image")


# The same bytes where they do no harm: the tests above do not fail by themselves.
HARMLESS = {
    "numbers, from 1.7.7": (lambda v: echo(v, websocket={"url": "ws://h/", "version": 1}), "1.7.7"),
    "no firmware for a version that is no number": (lambda v: {}, "2.0.4", "--initial-version", "v1"),
    "unknown members": (lambda v: echo(v, future={"x": [1, {"y": True}]}), "2.4.2"),
    "3999 bytes and a key of 15": (lambda v: echo(v, websocket={"url": "ws://h/", "token": "x" * 3999, "fifteen_letters": "y"}), "2.0.4"),
    "an older version with a url": (lambda v: firmware(version="1.0.0", url=URL), "2.0.4"),
}


@pytest.mark.parametrize("row", HARMLESS)
def test_what_does_no_harm(server, row):
    make, version, *more = HARMLESS[row]
    server.answer = lambda request: http(make(request.version))
    Boards(server.url, version, "--exit-after", 0, "--timeout", "20s", *more).done()


def test_one_of_a_fleet_is_hurt_and_the_others_go_on(server):
    server.answer = lambda request: {"firmware": {"version": "latest", "url": ""}} if request.headers["Device-Id"].endswith("03") else echo(request.version)
    boards = Boards(server.url, "2.0.4", "--count", 5, "--exit-after", 0, "--timeout", "20s", mac="02:00:00:00:00:01")
    assert boards.wait() == 1
    assert boards.summary["finished"] == 4 and boards.summary["harmed"] == 1
    assert boards.events("harmed")[0]["device"] == "02_00_00_00_00_03"
