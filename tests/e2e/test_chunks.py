"""Download by chunks over MQTT: .../sys/ota/chunk/get {"taskId","offset","length"} -> bytes on .../sys/ota/chunk/{taskId}/{offset}."""

import json
import random
import re
import shutil
import signal
import time

import pytest
from test_ops import metric

from harness.process import Failure, until

CHUNK = 16384
SIZE = 5 * CHUNK + 1000
DROPPED = "otad_chunks_dropped_total"
SENT = "otad_chunks_sent_total"


class Fetcher:
    """What a device without HTTP does with an offer."""

    def __init__(self, device, offer=None):
        self.device = device
        self.top = device.topic + "/chunk/"
        self.listen()
        device.site.otad.until_logged("broker connected")  # there such requests are heard; one that comes too early is not answered
        self.offer = offer
        self.task = offer and offer["taskId"]

    def listen(self):
        self.device.client.subscribe(self.top + "#")

    def send(self, payload):
        self.device.client.publish(self.top + "get", payload)

    def ask(self, offset, length=CHUNK, task=None, **more):
        self.send({"taskId": self.task if task is None else task, "offset": offset, "length": length, **more})

    def next(self, timeout=10):
        """The next chunk (task, offset, bytes) or error (its JSON); what comes of a request to ourselves or a repeated push is passed over."""
        end = time.monotonic() + timeout
        while True:
            message = self.device.client.next(max(0.01, end - time.monotonic()))
            found = re.fullmatch(re.escape(self.top) + r"(\d+)/(\d+)", message.topic)
            if found:
                assert message.qos == 1 and not message.retain
                return found.group(1), int(found.group(2)), message.payload
            if message.topic == self.top + "get_reply":
                return message.json

    def refusal(self):
        answer = self.next()
        assert isinstance(answer, dict), answer
        assert set(answer) == {"code", "status"} and all(isinstance(value, str) for value in answer.values())
        return answer

    def chunk(self, offset, length=CHUNK, tries=3, **more):
        """As a device does: what is not answered is asked for again."""
        for _ in range(tries):
            self.ask(offset, length, **more)
            try:
                answer = self.next(5)
            except Failure:
                continue
            while not isinstance(answer, tuple) or answer[1] != offset:
                answer = self.next(5)
            return answer[2]
        raise Failure(f"no chunk at {offset}")

    def fetch(self, size, offsets=None):
        data = bytearray(size)
        for offset in offsets or range(0, size, CHUNK):
            got = self.chunk(offset)
            assert len(got) == min(CHUNK, size - offset)
            data[offset : offset + len(got)] = got
        return bytes(data)


def begun(site, **more):
    """A device that was offered a firmware."""
    device, firmware = site.lamp(**{"size": SIZE, **more})
    site.push(firmware, device)
    return device, firmware, Fetcher(device, device.offer())


def noted(site, fetcher):
    """The bytes that its task has."""
    return site.db.value("SELECT got FROM tasks WHERE id = %s", int(fetcher.task))


ORDERS = {
    "in order": list(range(0, SIZE, CHUNK)),
    "from the end": list(range(0, SIZE, CHUNK))[::-1],
    "shuffled": random.Random(3).sample(range(0, SIZE, CHUNK), len(range(0, SIZE, CHUNK))),
}


@pytest.mark.thread_leg
@pytest.mark.parametrize("order", ORDERS)
def test_a_whole_update_without_http(site, order):
    device, firmware, fetcher = begun(site)
    sent = metric(site, SENT)
    assert fetcher.fetch(SIZE, ORDERS[order]) == firmware.data
    site.until_state(device, "downloaded")
    assert device.report("2.0.0")["code"] == "200"
    assert site.task(device)["state"] == "succeeded"
    assert site.walk(device) == ["queued", "notified", "downloading", "downloaded", "succeeded"]
    assert metric(site, SENT) - sent == len(ORDERS[order])


def test_a_report_right_after_the_last_chunk_is_judged_by_all_bytes(site):
    device, firmware, fetcher = begun(site)
    assert fetcher.fetch(SIZE) == firmware.data
    device.report("2.0.0")
    assert site.task(device)["state"] == "succeeded"


def test_the_first_chunk_begins_the_download_and_half_of_it_does_not_end_it(site):
    device, firmware, fetcher = begun(site)
    fetcher.chunk(0)
    site.until_state(device, "downloading")
    fetcher.chunk(2 * CHUNK)
    until(lambda: noted(site, fetcher) == f"0-{CHUNK - 1},{2 * CHUNK}-{3 * CHUNK - 1}", "both are noted")
    assert site.task(device)["state"] == "downloading"


def test_small_and_overlapping_pieces(site):
    device, firmware, fetcher = begun(site, size=1000)
    assert fetcher.chunk(0, 1) == firmware.data[:1]
    assert fetcher.chunk(0, 600) == firmware.data[:600]
    assert fetcher.chunk(500, 400) == firmware.data[500:900]
    assert fetcher.chunk(999, 1) == firmware.data[999:]
    site.until_state(device, "downloading")
    assert fetcher.chunk(899, CHUNK) == firmware.data[899:], "a length past the end is cut"
    site.until_state(device, "downloaded")


def test_numbers_as_numbers_or_strings_and_unknown_keys(site):
    device, firmware, fetcher = begun(site)
    fetcher.send(json.dumps({"taskId": int(fetcher.task), "offset": str(CHUNK), "length": "10", "colour": ["red"]}))
    assert fetcher.next() == (fetcher.task, CHUNK, firmware.data[CHUNK : CHUNK + 10])


def test_what_was_asked_twice_is_answered_twice(site):
    _, firmware, fetcher = begun(site)
    fetcher.ask(0)
    fetcher.ask(0)
    assert [fetcher.next(), fetcher.next()] == [(fetcher.task, 0, firmware.data[:CHUNK])] * 2


# ---- what is refused

BAD = [
    ("no task", {"offset": 0, "length": 1}, "1004", "taskId"),
    ("an empty task", {"taskId": "", "offset": 0, "length": 1}, "1002", "taskId"),
    ("task 0", {"taskId": 0, "offset": 0, "length": 1}, "1001", "taskId"),
    ("a task in words", {"taskId": "seven", "offset": 0, "length": 1}, "1003", "taskId"),
    ("a task too large", {"taskId": "9" * 30, "offset": 0, "length": 1}, "1003", "taskId"),
    ("a task nobody has", {"taskId": str(2**60), "offset": 0, "length": 1}, "1001", "no task"),
    ("no offset", {"taskId": 1, "length": 1}, "1004", "offset"),
    ("a negative offset", {"taskId": 1, "offset": -1, "length": 1}, "1001", "offset"),
    ("a huge offset", {"taskId": 1, "offset": 10**30, "length": 1}, "1003", "offset"),
    ("an offset in words", {"taskId": 1, "offset": "start", "length": 1}, "1003", "offset"),
    ("half an offset", {"taskId": 1, "offset": 0.5, "length": 1}, "1003", "offset"),
    ("no length", {"taskId": 1, "offset": 0}, "1004", "length"),
    ("length 0", {"taskId": 1, "offset": 0, "length": 0}, "1001", "length"),
    ("a negative length", {"taskId": 1, "offset": 0, "length": -5}, "1001", "length"),
    ("length 16385", {"taskId": 1, "offset": 0, "length": CHUNK + 1}, "1001", "length"),
    ("a list", [1, 2], "1001", ""),
    ("a forged file name", {"fileName": "0" * 16 + "-" + "A" * 40 + ".bin", "offset": 0, "length": 1}, "1001", "fileName"),
    ("a file name too long", {"fileName": "a" * 500, "offset": 0, "length": 1}, "1001", "fileName"),
    ("nothing", "", "1001", ""),
    ("binary", b"\x00\xff\xfe" * 50, "1001", ""),
    ("deep", "[" * 3000, "1001", ""),
    ("100 KB", "x" * 100_000, "1001", "4096"),
]


@pytest.fixture(scope="module")
def asker(shared):
    return Fetcher(shared.device("asker-1", shared.product("asker")), {"taskId": "1"})


@pytest.mark.parametrize("payload, code, word", [row[1:] for row in BAD], ids=[row[0] for row in BAD])
def test_bad_requests_get_a_sentence(shared, asker, payload, code, word):
    asker.send(payload)
    answer = asker.refusal()
    assert answer["code"] == code and word in answer["status"], answer


def test_a_megabyte_does_no_harm(site):
    """The broker may cut off who sends it."""
    device, firmware, fetcher = begun(site)
    device.client.paho.publish(fetcher.top + "get", b"x" * 1_000_000, 1)
    time.sleep(0.5)
    device.leave()
    device.arrive()
    fetcher.listen()
    assert fetcher.fetch(SIZE) == firmware.data
    assert site.otad.process.running()


def test_at_and_past_the_end(site):
    _, firmware, fetcher = begun(site)
    for offset in (SIZE, SIZE + 1, 2**53, "9223372036854775807"):
        fetcher.ask(offset)
        answer = fetcher.refusal()
        assert answer["code"] == "1001" and "past the end" in answer["status"] and str(SIZE) in answer["status"]
    assert fetcher.chunk(SIZE - 1) == firmware.data[-1:]


def test_another_devices_task_is_nobodys(site):
    device, firmware, owner = begun(site)
    thief = Fetcher(site.device("lamp-2", firmware.product))
    thief.ask(0, task=owner.task)
    assert "no task" in thief.refusal()["status"]
    thief.ask(0, task=owner.task, fileName=owner.offer["fileName"])
    assert "no such file" in thief.refusal()["status"], "nor does its file name help"
    assert site.task(device)["state"] == "notified"


def test_a_cancelled_task_is_withdrawn(site):
    device, _, fetcher = begun(site)
    fetcher.chunk(0)
    site.operator.post(f"/api/v3/tasks/{fetcher.task}/cancel").must(204)
    for more in ({}, {"fileName": fetcher.offer["fileName"]}):
        fetcher.ask(CHUNK, **more)
        answer = fetcher.refusal()
        assert answer["code"] == "1001" and "withdrawn" in answer["status"], answer


def test_what_has_ended_is_had_by_its_file_name(site):
    device, firmware, fetcher = begun(site)
    device.progress(fetcher.task, -3)
    site.until_state(device, "failed")
    fetcher.ask(0)
    assert "no task" in fetcher.refusal()["status"]
    assert fetcher.chunk(0, fileName=fetcher.offer["fileName"]) == firmware.data[:CHUNK]


def test_an_assignment_is_fetched_by_chunks(site):
    device, firmware = site.lamp(size=SIZE)
    site.assign(firmware, device)
    device.client.publish(device.topic + "/get", "{}")
    offer = device.client.next().json
    fetcher = Fetcher(device, offer)
    assert fetcher.fetch(SIZE) == firmware.data
    site.until_state(device, "downloaded")
    device.report("1.8")
    assert site.task(device)["state"] == "succeeded"
    # its file name stays as long as the assignment, with no task at all
    fetcher.send({"fileName": offer["fileName"], "offset": 0, "length": 10})
    assert fetcher.next() == ("0", 0, firmware.data[:10])


# ---- too much at once

def test_a_hundred_at_once_are_bounded_and_counted(site):
    device, firmware, fetcher = begun(site)
    sent, dropped = metric(site, SENT), metric(site, DROPPED)
    for i in range(100):
        device.client.paho.publish(fetcher.top + "get", json.dumps({"taskId": fetcher.task, "offset": i, "length": CHUNK}), 1)
    until(lambda: metric(site, SENT) + metric(site, DROPPED) - sent - dropped == 100, "each was answered or dropped, and counted")
    for _ in range(int(metric(site, SENT) - sent)):
        _, offset, got = fetcher.next()
        assert got == firmware.data[offset : offset + CHUNK]
    assert fetcher.fetch(SIZE) == firmware.data


@pytest.mark.thread_leg
def test_who_waits_for_the_database_has_four_and_holds_up_nobody(site):
    product = site.product()
    warm = site.firmware(product, "warm", size=SIZE)
    cold = site.firmware(product, "cold", size=SIZE)
    greedy, other = (site.device(name, product) for name in ("greedy", "other"))
    site.push(warm, other)
    fetcher = Fetcher(other, other.offer())
    fetcher.chunk(0)
    site.push(cold, greedy)
    flood = Fetcher(greedy, greedy.offer())
    shutil.rmtree(site.otad.cache / cold.sha256[:2], ignore_errors=True)
    dropped = metric(site, DROPPED)
    with site.cluster.connect(site.db.name) as link, link.cursor() as sql:
        sql.execute("BEGIN")
        sql.execute("LOCK TABLE chunks IN ACCESS EXCLUSIVE MODE")
        for i in range(100):
            flood.device.client.paho.publish(flood.top + "get", json.dumps({"taskId": flood.task, "offset": i, "length": 100}), 1)
        until(lambda: metric(site, DROPPED) - dropped == 96, "four of a hundred are kept")
        assert fetcher.fetch(SIZE) == warm.data
        sql.execute("ROLLBACK")
    assert sorted(flood.next()[1] for _ in range(4)) == [0, 1, 2, 3]
    assert flood.fetch(SIZE) == cold.data
    assert metric(site, DROPPED) - dropped == 96


# ---- neighbours that go away

def test_a_chunk_the_broker_did_not_take_is_no_evidence(site):
    device, firmware, fetcher = begun(site)
    for path in site.otad.cache.iterdir():
        shutil.rmtree(path)
    sent, dropped = metric(site, SENT), metric(site, DROPPED)
    with site.cluster.connect(site.db.name) as link, link.cursor() as sql:
        sql.execute("BEGIN")
        sql.execute("LOCK TABLE chunks IN ACCESS EXCLUSIVE MODE")
        fetcher.ask(0)
        until(lambda: site.db.value("SELECT count(*) FROM pg_locks WHERE NOT granted AND relation = 'chunks'::regclass") == 1, "it is being read")
        site.broker.process.child.send_signal(signal.SIGSTOP)
        sql.execute("ROLLBACK")
    until(lambda: any(path.is_file() for path in site.otad.cache.glob("*/*") if path.parent.name != "tmp"), "it was read")
    time.sleep(1)  # longer than evidence waits to be written
    assert (metric(site, SENT), metric(site, DROPPED)) == (sent, dropped)
    site.broker.restart_with_amnesia()
    until(lambda: metric(site, DROPPED) == dropped + 1, "it is given up")
    come_back(site, device, fetcher)
    assert noted(site, fetcher) == "" and site.task(device)["state"] == "notified"
    assert fetcher.fetch(SIZE) == firmware.data
    site.until_state(device, "downloaded")


def test_a_cold_cache_is_filled(site):
    device, firmware, fetcher = begun(site)
    for path in site.otad.cache.iterdir():
        shutil.rmtree(path)
    fills = metric(site, "otad_cache_fills_total")
    assert fetcher.fetch(SIZE) == firmware.data
    assert metric(site, "otad_cache_fills_total") == fills + 1


def test_without_the_database_a_warm_file_is_served_and_counted_later(site):
    device, firmware, fetcher = begun(site)
    product = firmware.product
    other = site.firmware(product, "other", size=SIZE)
    second = site.device("lamp-2", product)
    site.push(other, second)
    cold = Fetcher(second, second.offer())
    fetcher.chunk(0)
    site.until_state(device, "downloading")
    for path in site.otad.cache.rglob(other.sha256):
        path.unlink()
    site.cluster.kill()
    try:
        assert fetcher.fetch(SIZE) == firmware.data
        cold.ask(0)
        assert cold.refusal()["code"] == "999"
    finally:
        site.cluster.start()
    site.until_state(device, "downloaded", timeout=30)
    assert cold.fetch(SIZE) == other.data


def come_back(site, device, fetcher):
    until(site.otad.hears_the_broker, "otad is connected again", timeout=30)
    device.leave()
    device.arrive()
    fetcher.listen()


@pytest.mark.thread_leg
def test_it_goes_on_after_the_broker_was_killed(site):
    device, firmware, fetcher = begun(site)
    first = [fetcher.chunk(i * CHUNK) for i in range(3)]
    for i in range(50):
        device.client.paho.publish(fetcher.top + "get", json.dumps({"taskId": fetcher.task, "offset": i, "length": CHUNK}), 0)
    site.broker.restart_with_amnesia()
    come_back(site, device, fetcher)
    rest = fetcher.fetch(SIZE, range(3 * CHUNK, SIZE, CHUNK))[3 * CHUNK :]
    assert b"".join(first) + rest == firmware.data
    site.until_state(device, "downloaded")


@pytest.mark.thread_leg
@pytest.mark.parametrize("how", ["restart", "kill"])
def test_it_goes_on_after_the_service_went_away(site, how):
    device, firmware, fetcher = begun(site)
    first = [fetcher.chunk(i * CHUNK) for i in range(3)]
    until(lambda: noted(site, fetcher) == f"0-{3 * CHUNK - 1}", "three are noted")
    for i in range(50):
        device.client.paho.publish(fetcher.top + "get", json.dumps({"taskId": fetcher.task, "offset": i, "length": CHUNK}), 0)
    if how == "restart":
        site.otad.restart()
    else:
        site.otad.kill()
        site.otad.start()
    come_back(site, device, fetcher)
    rest = fetcher.fetch(SIZE, range(3 * CHUNK, SIZE, CHUNK))[3 * CHUNK :]
    assert b"".join(first) + rest == firmware.data
    site.until_state(device, "downloaded")


def test_chunks_and_http_add_up(site):
    device, firmware, fetcher = begun(site)
    fetcher.chunk(0)
    device.fetch_range(fetcher.offer, CHUNK, SIZE - 1)
    site.until_state(device, "downloaded")


def test_a_device_that_stops_in_the_middle_leaves_nothing_behind(site):
    """Its task still ends by the stall timer, and the service ends cleanly."""
    device, firmware, fetcher = begun(site)
    fetcher.ask(0)
    device.leave()
    site.until_state(device, "downloading")
    site.otad.restart()
    assert site.task(device)["state"] == "downloading"
