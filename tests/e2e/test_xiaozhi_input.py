"""Whatever a device, a proxy or an attacker may send to a check: an answer that no firmware dies of, or a refusal in the seeds' words, and nothing else."""

import json
import random
import socket
import time

import pytest

from harness.process import until
from harness.web import raw, status_of
from harness.xiaozhi import PARTITIONS, Device, must_not_hurt

BOARD = "bread-compact-ml307"
INVALID = {"error": "Invalid OTA request"}


def request(device, body, method="POST", path="/xiaozhi/ota/", headers=(), close=True):
    lines = [f"{method} {path} HTTP/1.1", "Host: x", f"Device-Id: {device.mac}", f"Client-Id: {device.uuid}", *headers]
    lines += ["Connection: close"] if close else []
    return "\r\n".join([*lines, f"Content-Length: {len(body)}", "", ""]).encode("latin-1") + body


def ask(site, data, finish=False):
    """(status, JSON or None) of the raw bytes' answer."""
    head, _, body = raw(site.otad.url, data, finish=finish).partition(b"\r\n\r\n")
    return status_of(head), json.loads(body) if body.startswith(b"{") else None


# --- headers ---


SPELLINGS = {"upper": str.upper, "dashes": lambda m: m.replace(":", "-"), "none": lambda m: m.replace(":", ""), "upper dashes": lambda m: m.upper().replace(":", "-")}


@pytest.mark.parametrize("spelling", SPELLINGS)
def test_a_MAC_is_one_device_however_it_is_spelt(site, spelling):
    product = site.product(BOARD)
    device = Device(site).bind(product)
    spelt = SPELLINGS[spelling](device.mac)
    answer = device.post(Device_Id=spelt, body={**device.body(), "mac_address": device.mac}).must(200).json
    assert "activation" not in answer and answer["mqtt"]["client_id"].split("@@@")[1] == device.name
    assert "activation" not in device.post(body={**device.body(), "mac_address": spelt}).must(200).json
    assert device.activate(Device_Id=spelt).status == 200
    assert site.db.value("SELECT count(*) FROM devices") == 1


@pytest.mark.parametrize("mac", [
    "", " ", "94:a9:90:2c:00", "94:a9:90:2c:00:01:02", "94:a9:90:2c:00:0g", "94-a9:90-2c:00-01", "x" * 6000, "94a9902c000", "null", "../../etc",
    "94:a9:90:2c:00:01'--", "%39%34:a9:90:2c:00:01", "0x94a9902c0001", "94:a9:90:2c:00:01,94:a9:90:2c:00:02", "９４:a9:90:2c:00:01".encode(), b"\xff\xfe",
], ids=lambda mac: repr(mac)[:30])
def test_what_is_no_MAC_identifies_no_device(shared, mac):
    device = Device(shared)
    for path in ("/xiaozhi/ota/", "/xiaozhi/ota/activate"):
        answer = device.post(path, Device_Id=mac)
        if isinstance(mac, str) and not mac.strip():
            assert answer.must(400).json == {"error": "Device ID is required"}
        else:
            assert answer.must(400).json == INVALID


def test_the_bodys_MAC_must_be_the_headers(shared):
    device = Device(shared)
    for name in ("mac_address", "mac address"):
        for other, status in (("00:00:00:00:00:01", 400), ("x", 400), (5, 400), ({}, 400), (device.mac.upper(), 200), ("", 200), (None, 200)):
            body = {key: value for key, value in device.body().items() if key != "mac_address"}
            assert device.post(body={**body, name: other}).status == status, (name, other)


ODD_HEADERS = [
    ("Activation-Version", "2.1.1"), ("Activation-Version", "-1"), ("Activation-Version", "9" * 500), ("Serial-Number", "s" * 33), ("Serial-Number", "a b"),
    ("Accept-Language", "x" * 4000), ("Accept-Language", "zh-CN,zh;q=0.9,en;q=0.8"), ("Accept-Language", "*"), ("Accept-Language", ";;;,,,"), ("Accept-Language", "zh\t"),
    ("X-Language", "../../x"), ("User-Agent", "x" * 4000), ("User-Agent", "/"), ("User-Agent", "board/"), ("User-Agent", "/1.0"), ("User-Agent", "b/1.0/2.0"),
    ("User-Agent", "Mozilla/5.0 (X11) Gecko/20100101"), ("Content-Type", "text/xml"), ("Content-Type", ""), ("Content-Encoding", "gzip"), ("Accept", "image/png"),
    ("Origin", "x" * 3000), ("Expect", "100-continue"), ("Upgrade", "websocket"), ("Range", "bytes=0-1"), ("If-None-Match", "*"), ("Authorization", "Bearer x"),
    ("X-Forwarded-For", "1.2.3.4"), ("X-Forwarded-Proto", "gopher"), ("X-HTTP-Method-Override", "DELETE"),
]


@pytest.mark.parametrize("name, value", ODD_HEADERS, ids=lambda text: text[:24])
def test_an_odd_header_costs_no_answer(shared, name, value):
    device = Device(shared)
    answer = device.post(**{name.replace("-", "_"): value}).must(200)
    must_not_hurt(answer.json, device.version)
    assert answer.json["activation"]["message"].endswith(answer.json["activation"]["code"])
    assert "http://1.2.3.4" not in answer.body.decode()


def test_a_header_block_without_end_is_refused(shared):
    device = Device(shared)
    assert device.post(Client_Id="x" * 10_000).status == 431
    assert device.post().status == 200


# --- bodies ---


def cases():
    """(name, what of the body is another, status)."""
    app = {"name": "xiaozhi", "version": "2.0.4"}
    return [
        ("no application", {"application": None}, 400), ("application is a list", {"application": []}, 400), ("no version", {"application": {"name": "x"}}, 400),
        ("version is a number", {"application": {**app, "version": 2}}, 400), ("version is empty", {"application": {**app, "version": ""}}, 400),
        ("version is long", {"application": {**app, "version": "1." * 200}}, 400), ("version with a control", {"application": {**app, "version": "1\n2"}}, 400),
        ("no board", {"board": None}, 400), ("board is a text", {"board": "x"}, 400), ("type is empty", {"board": {"type": ""}}, 400),
        ("type is a number", {"board": {"type": 7}}, 400), ("type is long", {"board": {"type": "b" * 500}}, 400), ("type alone", {"board": {"type": BOARD}}, 200),
        ("cereg is an object", {"board": {"type": BOARD, "csq": "31", "cereg": {"stat": 1}}}, 200), ("board.name is a number", {"board": {"type": BOARD, "name": 9}}, 200),
        ("elf of 63", {"application": {**app, "elf_sha256": "a" * 63}}, 200), ("elf of 48", {"application": {**app, "elf_sha256": "a" * 48}}, 200),
        ("elf is no hex", {"application": {**app, "elf_sha256": "z" * 64}}, 200), ("elf is a number", {"application": {**app, "elf_sha256": 5}}, 200),
        ("heap is a text", {"minimum_free_heap_size": "8425044"}, 200), ("heap is a word", {"minimum_free_heap_size": "much"}, 200),
        ("flash is below zero", {"flash_size": -1}, 200), ("flash is huge", {"flash_size": 10**30}, 200), ("flash is a half", {"flash_size": 1.5}, 200),
        ("chip is a list", {"chip_model_name": ["esp32"]}, 200), ("uuid is a number", {"uuid": 5}, 200), ("language is an object", {"language": {}}, 200),
        ("no partitions", {"partition_table": []}, 200), ("partitions are an object", {"partition_table": {}}, 200), ("partitions are numbers", {"partition_table": [1, 2]}, 200),
        ("a thousand partitions", {"partition_table": PARTITIONS * 100}, 200), ("a partition of odd types", {"partition_table": [{"label": 1, "type": "x", "size": None}]}, 200),
        ("a label of 300", {"partition_table": [{**PARTITIONS[1], "label": "l" * 300}]}, 200), ("size is 2^64", {"partition_table": [{**PARTITIONS[1], "size": 2**64}]}, 200),
        ("ota is a text", {"ota": "ota_0"}, 200), ("ota names nothing", {"ota": {"label": "x" * 400}}, 200), ("what nobody knows", {"x" * 3000: {"y": [[[[[]]]]]}}, 200),
    ]


@pytest.mark.parametrize("change, status", [pytest.param(c, s, id=i) for i, c, s in cases()])
def test_an_odd_field_is_unknown_or_the_request_is_refused(shared, change, status):
    device = Device(shared)
    answer = device.post(body={**device.body(), **change}).must(status)
    if status == 200:
        must_not_hurt(answer.json, device.version)
    else:
        assert answer.json == INVALID


@pytest.mark.parametrize("version", ["1..0", ".1", "1.", "9" * 30, "1.99999999999", "2147483648", "1.2147483648", "latest", "v2.5.0", "1.0 ", "-1", "0", "00.1", "1.0-beta", "é"])
def test_a_version_is_never_repeated_to_a_device_that_would_abort(shared, version):
    device = Device(shared, version=version)
    answer = device.post(User_Agent=f"{BOARD}/1.0").must(200).json
    must_not_hurt(answer, version)


@pytest.mark.parametrize("body", [
    b"", b"{", b"}", b"{}x", b"\x00", b"\xef\xbb\xbf{}", b"[" * 60_000, b'{"a":' * 10_000, b'{"a":"\xff\xfe"}', b'{"a":1,}', b"'{}'", b"{'a':1}", b"NaN",
    b'{"a":"' + b"x" * 60_000, b"a=b&c=d", b"<xml/>", b'{"application":{"version":"2.0.4"},"application":{"version":"9.9.9"},"board":{"type":"x"}}', b"{" + b" " * 60_000,
], ids=lambda body: repr(body[:24]))
def test_what_is_no_JSON_is_answered_from_the_headers_without_an_update(shared, body):
    device = Device(shared)
    answer = device.post(body=body).must(200).json
    must_not_hurt(answer, device.version)
    assert answer["firmware"] == {"version": device.version, "url": ""}
    bare = device.post(body=body, User_Agent=None).must(200).json
    assert bare["firmware"] == {"version": "0.0.0", "url": ""}


@pytest.mark.parametrize("body", [b"[]", b"null", b"1", b'"x"', b"true", b"{}", b"[{}]", b'{"\\u0000":1}', b'{"application":{"version":"1"}}'])
def test_JSON_that_is_no_check_is_refused(shared, body):
    assert Device(shared).post(body=body).must(400).json == INVALID


def test_a_body_of_64_KiB_is_read_and_one_byte_more_is_not(shared):
    device = Device(shared)
    body = json.dumps(device.body()).encode()
    assert device.post(body=body + b" " * (65536 - len(body))).status == 200
    assert device.post(body=body + b" " * (65537 - len(body))).must(413).json == INVALID
    endless = f"POST /xiaozhi/ota/ HTTP/1.1\r\nHost: x\r\nDevice-Id: {device.mac}\r\nTransfer-Encoding: chunked\r\n\r\n".encode()
    status, said = ask(shared, endless + (b"4000\r\n" + b" " * 0x4000 + b"\r\n") * 5 + b"0\r\n\r\n", finish=True)
    assert (status, said) in ((413, INVALID), (None, None))
    status, _ = ask(shared, endless + f"{len(body):x}\r\n".encode() + body + b"\r\n0\r\n\r\n", finish=True)
    assert status == 200, "a proxy may send it in pieces"


def test_random_damage_never_costs_an_answer(shared):
    device, luck = Device(shared), random.Random(4)
    good = json.dumps(device.body()).encode()
    for _ in range(400):
        body = bytearray(good)
        for _ in range(luck.randint(1, 4)):
            at = luck.randrange(len(body))
            body[at : at + luck.randint(0, 3)] = luck.choice([b"", b'"', b"\\", b"{", b"}", b"null", bytes([luck.randrange(256)]), b"[", b"9" * 40, b"\xf0\x9f"])
        answer = device.post(body=bytes(body))
        assert answer.status in (200, 400), (answer, bytes(body))
        if answer.status == 400:
            assert answer.json == INVALID


# --- connections ---


def test_other_methods_are_refused_and_HEAD_has_no_body(shared):
    device = Device(shared)
    for method in ("PUT", "DELETE", "PATCH", "TRACE", "CONNECT", "FOO", "post"):
        for path in ("/xiaozhi/ota/", "/xiaozhi/ota/activate", "/api/ota", "/xiaozhi/ota/firmware/x.bin"):
            status, _ = ask(shared, request(device, b"{}", method, path))
            assert status in (400, 405, 501), (method, path, status)
    answer = raw(shared.otad.url, request(device, b"", "HEAD"), finish=False)
    assert status_of(answer) == 200 and answer.endswith(b"\r\n\r\n")
    assert status_of(raw(shared.otad.url, request(device, b"", "GET", "/xiaozhi/ota/activate"), finish=False)) in (404, 405)


def test_paths_beside_the_aliases_are_404(shared):
    device = Device(shared)
    for path in ("/xiaozhi/ota//", "/xiaozhi/ota/x", "/xiaozhi/otaa", "/xiaozhi/ota/activate/", "/xiaozhi/ota/activate/x", "/XIAOZHI/ota/", "/xiaozhi//ota/", "/v1/ota/x",
                 "/xiaozhi/ota/firmware/", "/xiaozhi/ota/firmware/../../etc/passwd", "/xiaozhi/ota/firmware/x%2f..%2fy", "/xiaozhi/ota/%00"):
        assert device.post(path).status in (400, 404, 405), path
        status = status_of(raw(shared.otad.url, request(device, b"", "GET", path), finish=False))
        assert status in (400, 404, 405), (path, status)


def test_pipelined_checks_are_answered_in_order(shared):
    devices = [Device(shared, version=f"1.0.{n}") for n in range(8)]
    data = b"".join(request(d, json.dumps(d.body()).encode(), close=d is devices[-1]) for d in devices)
    got = raw(shared.otad.url, data, finish=False)
    told = [json.loads(part.partition(b"\r\n\r\n")[2])["firmware"]["version"] for part in got.split(b"HTTP/1.1 200 OK")[1:]]
    assert told == [device.version for device in devices]


def test_a_connection_is_kept_for_the_next_check_and_closed_when_asked(shared):
    device = Device(shared)
    body = json.dumps(device.body()).encode()
    place = ("127.0.0.1", shared.otad.port)
    with socket.create_connection(place, 10) as link:
        for close in (False, False, True):
            link.sendall(request(device, body, close=close))
            got = b""
            while b"\r\n\r\n" not in got or len(got.partition(b"\r\n\r\n")[2]) < int(got.split(b"Content-Length: ")[1].split(b"\r\n")[0]):
                chunk = link.recv(65536)
                assert chunk, got
                got += chunk
            assert status_of(got) == 200
        assert link.recv(1) == b"", "Connection: close is honoured"


def test_devices_that_leave_in_the_middle_of_it_harm_nobody(shared):
    device = Device(shared)
    body = json.dumps(device.body()).encode()
    whole = request(device, body)
    for cut in (1, 30, 100, len(whole) - len(body), len(whole) - 10, len(whole)):
        for _ in range(10):
            with socket.create_connection(("127.0.0.1", shared.otad.port), 10) as link:
                link.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")  # RST
                link.sendall(whole[:cut])
    assert device.post().status == 200


@pytest.mark.config(http_idle_timeout="2s")
def test_dripping_bodies_are_cut_off_and_others_are_served_meanwhile(site):
    device = Device(site)
    body = json.dumps(device.body()).encode()
    head = request(device, body)[: -len(body)]
    links = [socket.create_connection(("127.0.0.1", site.otad.port), 10) for _ in range(200)]
    for link in links:
        link.sendall(head)
    started, slowest, dripped = time.monotonic(), 0, 0

    def drip():
        nonlocal links, dripped, slowest
        dripped += 1
        left = []
        for link in links:
            try:
                link.setblocking(False)
                try:
                    if link.recv(1000):  # it was told to be too slow
                        link.close()
                        continue
                    link.close()
                    continue
                except BlockingIOError:
                    pass
                link.send(b"{")
                left.append(link)
            except OSError:
                link.close()
        links = left
        before = time.monotonic()
        device.post().must(200)
        slowest = max(slowest, time.monotonic() - before)
        return not links

    until(drip, "who drips is cut off", timeout=90, pause=1)
    assert slowest < 1 and dripped > 1, (slowest, dripped, time.monotonic() - started)
