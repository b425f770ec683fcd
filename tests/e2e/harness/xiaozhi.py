"""A Xiaozhi device as far as the service sees it: what it posts at its boots, what it fetches, what it then runs."""

import hashlib
import hmac
import itertools
import json
import re
import uuid
from pathlib import Path
from urllib.parse import urlsplit

from .service import ROOT
from .web import Client, raw

SEEDS = ROOT / "tests/fuzz/corpus/xiaozhi_check"
SLOT = 4128768
PARTITIONS = [
    {"label": "nvs", "type": 1, "subtype": 2, "address": 36864, "size": 16384},
    {"label": "ota_0", "type": 0, "subtype": 16, "address": 131072, "size": SLOT},
    {"label": "ota_1", "type": 0, "subtype": 17, "address": 4259840, "size": SLOT},
    {"label": "assets", "type": 1, "subtype": 130, "address": 8388608, "size": 8388608},
]
numbers = itertools.count(1)


def seed(name):
    """(head fields, body) of a seed's literal request."""
    head, _, body = re.split(rb"(\r?\n\r?\n)", (SEEDS / name).read_bytes(), maxsplit=1)
    return head.replace(b"\r", b""), body


class Device:
    def __init__(self, site, version="2.0.4", board="bread-compact-ml307", mac=None, board_type=None):
        self.site = site
        self.mac = mac or "94:a9:90:2c:%02x:%02x" % divmod(next(numbers), 256)
        self.uuid = str(uuid.uuid4())
        self.version = version
        self.elf = hashlib.sha256(version.encode()).hexdigest()
        self.board = {"type": board_type or board, "name": board, "ssid": "卧室", "rssi": -55, "channel": 1, "ip": "192.168.1.11", "mac": self.mac}
        self.slot = 0
        self.chip = "esp32s3"
        self.partitions = PARTITIONS
        self.headers = {"Activation-Version": "1", "Accept-Language": "zh-CN", "User-Agent": f"{board}/{version}"}
        self.path = "/xiaozhi/ota/"

    @property
    def name(self):
        return self.mac.replace(":", "_")

    def body(self):
        return {
            "version": 2, "language": "zh-CN", "flash_size": 16777216, "minimum_free_heap_size": "8425044", "mac_address": self.mac, "uuid": self.uuid,
            "chip_model_name": self.chip, "chip_info": {"model": 9, "cores": 2, "revision": 2, "features": 18},
            "application": {"name": "xiaozhi", "version": self.version, "compile_time": "Nov 15 2025T16:51:32Z", "idf_version": "v5.5.1", "elf_sha256": self.elf},
            "partition_table": self.partitions, "ota": {"label": f"ota_{self.slot}"}, "board": self.board,
        }

    def post(self, path=None, body=None, **headers):
        sent = {"Device-Id": self.mac, "Client-Id": self.uuid, "Content-Type": "application/json", **self.headers}
        sent |= {name.replace("_", "-"): value for name, value in headers.items()}
        sent = {name: value for name, value in sent.items() if value is not None}
        return Client(self.site.otad.url).request("POST", path or self.path, body=self.body() if body is None else body, headers=sent)

    def check(self, **headers):
        """The answer of a boot's check, which must be one."""
        answer = self.post(**headers).must(200).json
        assert "null" not in json.dumps(answer).replace('"null"', "")
        return answer

    def activate(self, body=None, **headers):
        return self.post(self.path.rstrip("/") + "/activate", {} if body is None else body, **headers)

    def prove(self, challenge, serial, key, wrap=False):
        mac = hmac.new(key, challenge.encode(), hashlib.sha256).hexdigest()
        body = {"algorithm": "hmac-sha256", "serial_number": serial, "challenge": challenge, "hmac": mac}
        return self.activate({"Payload": body} if wrap else body, Activation_Version="2", Serial_Number=serial)

    def bind(self, product):
        """Shows its code, which an operator enters."""
        code = self.check()["activation"]["code"]
        self.site.operator.post("/api/v2/xiaozhi/otaManage", {"code": code, "productId": product, "nickName": "n"}).data
        return self

    def fetch(self, firmware):
        """The image behind the offer, as firmware gets it: one bare GET."""
        parts = urlsplit(firmware["url"])
        answer = raw(self.site.otad.url, f"GET {parts.path} HTTP/1.1\r\nHost: {parts.netloc}\r\nConnection: close\r\n\r\n".encode(), finish=False)
        head, _, data = answer.partition(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 200 ") and b"\r\nContent-Length: %d" % len(data) in head, head
        return head, data

    def install(self, data):
        """The other slot, then a boot: what it reports from now on is what it has got."""
        self.version = data[0x30:0x50].rstrip(b"\0").decode()
        self.elf = data[0xB0:0xD0].hex()
        self.slot = 1 - self.slot
        self.headers["User-Agent"] = f"{self.board['name']}/{self.version}"

    def update(self):
        """A boot that ends in another version; the answer of the check after it."""
        head, data = self.fetch(self.check()["firmware"])
        self.install(data)
        return self.check()


def numeric(version):
    """The integers of a dotted version as firmware reads it; None if its parser would abort."""
    parts = version.split(".")
    return [int(part) for part in parts] if all(re.fullmatch(r"\d+", part) and int(part) < 2**31 for part in parts) else None


def must_not_hurt(answer, version):
    """Fails if this answer to a check would abort, loop or confuse some generation of firmware (its own version; '' = it told none)."""
    assert set(answer) <= {"mqtt", "websocket", "server_time", "firmware", "activation"}, answer
    read = re.match(r"\d+(\.\d+)*", version)  # "2.0.4-dirty" is 2.0.4
    old = not read or (numeric(read.group()) or [0]) <= [1, 6, 2]
    for name in ("mqtt", "websocket"):
        for key, value in answer.get(name, {}).items():
            assert len(key) <= 15 and (isinstance(value, str) and len(value.encode()) < 4000 or isinstance(value, int) and not old), (key, value)
    assert all(value is not None for part in answer.values() for value in part.values()), answer
    if "mqtt" in answer:
        assert re.fullmatch(r"[A-Za-z0-9._-]+(:\d{1,5})?", answer["mqtt"]["endpoint"]), answer
        assert re.fullmatch(r"[^@]+@@@([0-9a-f]{2}_){5}[0-9a-f]{2}@@@[^@]+", answer["mqtt"]["client_id"]), answer
    if "activation" in answer:
        shown = answer["activation"]
        assert shown["challenge"] and all(isinstance(value, str) for value in shown.values())
        assert ("code" in shown) == ("message" in shown) and shown.get("message", "").endswith(shown.get("code", ""))
    assert isinstance(answer["server_time"]["timestamp"], int) and isinstance(answer["server_time"]["timezone_offset"], int)
    if version and numeric(version) is None:
        assert "firmware" not in answer, "it aborts while it compares its own version"
        return
    firmware = answer["firmware"]
    assert isinstance(firmware["url"], str) and numeric(firmware["version"]) is not None and firmware.get("force", 1) == 1
    if not firmware["url"]:
        assert firmware["version"] == (version or "0.0.0"), "another version without a url is an upgrade that fails, at every boot"
