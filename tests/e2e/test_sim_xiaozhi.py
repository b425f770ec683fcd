"""Xiaozhi devices of otad-sim do what the firmware does: what each generation sends, two slots with rollback, activation. The server is
a scripted one; what otad makes of these devices is tested elsewhere."""

import hashlib
import hmac
import json
import re
import subprocess
import time

import pytest
from harness.board import MAC, NAME, Boards
from harness.image import ELF_SHA256, app
from harness.scripted import Sequence, Server, echo, http
from harness.service import SIMULATOR

KEY = "00112233445566778899aabbccddeeff" * 2


@pytest.fixture
def server():
    server = Server(lambda request: echo(request.version))
    yield server
    server.close()


def check(server, version, *arguments):
    """The one check of a device that boots."""
    Boards(server.url, version, "--exit-after", 0, "--timeout", "20s", *arguments).done()
    (request,) = server.checks
    return request


# --- what each generation sends

HEADERS = {  # those that come and go
    "0.9.8": set(),
    "1.0.1": set(),
    "1.2.1": {"Client-Id"},
    "1.3.0": {"Client-Id", "X-Language"},
    "1.4.4": {"Client-Id", "Accept-Language", "User-Agent"},
    "1.5.8": {"Client-Id", "Accept-Language", "User-Agent"},
    "1.6.2": {"Client-Id", "Accept-Language", "User-Agent", "Activation-Version"},
    "1.7.7": {"Client-Id", "Accept-Language", "User-Agent", "Activation-Version"},
    "1.8.x": {"Client-Id", "Accept-Language", "User-Agent", "Activation-Version"},
    "2.0.4": {"Client-Id", "Accept-Language", "User-Agent", "Activation-Version"},
    "2.4.2": {"Client-Id", "Accept-Language", "User-Agent", "Activation-Version"},
}


@pytest.mark.parametrize("version", HEADERS)
def test_headers_by_generation(server, version):
    request = check(server, version)
    always = {"Host", "Device-Id", "Content-Type", "Content-Length", "Connection"}
    assert set(request.headers) == always | HEADERS[version]
    assert (request.method, request.path) == ("POST", "/xiaozhi/ota/")
    assert request.headers["Device-Id"] == MAC
    assert request.headers.get("User-Agent", "bread-compact-wifi/" + request.version) == "bread-compact-wifi/" + request.version
    assert request.headers.get("Activation-Version", "1") == "1"


@pytest.mark.parametrize("version", HEADERS)
def test_body_by_generation(server, version):
    body = check(server, version).json
    parts = tuple(int(p) if p.isdigit() else 0 for p in version.split("."))
    assert ("version" in body) == (parts >= (1, 2, 1))
    assert isinstance(body["minimum_free_heap_size"], str if parts >= (1, 7, 7) else int)
    assert ("display" in body) == (parts >= (2, 0, 1))
    assert body["mac_address"] == MAC
    assert re.fullmatch("[0-9a-f]{64}", body["application"]["elf_sha256"])
    labels = [p["label"] for p in body["partition_table"]]
    assert [p["subtype"] for p in body["partition_table"] if p["type"] == 0] == [16, 17]
    assert ("assets" in labels) == (parts >= (2, 0, 0))
    assert body["ota"]["label"] == "ota_0"
    assert body["board"]["mac"] == MAC and body["board"]["ssid"] == "home"


def test_boards_of_other_networks_tell_other_things(server):
    board = check(server, "2.0.4", "--network", "4g", "--board", "kevin-box-2", "--board-type", "kevin-box").json["board"]
    assert (board["type"], board["name"]) == ("kevin-box", "kevin-box-2")
    assert isinstance(board["csq"], str) and isinstance(board["cereg"], dict)
    server.requests.clear()
    assert check(server, "2.0.4", "--network", "ethernet").json["board"] == {"type": "bread-compact-wifi"}


def test_a_quote_in_the_wifis_name_breaks_the_body(server):
    server.answer = lambda _request: echo("2.0.4")
    request = check(server, "2.0.4", "--ssid", 'My "home"')
    with pytest.raises(json.JSONDecodeError):
        json.loads(request.body)


def test_an_erased_flash_has_another_client_id(server):
    ids = set()
    for erased in (0, 0, 1, 2):
        server.requests.clear()
        request = check(server, "2.0.4", "--erased", erased)
        assert re.fullmatch("[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}", request.headers["Client-Id"])
        assert request.json["uuid"] == request.headers["Client-Id"]
        ids.add(request.headers["Client-Id"])
    assert len(ids) == 3


def test_a_device_with_a_serial_number_says_so(server):
    request = check(server, "2.0.4", "--serial", "SN-{device}")
    assert request.headers["Activation-Version"] == "2" and request.headers["Serial-Number"] == f"SN-{NAME}"
    server.requests.clear()
    assert "Serial-Number" not in check(server, "1.6.2", "--serial", "SN-1").headers


def test_the_python_client_and_the_web_page(server):
    request = check(server, "py")
    assert request.headers["Activation-Version"] == "2.1.1" and set(request.json) == {"application", "board"}
    server.requests.clear()
    request = check(server, "web")
    assert request.headers["Client-Id"] == "web_test_client" and len(request.elf) == 48


def test_the_url_is_used_as_it_is_stored(server):
    check(server, "2.0.4", "--ota-url", f"{server.url}/v1/ota?k=v")
    assert server.requests[0].path == "/v1/ota?k=v"


def test_the_first_image_may_be_a_real_one(server, tmp_path):
    file = tmp_path / "first.bin"
    file.write_bytes(app("1.9.9"))
    request = check(server, "2.0.4", "--image", file)
    assert request.version == "1.9.9" and request.elf == ELF_SHA256.hex()
    assert "display" not in request.json, "it is of the image's generation"


# --- updates


def offer(server, version, **more):
    return {"firmware": {"version": version, "url": f"{server.url}/image.bin", **more}}


def updates(server, version, *checks, image=None, arguments=(), count=1):
    server.answer = Sequence(*checks, image=http(image) if image else None)
    boards = Boards(server.url, version, "--exit-after", count, "--timeout", "30s", *arguments)
    return boards.done()


@pytest.mark.parametrize("version", ["0.9.8", "1.0.1", "1.5.8", "1.6.2", "1.7.7", "1.8.x", "2.0.4"])
def test_an_update_is_proven_by_the_next_check(server, version):
    image = app("2.4.2")
    boards = updates(server, version, offer(server, "2.4.2"), echo("2.4.2"), image=image)
    before, after = server.checks
    assert after.version == "2.4.2" and after.elf == ELF_SHA256.hex() != before.elf
    assert (before.json["ota"]["label"], after.json["ota"]["label"]) == ("ota_0", "ota_1")
    assert after.json["partition_table"] == before.json["partition_table"], "an update does not divide the flash anew"
    assert "display" in after.json, "it is of the new generation"
    (download,) = [r for r in server.requests if r.method == "GET"]
    assert set(download.headers) == {"Host", "Connection"}, "identity is in the URL only"
    assert [e["event"] for e in boards.lines][-2:] == ["done", "summary"]
    assert boards.summary["valid"] == 1 and boards.summary["bytes"] == len(image)


def test_a_bad_image_is_rolled_back(server):
    boards = updates(server, "2.0.4", offer(server, "2.4.2"), echo("2.0.4"), image=app("2.4.2"), arguments=["--bad-image", "1"])
    before, after = server.checks
    assert (after.version, after.elf, after.json["ota"]["label"]) == (before.version, before.elf, "ota_0")
    assert boards.summary["rolled-back"] == 1 and boards.summary["valid"] == 0


def test_after_a_rollback_the_next_image_may_be_good(server):
    boards = updates(
        server, "2.0.4", offer(server, "2.4.2"), offer(server, "2.4.2"), echo("2.4.2"), image=app("2.4.2"), arguments=["--bad-image", "1"]
    )
    assert [e["event"] for e in boards.lines if e["event"] in ("rolled-back", "valid")] == ["rolled-back", "valid"]


def test_a_new_image_whose_check_fails_is_rolled_back_by_the_next_reset(server):
    """It is not proven by an answer of 500."""
    down = http({"error": "Failed to read device auto_update status"}, 500)
    server.answer = Sequence(offer(server, "2.4.2"), down, echo("2.0.4"), image=http(app("2.4.2")))
    with Boards(server.url, "2.0.4", "--exit-after", 1, "--timeout", "30s", speed=1) as boards:
        boards.event("check-failed")
        boards.power_cycle()
        boards.event("rolled-back")
        boards.event("done")
    assert [r.version for r in server.checks] == ["2.0.4", "2.4.2", "2.0.4"]


def test_a_reset_after_a_good_check_keeps_the_new_image(server):
    server.answer = Sequence(offer(server, "2.4.2"), echo("2.4.2"), image=http(app("2.4.2")))
    with Boards(server.url, "2.0.4") as boards:
        boards.event("valid")
        boards.power_cycle()
        server.wait_checks(3)
    assert [r.version for r in server.checks] == ["2.0.4", "2.4.2", "2.4.2"]


def test_power_is_lost_in_the_middle_of_a_download(server):
    boards = updates(
        server, "2.0.4", offer(server, "2.4.2"), offer(server, "2.4.2"), echo("2.4.2"), image=app("2.4.2"), arguments=["--power-loss", "1"]
    )
    assert boards.summary["power-lost"] == 1 and boards.summary["downloaded"] == 1
    assert [r.version for r in server.checks] == ["2.0.4", "2.0.4", "2.4.2"]


def test_a_slow_link(server):
    image = app("2.4.2", size=60_000)
    begun = time.monotonic()
    updates(server, "2.0.4", offer(server, "2.4.2"), echo("2.4.2"), image=image, arguments=["--drip", "40k"])
    assert time.monotonic() - begun > 1.2


def test_force_brings_an_older_image(server):
    updates(server, "2.4.2", offer(server, "2.0.4", force=1), echo("2.0.4"), image=app("2.0.4"))
    assert server.checks[-1].version == "2.0.4"


FAILURES = {
    "another chip": (http(app("2.9.9", chip="esp32c3")), (), "another chip"),
    "damaged": (http(app("2.9.9")[:-40] + bytes(8) + app("2.9.9")[-32:]), (), "SHA-256"),
    "no image": (http(b"<html>" * 1000), (), "no app image"),
    "cut off": (http(app("2.9.9"))[:-1000], (), "the connection ended"),
    "larger than the slot": (http(app("2.9.9")), ("--slot-size", "500000"), "larger than the slot"),
    "one slot": (http(app("2.9.9")), ("--slots", "1"), "second app slot"),
    "withdrawn": (http({"error": "x"}, 410), (), "HTTP status 410"),
}


@pytest.mark.parametrize("row", FAILURES)
def test_an_image_that_cannot_be_installed(server, row):
    image, arguments, word = FAILURES[row]
    server.answer = Sequence(offer(server, "2.9.9"), image=image)
    with Boards(server.url, "2.0.4", *arguments) as boards:
        assert word in boards.event("failed")["text"]
        assert not boards.events("harmed"), boards.story()


@pytest.mark.parametrize("version,boots", [("0.9.8", 1), ("1.0.1", 2), ("1.7.7", 2), ("1.8.x", 1), ("2.4.2", 1)])
def test_after_a_failed_upgrade_some_generations_reboot(server, version, boots):
    server.answer = Sequence(offer(server, "2.9.9"), lambda request: echo(request.version), image=http({"error": "x"}, 404))
    with Boards(server.url, version, speed=100) as boards:
        boards.event("failed")
        time.sleep(0.5)
        assert len(boards.events("boot")) == boots == len(server.checks)


def test_firmware_before_2_0_does_not_install_its_own_version_again(server):
    image = http(app("1.8.0"))
    server.answer = Sequence(offer(server, "1.8.0", force=1), image=image)
    with Boards(server.url, "1.8.x") as boards:
        assert "skipped" in boards.event("failed")["text"]


# --- when the service is not there


def test_a_check_that_fails_is_tried_again_with_growing_pauses(server):
    down = http({"error": "x"}, 500)
    server.answer = Sequence(None, down, None, echo("2.0.4"))
    begun = time.monotonic()
    boards = Boards(server.url, "2.0.4", "--exit-after", 0, "--timeout", "30s", speed=100).done()
    assert boards.summary["check-failed"] == 3 and len(server.checks) == 4
    assert time.monotonic() - begun > (10 + 20 + 40) / 100


def test_after_ten_failures_it_goes_on_without(server):
    server.answer = lambda _request: None
    boards = Boards(server.url, "2.0.4", "--exit-after", 0, "--timeout", "5s", speed=100000)
    assert boards.wait() == 1
    assert len(server.checks) == 11 and "no good answer to its check" in boards.errors


# --- activation

UNBOUND = {"code": "209835", "message": "xiaozhi.me\n209835", "challenge": "7c69ff8d-307c-4b90-ba29-7c24f4212fe9"}


def unbound(request):
    return echo(request.version, activation=UNBOUND)


def bound(request):
    return echo(request.version)


def test_a_code_is_shown_until_it_was_entered(server):
    answers = iter([http({}, 202), http({}, 202), http({"error": "x"}, 500), http({"message": "Device activated", "device_id": 7})])
    server.answer = Sequence(unbound, bound, activate=lambda _request: next(answers))
    begun = time.monotonic()
    boards = Boards(server.url, "2.0.4", "--exit-after", 0, "--timeout", "30s", speed=20).done()
    assert [e["text"] for e in boards.events("code")] == ["209835"]
    assert len(server.activations) == 4 and len(server.checks) == 2
    assert all(r.path == "/xiaozhi/ota/activate" and r.body == b"{}" and r.headers["Device-Id"] == MAC for r in server.activations)
    assert time.monotonic() - begun > (3 + 3 + 10) / 20


def test_after_ten_answers_it_checks_again_without_limit(server):
    server.answer = Sequence(unbound, activate=http({}, 202))
    with Boards(server.url, "1.6.2", speed=10000) as boards:
        boards.event("code", 3)
        boards.stop()
        assert 20 <= len(server.activations) <= 10 * len(server.checks)


@pytest.mark.parametrize("url,path", [("/v1/ota", "/v1/ota/activate"), ("/v1/ota/", "/v1/ota/activate"), ("/v1/ota?k=v", "/v1/ota?k=v/activate")])
def test_exactly_one_slash_before_activate(server, url, path):
    server.answer = Sequence(unbound, bound, activate=http({}))
    Boards(server.url, "2.0.4", "--ota-url", server.url + url, "--exit-after", 0, "--timeout", "20s").done()
    assert [r.path for r in server.activations] == [path]


@pytest.mark.parametrize("version", ["1.2.1", "1.5.8"])
def test_old_firmware_checks_again_every_minute(server, version):
    server.answer = Sequence(unbound, unbound, bound)
    begun = time.monotonic()
    Boards(server.url, version, "--exit-after", 0, "--timeout", "20s", speed=200).done()
    assert len(server.checks) == 3 and not server.activations
    assert time.monotonic() - begun > 2 * 60 / 200


@pytest.mark.parametrize("version", ["0.9.8", "1.0.1"])
def test_the_oldest_firmware_knows_no_codes(server, version):
    server.answer = unbound
    boards = Boards(server.url, version, "--exit-after", 0, "--timeout", "20s").done()
    assert not boards.events("code") and len(server.checks) == 1


PROOFS = [
    (("2.0.4", "--serial", "SN-1", "--hmac-key", KEY), bytes.fromhex(KEY), False),
    (("2.0.4", "--serial", "SN-1", "--hmac-key", KEY, "--wrapped"), bytes.fromhex(KEY), True),
    (("2.0.4", "--serial", "SN-1", "--hmac-key", KEY, "--hmac-text"), KEY.encode(), False),
    (("py", "--serial", "SN-1", "--hmac-key", KEY), KEY.encode(), True),
]


@pytest.mark.parametrize("arguments,key,wrapped", PROOFS)
def test_a_licensed_device_proves_itself(server, arguments, key, wrapped):
    silent = {"challenge": UNBOUND["challenge"]}
    server.answer = Sequence(lambda r: echo(r.version, activation=silent), bound, activate=http({}))
    boards = Boards(server.url, *arguments, "--exit-after", 0, "--timeout", "20s").done()
    assert boards.events("activated") and not boards.events("code")
    proof = server.activations[0].json
    proof = proof["Payload"] if wrapped else proof
    expected = hmac.new(key, UNBOUND["challenge"].encode(), hashlib.sha256).hexdigest()
    assert proof == {"algorithm": "hmac-sha256", "serial_number": "SN-1", "challenge": UNBOUND["challenge"], "hmac": expected}


def test_a_chip_without_the_key_sends_an_empty_hmac(server):
    server.answer = Sequence(unbound, bound, activate=http({}))
    Boards(server.url, "2.0.4", "--serial", "SN-1", "--exit-after", 0, "--timeout", "20s").done()
    assert server.activations[0].json["hmac"] == ""


# --- fleets


def test_a_fleet_of_all_generations_boots_over_a_time(server):
    begun = time.monotonic()
    boards = Boards(
        server.url, "all", "--count", 110, "--boot-over", "1s", "--exit-after", 0, "--timeout", "30s", mac="02:00:00:00:00:fa"
    ).done()
    assert time.monotonic() - begun > 0.9
    ids = {r.headers["Device-Id"] for r in server.checks}
    assert len(ids) == 110 and {"02:00:00:00:00:fa", "02:00:00:00:01:67"} <= ids
    assert len({r.version for r in server.checks}) == 11
    assert boards.summary["finished"] == 110 and boards.summary["checked"] == 110


def test_a_fleet_that_nobody_has_bound_may_end_with_its_checks(server):
    server.answer = Sequence(unbound, activate=http({}, 202))
    boards = Boards(server.url, "all", "--count", 22, "--checks", 1, "--timeout", "30s", mac=MAC).done()
    assert boards.summary["finished"] == 22 and boards.summary["code"] > 0


def test_devices_may_be_switched_off_and_on(server):
    with Boards(server.url, "2.0.4", "--count", 2, "--reboot-every", "100ms") as boards:
        server.wait_checks(8)
        assert boards.stop() == 0


@pytest.mark.parametrize(
    "arguments,word",
    [
        (["--xiaozhi", "nonsense"], "--xiaozhi takes"),
        (["--xiaozhi", "2.0.4", "--device", "x"], "--mac"),
        (["--xiaozhi", "2.0.4", "--mac", "12"], "12 hex digits"),
        (["--xiaozhi", "2.0.4", "--chip", "avr"], "--chip"),
        (["--xiaozhi", "2.0.4", "--network", "x"], "--network"),
        (["--xiaozhi", "2.0.4", "--hmac-key", "12"], "64 hex digits"),
        (["--xiaozhi", "2.0.4", "--image", "/nonexistent"], "cannot be read"),
    ],
)
def test_a_wrong_command_line_says_what_is_wrong(arguments, word):
    ended = subprocess.run([SIMULATOR, *arguments], capture_output=True, text=True, timeout=20)
    assert ended.returncode != 0 and word in ended.stderr
