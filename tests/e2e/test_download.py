"""GET /api/v2/micro/{fileName}: RFC 9110 to the letter, aliases that cannot be altered, a cache that is never trusted."""

import base64
import hashlib
import random
import threading

import pytest

from harness.web import raw, status_of

SIZE = 300_000


@pytest.fixture(scope="module")
def offered(shared):
    """(path of the file, its bytes): offered passively to a device."""
    product = shared.product()
    device = shared.device("lamp-1", product, arrive=False)
    data = random.Random(7).randbytes(SIZE)
    shared.assign(shared.firmware(product, data=data), device)
    return "/api/v2/micro/" + device.poll().data["fileName"], data


def get(site, path, **headers):
    return site.anybody.get(path, headers={name.replace("_", "-"): value for name, value in headers.items()})


def test_the_whole_file(shared, offered):
    path, data = offered
    answer = get(shared, path).must(200)
    assert answer.body == data
    assert answer.header("Content-Length") == str(SIZE)
    assert answer.header("Content-Type") == "application/octet-stream"
    assert answer.header("Accept-Ranges") == "bytes"
    assert answer.header("ETag").startswith('"')
    digest = base64.b64encode(hashlib.sha256(data).digest()).decode()
    assert answer.header("Repr-Digest") == f"sha-256=:{digest}:"


def test_head_says_the_same_without_a_body(shared, offered):
    path, _ = offered
    whole, head = get(shared, path), shared.anybody.head(path).must(200)
    assert head.body == b""
    for name in ("Content-Length", "ETag", "Repr-Digest", "Accept-Ranges", "Content-Type"):
        assert head.header(name) == whole.header(name), name


RANGES = [
    ("first byte", "bytes=0-0", 0, 0),
    ("a part", "bytes=1000-1999", 1000, 1999),
    ("to the end", f"bytes={SIZE - 10}-", SIZE - 10, SIZE - 1),
    ("the last 500", "bytes=-500", SIZE - 500, SIZE - 1),
    ("a suffix longer than the file", f"bytes=-{SIZE * 2}", 0, SIZE - 1),
    ("beyond the end", f"bytes=100-{SIZE * 9}", 100, SIZE - 1),
    ("the last byte", f"bytes={SIZE - 1}-{SIZE - 1}", SIZE - 1, SIZE - 1),
    ("unit in capitals", "Bytes=5-9", 5, 9),
    ("spaces around", "bytes= 5-9", 5, 9),
]


@pytest.mark.parametrize("header, first, last", [pytest.param(h, f, l, id=i) for i, h, f, l in RANGES])
def test_a_range(shared, offered, header, first, last):
    path, data = offered
    answer = get(shared, path, Range=header).must(206)
    assert answer.header("Content-Range") == f"bytes {first}-{last}/{SIZE}"
    assert answer.header("Content-Length") == str(last - first + 1)
    assert answer.body == data[first : last + 1]


@pytest.mark.parametrize("header", [f"bytes={SIZE}-", f"bytes={SIZE}-{SIZE + 5}", "bytes=-0", f"bytes={10**30}-"])
def test_a_range_outside_is_416(shared, offered, header):
    path, _ = offered
    answer = get(shared, path, Range=header).must(416)
    assert answer.header("Content-Range") == f"bytes */{SIZE}"


@pytest.mark.parametrize("header", ["bytes=9-5", "bytes=a-b", "bytes=", "lines=1-2", "bytes", "bytes=1-2-3", "bytes=--5", "bytes=+1-2"])
def test_a_range_that_is_none_is_ignored(shared, offered, header):
    path, data = offered
    assert get(shared, path, Range=header).must(200).body == data


def parts_of(answer):
    """[(Content-Range, bytes)] of a multipart/byteranges answer, read strictly."""
    boundary = answer.header("Content-Type").split("boundary=")[1].strip('"').encode()
    assert answer.header("Content-Length") == str(len(answer.body))
    pieces = answer.body.split(b"--" + boundary)
    assert pieces[-1].startswith(b"--"), "it is closed"
    parts = []
    for piece in pieces[1:-1]:
        head, body = piece.split(b"\r\n\r\n", 1)
        fields = dict(line.split(b": ", 1) for line in head.strip().split(b"\r\n"))
        fields = {name.lower(): value for name, value in fields.items()}
        assert body.endswith(b"\r\n")
        parts.append((fields[b"content-range"].decode(), body[:-2]))
    return parts


def test_several_ranges_come_as_parts(shared, offered):
    path, data = offered
    answer = get(shared, path, Range="bytes=0-9,1000-1009,-5").must(206)
    assert answer.header("Content-Type").startswith("multipart/byteranges")
    assert parts_of(answer) == [
        (f"bytes 0-9/{SIZE}", data[:10]),
        (f"bytes 1000-1009/{SIZE}", data[1000:1010]),
        (f"bytes {SIZE - 5}-{SIZE - 1}/{SIZE}", data[-5:]),
    ]


def test_one_satisfiable_range_of_several_is_a_single_part(shared, offered):
    path, data = offered
    answer = get(shared, path, Range=f"bytes=10-19,{SIZE}-").must(206)
    assert answer.header("Content-Range") == f"bytes 10-19/{SIZE}" and answer.body == data[10:20]


@pytest.mark.parametrize("header", ["bytes=" + ",".join(f"{i * 10}-{i * 10}" for i in range(1000)), "bytes=" + ",".join(["0-"] * 200)])
def test_ranges_cannot_be_used_to_multiply_bytes(shared, offered, header):
    path, data = offered
    answer = get(shared, path, Range=header)
    assert answer.status in (200, 206, 400, 416, 431)
    assert len(answer.body) <= SIZE + 4096
    if answer.status == 200:
        assert answer.body == data


def test_if_range(shared, offered):
    path, data = offered
    tag = get(shared, path).header("ETag")
    assert get(shared, path, Range="bytes=0-9", If_Range=tag).must(206).body == data[:10]
    assert get(shared, path, Range="bytes=0-9", If_Range='"other"').must(200).body == data
    assert get(shared, path, Range="bytes=0-9", If_Range="W/" + tag).must(200).body == data, "a weak tag never matches here"
    assert get(shared, path, Range="bytes=0-9", If_Range="Mon, 01 Jan 2024 00:00:00 GMT").must(200).body == data


def test_conditions(shared, offered):
    path, data = offered
    tag = get(shared, path).header("ETag")
    answer = get(shared, path, If_None_Match=tag).must(304)
    assert answer.body == b"" and answer.header("ETag") == tag
    assert get(shared, path, If_None_Match=f'"x", W/{tag}').status == 304
    assert get(shared, path, If_None_Match="*").status == 304
    assert get(shared, path, If_None_Match='"x"').must(200).body == data
    assert get(shared, path, If_Match=tag).status == 200
    assert get(shared, path, If_Match="*").status == 200
    assert get(shared, path, If_Match='"x"').status == 412
    assert get(shared, path, If_Match="W/" + tag).status == 412, "If-Match compares strongly"
    assert get(shared, path, If_None_Match=tag, Range="bytes=0-9").status == 304


def test_keep_alive_serves_many_parts_on_one_connection(shared, offered):
    path, data = offered
    one = f"GET {path} HTTP/1.1\r\nHost: x\r\nRange: bytes=%d-%d\r\n".encode()
    request = b"".join(one % (i, i) + b"\r\n" for i in range(49)) + one % (49, 49) + b"Connection: close\r\n\r\n"
    reply = raw(shared.otad.url, request, finish=False)
    assert reply.count(b"HTTP/1.1 206") == 50
    assert b"".join(piece.split(b"\r\n\r\n", 1)[1][:1] for piece in reply.split(b"HTTP/1.1 206")[1:]) == data[:50]


# ---- aliases

def test_an_altered_alias_is_unknown_wherever_it_is_altered(shared, offered):
    path, _ = offered
    prefix, name = path.rsplit("/", 1)
    assert shared.anybody.get(prefix + "/" + name).status == 200
    for at in range(len(name)):
        other = "A" if name[at] != "A" else "B"
        altered = name[:at] + other + name[at + 1 :]
        assert shared.anybody.get(prefix + "/" + altered).status == 404, altered


@pytest.mark.parametrize("name", [
    "xxx.bin", ".bin", "a" * 64 + ".bin", "a" * 4000, "..", "%2e%2e", "..%2f..%2fetc%2fpasswd", "%00.bin", "a%00b.bin", "..%5c..%5cx.bin", "\\x.bin", "%ff%fe.bin",
    "fw.bin", "%c0%ae%c0%ae", "x.bin%0d%0aX-Evil:%201", "x.bin;a=b", "%2Fetc%2Fpasswd",
])
def test_path_tricks_find_nothing(shared, offered, name):
    reply = raw(shared.otad.url, f"GET /api/v2/micro/{name} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode(), finish=False)
    assert status_of(reply) in (400, 404, 414), reply[:300]
    assert b"X-Evil" not in reply.split(b"\r\n\r\n")[0]


@pytest.mark.parametrize("path", ["/api/v2/micro/", "/api/v2/micro", "/api/v2/micro/a/b", "/../api", "/api/v2/../../etc/passwd", "//api/v2/micro/x", "*", "http://"])
def test_odd_paths_are_refused(shared, path):
    reply = raw(shared.otad.url, f"GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode(), finish=False)
    assert status_of(reply) in (400, 404, 405, None), reply[:300]


def test_the_bytes_count_for_the_alias_s_own_device(site):
    product = site.product()
    one, two = site.device("lamp-1", product), site.device("lamp-2", product)
    firmware = site.firmware(product)
    site.push(firmware, one)
    site.push(firmware, two)
    first, second = one.offer(), two.offer()
    assert first["fileName"] != second["fileName"]
    assert first["fileName"][:16] == second["fileName"][:16] == firmware.sha256[:16], "a CDN caches by the hash part"
    one.fetch(first)
    site.until_state(one, "downloaded")
    assert site.task(two)["state"] == "notified"


# ---- the cache

def offer_of(site, **firmware):
    product = site.product()
    device = site.device(product=product, arrive=False)
    firmware = site.firmware(product, **firmware)
    site.assign(firmware, device)
    return "/api/v2/micro/" + device.poll().data["fileName"], firmware


def cached(site):
    return [path for path in site.otad.cache.rglob("*") if path.is_file()]


def test_the_cache_may_be_deleted_while_running(site):
    path, firmware = offer_of(site)
    for _ in range(3):
        assert site.anybody.get(path).must(200).body == firmware.data
        for file in cached(site):
            file.unlink()
    assert site.anybody.get(path).must(200).body == firmware.data


def test_the_cache_directory_itself_may_be_deleted_while_running(site):
    import shutil

    path, firmware = offer_of(site)
    site.anybody.get(path).must(200)
    shutil.rmtree(site.otad.cache)
    assert site.anybody.get(path).must(200).body == firmware.data


@pytest.mark.parametrize("how", ["in place", "replaced", "truncated", "while stopped"])
def test_a_flipped_bit_in_the_cache_is_never_served(site, how):
    path, firmware = offer_of(site)
    site.anybody.get(path).must(200)
    (file,) = cached(site)
    spoilt = bytearray(file.read_bytes())
    spoilt[len(spoilt) // 2] ^= 1
    if how == "while stopped":
        site.otad.stop()
    if how == "replaced":
        file.unlink()
    if how == "truncated":
        spoilt = spoilt[: len(spoilt) // 2]
    file.chmod(0o600) if file.exists() else None
    file.write_bytes(spoilt)
    if how == "while stopped":
        site.otad.start()
    assert site.anybody.get(path).must(200).body == firmware.data


def test_a_crowd_at_a_cold_file_fills_the_cache_once(site):
    path, firmware = offer_of(site, size=3_000_000)
    for file in cached(site):
        file.unlink()
    before = site.db.statements()
    good = []

    def fetch():
        good.append(site.anybody.get(path).must(200).body == firmware.data)

    crowd = [threading.Thread(target=fetch) for _ in range(24)]
    for one in crowd:
        one.start()
    for one in crowd:
        one.join()
    assert good == [True] * 24
    assert site.db.statements() - before < 24 * 5, "the chunks were read by one and not by all"


def test_flipped_bytes_in_the_database_are_never_served(site):
    path, firmware = offer_of(site)
    site.otad.stop()
    for file in cached(site):
        file.unlink()
    site.db.rows("UPDATE chunks SET data = set_byte(data, 5, (get_byte(data, 5) + 1) % 256) WHERE seq = (SELECT min(seq) FROM chunks)")
    site.otad.start()
    answer = site.anybody.get(path)
    assert answer.status == 500, answer.status
    assert firmware.data[100:200] not in answer.body
