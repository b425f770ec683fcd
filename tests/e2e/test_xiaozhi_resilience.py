"""Checks while the database is away or hangs, while the service is killed, and under floods of forged MACs: answered in time, and nothing that was told is lost."""

import concurrent.futures
import contextlib
import json
import random
import re
import signal
import socket
import threading
import time

import pytest

from harness.image import app
from harness.postgres import frozen
from harness.process import until
from harness.web import Client
from harness.xiaozhi import Device, must_not_hurt

BOARD = "bread-compact-ml307"
PATIENCE = 0.3
SLACK = 0.7  # a loaded machine, a sanitizer
pytestmark = pytest.mark.config(trusted_proxies="127.0.0.1")


@pytest.fixture
def product(site):
    return site.product(BOARD)


def publish(site, product, version="2.4.2"):
    firmware = site.firmware(product, name=f"fw {version}", data=app(version, elf=(version * 8).encode()[:32]))
    site.operator.post("/api/v2/xiaozhi/otaPassive", {"otaId": firmware.id, "productId": product, "versionName": version}).data
    return firmware


@contextlib.contextmanager
def killed(cluster):
    cluster.kill()
    yield
    cluster.start()


AWAY = pytest.mark.parametrize("away", [frozen, killed], ids=["hangs", "killed"])


def timed(call):
    started = time.monotonic()
    value = call()
    return value, time.monotonic() - started


def downloaded(site, product):
    """A device that has fetched an update and boots into it."""
    device = Device(site).bind(product)
    publish(site, product)
    data = device.fetch(device.check()["firmware"])[1]
    site.until_state(device, "downloaded")
    device.install(data)
    return device


# --- without the database ---


@pytest.mark.thread_leg
@AWAY
def test_an_updated_device_is_answered_in_time_and_its_evidence_is_kept(site, product, away):
    device = downloaded(site, product)
    with away(site.cluster):
        answer, took = timed(device.check)
        assert took < PATIENCE + SLACK
        assert answer["firmware"] == {"version": "2.4.2", "url": ""} and "activation" not in answer and "mqtt" in answer
        again, took = timed(device.check)  # it marks the image as valid by this one
        assert took < PATIENCE + SLACK and again["firmware"]["url"] == ""
    site.until_state(device, "succeeded", timeout=30)
    assert site.db.value("SELECT version FROM devices") == "2.4.2"
    until(lambda: device.check()["firmware"] == {"version": "2.4.2", "url": ""}, "all is as if nothing had been")
    assert len(site.tasks(device)) == 1


@AWAY
def test_a_rollback_that_happened_without_the_database_is_known_afterwards(site, product, away):
    device = downloaded(site, product)
    device.version, device.elf = "2.0.4", "00" * 32  # the old one runs again
    with away(site.cluster):
        answer, took = timed(device.check)
        assert took < PATIENCE + SLACK and answer["firmware"] == {"version": "2.0.4", "url": ""}
    site.until_state(device, "failed", timeout=30)
    assert site.task(device)["code"] == "rolled_back"
    assert device.check()["firmware"]["url"] == ""


@AWAY
def test_an_offer_waits_for_the_database_and_is_made_then(site, product, away):
    device = Device(site).bind(product)
    publish(site, product)
    device.version = "2.1.0"  # news, too
    with away(site.cluster):
        for _ in range(2):
            answer, took = timed(device.check)
            assert took < PATIENCE + SLACK and answer["firmware"] == {"version": "2.1.0", "url": ""}
    until(lambda: device.check()["firmware"]["url"], "it is offered", timeout=30)
    until(lambda: site.db.value("SELECT version FROM devices") == "2.1.0", "what it told is written")
    assert len(site.tasks(device)) == 1


@AWAY
def test_a_push_waits_for_the_database_and_is_told_then(site, product, away):
    device = Device(site).bind(product)
    firmware = site.firmware(product, data=app("2.4.2"))
    site.operator.post("/api/v2/otaEnable", name=firmware.name, deviceName=device.name).data
    with away(site.cluster):
        answer, took = timed(device.check)
        assert took < PATIENCE + SLACK and "mqtt" in answer
    until(lambda: device.check()["firmware"]["url"], "it is told", timeout=30)


@AWAY
def test_strangers_are_refused_without_the_database_and_known_ones_are_not(site, product, away):
    known = Device(site).bind(product)
    known.check()
    with away(site.cluster):
        with concurrent.futures.ThreadPoolExecutor(30) as pool:
            waiting = [pool.submit(Device(site).post) for _ in range(10)]
            for _ in range(5):
                answer, took = timed(known.check)
                assert took < PATIENCE + SLACK and "mqtt" in answer
            for stranger in waiting:
                assert stranger.result(timeout=15).must(500).json == {"error": "Failed to read device auto_update status"}
    until(lambda: Device(site).post().status == 200, "strangers are let in again", timeout=30)


def test_a_device_that_waits_for_its_code_is_answered_when_the_database_is_back(site, product):
    device = Device(site)
    code = device.check()["activation"]["code"]
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        with frozen(site.cluster):
            waiting = pool.submit(device.post)
            time.sleep(1)
        assert waiting.result(timeout=15).must(200).json["activation"]["code"] == code


def many_at_once(site, product):
    devices = [downloaded(site, product)]
    for n in range(60):
        mac = "02:00:00:00:03:%02x" % n
        site.db.rows("INSERT INTO devices (name, client_id, product_id, mac, version, bound_at) VALUES (%s, %s, %s, %s, '2.0.4', now())",
                     mac.replace(":", "_"), mac, product, mac.replace(":", "").upper())
        devices.append(Device(site, mac=mac, version="2.1.0"))
    site.otad.restart()
    with frozen(site.cluster), concurrent.futures.ThreadPoolExecutor(61) as pool:
        answers = list(pool.map(lambda device: timed(device.check), devices))
    for (answer, took), device in zip(answers, devices):
        assert took < PATIENCE + 2 and answer["firmware"] == {"version": device.version, "url": ""}, took
    until(lambda: site.db.value("SELECT count(*) FROM devices WHERE version = '2.0.4'") == 0, "all of it is written", timeout=30)
    site.until_state(devices[0], "succeeded", timeout=30)


def test_many_at_once_are_all_answered_in_time(site, product):
    many_at_once(site, product)


@pytest.mark.config(commit_queue=16, worker_queue=16)
def test_full_queues_cost_no_answer_and_no_evidence(site, product):
    many_at_once(site, product)


def test_the_service_ends_in_good_order_while_checks_wait(site, product):
    device = downloaded(site, product)
    with concurrent.futures.ThreadPoolExecutor(20) as pool:
        with frozen(site.cluster):
            waiting = [pool.submit(other.post) for other in (device, *(Device(site) for _ in range(10)))]
            time.sleep(0.1)
            site.otad.process.child.send_signal(signal.SIGTERM)
            time.sleep(1)
        for one in waiting:
            assert one.result(timeout=20).status in (200, 500, 503)
    site.otad.stop()
    site.otad.start()
    assert "mqtt" in device.check()
    site.until_state(device, "succeeded")


# --- the service dies, or there are two ---


def test_what_was_offered_before_kill_9_has_its_task(site, product):
    """A go-live: whoever was offered the firmware has a task that says so, however often the service dies on the way."""
    devices = [Device(site) for _ in range(60)]
    for device in devices:
        site.db.rows("INSERT INTO devices (name, client_id, product_id, mac, version, bound_at) VALUES (%s, %s, %s, %s, '2.0.4', now())",
                     device.name, device.name, product, device.mac.replace(":", "").upper())
    site.otad.restart()
    publish(site, product)
    offered, stop = set(), threading.Event()

    def boot(device):
        while not stop.is_set() and device.name not in offered:
            try:
                if device.check()["firmware"]["url"]:
                    offered.add(device.name)
            except Exception:  # the connection died with the service
                time.sleep(0.05)

    with concurrent.futures.ThreadPoolExecutor(20) as pool:
        done = [pool.submit(boot, device) for device in devices]
        for pause in (0.05, 0.11, 0.23):
            time.sleep(pause)
            site.otad.kill()
            tasks = dict(site.db.rows("SELECT d.name, count(*) FROM tasks t JOIN devices d ON d.id = t.device_id GROUP BY 1"))
            assert all(tasks.get(name) == 1 for name in list(offered)), "what was acknowledged is lost"
            site.otad.start()
        until(lambda: all(one.done() for one in done), "all are offered it", timeout=60)
        stop.set()
    assert len(offered) == 60 and site.db.value("SELECT count(*) FROM tasks") == 60
    assert site.db.value("SELECT max(offers) FROM tasks") == 1


def test_an_activation_that_was_acknowledged_survives_kill_9_of_service_and_database(site, product):
    devices = [Device(site) for _ in range(12)]
    codes = [device.check()["activation"]["code"] for device in devices]
    acknowledged = []

    def enter(pair):
        with contextlib.suppress(Exception):  # the connection died with the service
            if site.operator.post("/api/v2/xiaozhi/otaManage", {"code": pair[1], "productId": product}).code == 200:
                acknowledged.append(pair[0])

    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        entering = [pool.submit(enter, pair) for pair in zip(devices, codes)]
        until(lambda: len(acknowledged) >= 4, "some are acknowledged")
        site.otad.kill()
        site.cluster.kill()
    assert all(one.done() for one in entering) and len(acknowledged) >= 4
    site.cluster.start()
    site.otad.start()
    for device in acknowledged:
        assert device.activate().must(200) and "activation" not in device.check()
    for device in set(devices) - set(acknowledged):  # wholly or not at all
        answer = device.check()
        assert ("activation" in answer) != ("mqtt" in answer), answer


def test_two_services_make_one_task_of_checks_at_the_same_instant(site, product):
    other = site.service("other", {"trusted_proxies": "127.0.0.1"})
    other.start()
    device = Device(site).bind(product)
    publish(site, product)
    body = device.body()
    headers = {"Device-Id": device.mac, "Client-Id": device.uuid, "Content-Type": "application/json"}

    def boot(url):
        return Client(url).request("POST", "/xiaozhi/ota/", body=body, headers=headers).must(200).json

    until(lambda: boot(other.url)["firmware"]["url"], "the other one knows the rollout, too", timeout=5)
    with concurrent.futures.ThreadPoolExecutor(16) as pool:
        answers = list(pool.map(boot, [site.otad.url, other.url] * 20))
    assert all(answer["firmware"]["version"] in ("2.4.2", "2.0.4") for answer in answers)
    assert site.db.value("SELECT count(*) FROM tasks") == 1
    data = device.fetch(until(lambda: boot(site.otad.url)["firmware"]["url"] and boot(site.otad.url)["firmware"], "this one knows the task"))[1]
    site.until_state(device, "downloaded")
    device.install(data)
    body = device.body()
    assert boot(other.url)["firmware"]["url"] == ""
    site.until_state(device, "succeeded")
    until(lambda: boot(site.otad.url)["firmware"] == {"version": "2.4.2", "url": ""}, "this one knows, too")


# --- floods ---


class Flood:
    """Checks of random MACs over kept connections, as fast as they are answered."""

    def __init__(self, site, total, address, threads=8):
        self.site, self.total, self.address = site, total, address
        self.statuses = {}
        self.lock = threading.Lock()
        self.pool = concurrent.futures.ThreadPoolExecutor(threads)
        self.parts = [self.pool.submit(self.run, n, total // threads) for n in range(threads)]

    def run(self, seed, count):
        luck = random.Random(seed)
        forged = Device(self.site, mac="02:ff:ff:ff:ff:ff")
        body = json.dumps({key: value for key, value in forged.body().items() if key != "mac_address"}).encode()
        with socket.create_connection(("127.0.0.1", self.site.otad.port), 60) as link:
            for start in range(0, count, 20):
                some = min(20, count - start)
                link.sendall(b"".join(self.request(luck, body) for _ in range(some)))
                got = b""
                while got.count(b"HTTP/1.1 ") < some or not got.endswith(b"}"):
                    chunk = link.recv(1 << 20)
                    assert chunk
                    got += chunk
                with self.lock:
                    for status in re.findall(rb"HTTP/1.1 (\d+) ", got):
                        self.statuses[int(status)] = self.statuses.get(int(status), 0) + 1

    def request(self, luck, body):
        mac = ":".join(f"{luck.randrange(256):02x}" for _ in range(6))
        head = f"POST /xiaozhi/ota/ HTTP/1.1\r\nHost: x\r\nDevice-Id: {mac}\r\nX-Forwarded-For: {self.address(luck)}\r\nContent-Length: {len(body)}\r\n\r\n"
        return head.encode() + body

    def running(self):
        return not all(part.done() for part in self.parts)

    def end(self):
        for part in self.parts:
            part.result()
        assert sum(self.statuses.values()) == self.total
        return self.statuses


def one_address(_luck):
    return "198.51.100.1"


def many_addresses(luck):
    return f"10.{luck.randrange(256)}.{luck.randrange(256)}.{luck.randrange(256)}"


@pytest.mark.config(activation_max=1000, activation_per_address=100, log_level="info")
@pytest.mark.parametrize("address, rows", [(one_address, 101), (many_addresses, 1000)], ids=["one address", "many addresses"])
def test_twenty_thousand_forged_MACs_fill_nothing_and_stop_nobody(site, product, address, rows):
    site.otad.env["ASAN_OPTIONS"] += ":quarantine_size_mb=1"  # what is freed is free
    site.otad.restart()
    site.admin.patch(f"/api/v3/products/{product}", {"identity": "pinned"}).must(200)
    bound = Device(site).bind(product)
    waits = Device(site)
    code = waits.check(X_Forwarded_For="192.0.2.1")["activation"]["code"]
    Flood(site, 4000, address).end()  # what grows once has grown
    before = site.otad.resident()
    flood = Flood(site, 20_000, address)
    slowest = 0
    while flood.running():
        answer, took = timed(bound.check)
        must_not_hurt(answer, bound.version)
        assert "mqtt" in answer
        shown, waited = timed(lambda: waits.check(X_Forwarded_For="192.0.2.1"))
        assert shown["activation"]["code"] == code
        slowest = max(slowest, took, waited)
        time.sleep(0.05)
    statuses = flood.end()
    assert set(statuses) <= {200, 500} and statuses[500] > 15_000, statuses
    assert slowest < 2, slowest
    assert site.otad.resident() - before < 64 << 20
    assert site.db.value("SELECT count(*) FROM activations WHERE ended IS NULL") <= rows
    assert site.db.value("SELECT count(*) FROM devices") == 1 and site.db.value("SELECT count(*) FROM device_facts") <= 1
    assert site.db.value("SELECT count(*) FROM audit") < 50
    assert site.operator.post("/api/v2/xiaozhi/otaManage", {"code": code, "productId": product}).code == 200
    assert "mqtt" in waits.check(X_Forwarded_For="192.0.2.1")


@pytest.mark.config(log_level="info")
def test_a_flood_for_a_known_MAC_neither_reaches_its_device_nor_fills_the_audit(site, product):
    site.admin.patch(f"/api/v3/products/{product}", {"identity": "pinned"}).must(200)
    device = Device(site).bind(product)
    luck = random.Random(7)
    headers = {"Device-Id": device.mac, "Content-Type": "application/json"}
    body = {key: value for key, value in device.body().items() if key != "uuid"}

    def forge(_):
        sent = {**headers, "Client-Id": f"{luck.getrandbits(64):x}", "X-Forwarded-For": many_addresses(luck)}
        return Client(site.otad.url).request("POST", "/xiaozhi/ota/", body=body, headers=sent).status

    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        assert set(pool.map(forge, range(2000))) <= {200, 500}
    answer = device.check()
    assert "mqtt" in answer and "activation" not in answer
    rows = site.db.value("SELECT count(*) FROM activations WHERE ended IS NULL")
    audited = site.db.value("SELECT count(*) FROM audit WHERE action = 'device.stranger'")
    assert audited == 1 and 0 < rows <= 2000, (audited, rows)
