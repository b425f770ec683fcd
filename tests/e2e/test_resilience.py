"""kill -9 and restarts of every neighbour, at any moment: nothing acknowledged is lost, nothing half-written stays."""

import os
import socket
import threading
import time

import pytest

from harness.process import until
from harness.web import Client

FAST = {"resend_min": "300ms", "resend_max": "1s"}
pytestmark = pytest.mark.config(**FAST)


def absent_device(site):
    product = site.product()
    return site.device(product=product, arrive=False), site.firmware(product)


def finish(site, device, task):
    """The device comes and is updated by the same task."""
    device.arrive()
    offer = device.offer(timeout=30)  # what a dead service had taken to send is free again after 15 s
    assert int(offer["taskId"]) == task
    device.fetch(offer)
    site.until_state(device, "downloaded")
    drain(device)
    device.report("2.0.0")
    assert [row["state"] for row in site.tasks(device)] == ["succeeded"]


def drain(device):
    while not device.client.messages.empty():
        device.client.messages.get()


# ---- the service dies

def test_an_order_survives_kill_9_right_after_its_answer(site):
    device, firmware = absent_device(site)
    assert site.push(firmware, device).code == 200
    site.otad.kill()
    (task,) = site.tasks(device)
    site.otad.start()
    finish(site, device, task["id"])


def test_an_order_survives_kill_9_after_the_push_was_sent(site):
    device, firmware = absent_device(site)
    site.push(firmware, device)
    task = site.until_state(device, "notified")
    site.otad.kill()
    site.otad.start()
    finish(site, device, task["id"])


def test_the_download_goes_on_under_the_same_alias_after_kill_9(site):
    device, firmware = site.lamp(size=200_000)
    site.push(firmware, device)
    offer = device.offer()
    first = device.fetch_range(offer, 0, 99_999).body
    until(lambda: site.db.value("SELECT got FROM tasks") == "0-99999", "the bytes it has are written down, every two seconds")
    site.otad.kill()
    site.otad.start()
    second = device.fetch_range(offer, 100_000, 199_999).body
    assert first + second == firmware.data
    site.until_state(device, "downloaded")
    drain(device)
    device.report(offer["version"])
    assert site.task(device)["state"] == "succeeded"


def test_every_acknowledged_report_survives_kill_9(site):
    product = site.product()
    devices = [site.device(f"lamp-{number}", product) for number in range(20)]
    for device in devices:
        device.client.publish(device.topic + "/report", {"version": "7.7.7"})
    acknowledged = [device for device in devices if device.reply()["code"] == "200"]
    site.otad.kill()
    versions = dict(site.db.rows("SELECT name, version FROM devices"))
    assert [versions[device.name] for device in acknowledged] == ["7.7.7"] * 20


def test_orders_acknowledged_while_the_service_is_killed_again_and_again(site):
    """Whatever instant it dies at: what was answered with 200 is there, once; the rest is there wholly or not at all."""
    product = site.product()
    firmware = site.firmware(product)
    devices = [site.device(f"lamp-{number}", product, arrive=False) for number in range(60)]
    acknowledged, stop = [], threading.Event()

    def order():
        for device in devices:
            if stop.is_set():
                return
            try:
                if site.push(firmware, device).code == 200:
                    acknowledged.append(device.name)
            except (OSError, ValueError, AssertionError):
                time.sleep(0.05)
            except Exception:  # http.client's: the connection died with the service
                time.sleep(0.05)

    thread = threading.Thread(target=order)
    thread.start()
    for pause in (0.05, 0.13, 0.21):
        time.sleep(pause)
        site.otad.kill()
        site.otad.start()
    thread.join(60)
    stop.set()
    tasks = dict(site.db.rows("SELECT d.name, count(*) FROM tasks t JOIN devices d ON d.id = t.device_id GROUP BY 1"))
    assert acknowledged and all(tasks.get(name) == 1 for name in acknowledged)
    assert all(count == 1 for count in tasks.values())
    orphans = site.db.value("SELECT count(*) FROM tasks t LEFT JOIN outbox o ON o.task_id = t.id WHERE t.state = 'queued' AND o.task_id IS NULL")
    assert orphans == 0, "a queued push without an outbox row would never be sent"


def test_kill_9_during_an_upload_leaves_nothing(site):
    product = site.product()
    request = (
        f"POST /api/v2/otaUpload?name=fw&productId={product} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {site.tokens['operator']}\r\n"
        "Content-Type: multipart/form-data; boundary=B\r\nContent-Length: 9000000\r\n\r\n"
        '--B\r\nContent-Disposition: form-data; name="file"; filename="a.bin"\r\n\r\n'
    )
    with socket.create_connection(("127.0.0.1", site.otad.port), 10) as link:
        link.sendall(request.encode() + os.urandom(2_000_000))
        until(lambda: site.db.value("SELECT count(*) FROM chunks") > 0, "chunks flow")
        site.otad.kill()
    site.otad.start()
    assert site.viewer.get("/api/v2/otaList").data == []
    assert not site.otad.temporary_files()
    assert site.db.value("SELECT count(*) FROM artifacts") == 0


# ---- the broker dies

@pytest.mark.thread_leg
def test_a_push_ordered_while_the_broker_is_away_arrives_later(site):
    device, firmware = absent_device(site)
    site.broker.kill()
    assert site.push(firmware, device).code == 200, "delay, never loss"
    task = site.task(device)
    assert task["state"] == "queued"
    site.broker.start()
    device.arrive()
    offer = device.offer(timeout=30)
    assert int(offer["taskId"]) == task["id"]


def test_the_broker_forgets_what_it_acknowledged_and_the_task_goes_on(site):
    device, firmware = absent_device(site)
    site.push(firmware, device)
    task = site.until_state(device, "notified")
    site.broker.restart_with_amnesia()
    device.arrive()
    offer = device.offer(timeout=30)
    assert int(offer["taskId"]) == task["id"]
    device.fetch(offer)
    site.until_state(device, "downloaded")


def test_reports_are_heard_again_after_the_broker_was_restarted(site):
    device, _ = site.lamp()
    device.leave()
    site.broker.restart_with_amnesia()
    device.arrive()

    def answered():
        device.client.publish(device.topic + "/report", {"version": "3.2.1"})
        try:
            return device.reply(timeout=1)
        except AssertionError:
            return None

    assert until(answered, "a report is answered", timeout=30)["code"] == "200"


def test_without_a_broker_the_service_is_degraded_but_ready(site):
    device, firmware = absent_device(site)
    site.assign(firmware, device)
    site.broker.kill()
    until(lambda: b"degraded" in site.anybody.get("/readyz").body, "readyz tells of the broker", timeout=30)
    assert site.anybody.get("/readyz").status == 200
    assert device.poll().code == 200


# ---- the database dies

@pytest.fixture
def cached(site):
    """A device that was offered a file which is in the cache, and knows it all."""
    device, firmware = absent_device(site)
    site.assign(firmware, device)
    offer = device.poll().data
    path = "/api/v2/micro/" + offer["fileName"]
    device.web.get(path).must(200)
    site.until_state(device, "downloaded")
    return device, firmware, path


def test_without_a_database_idle_polls_and_cached_downloads_go_on(site, cached):
    device, firmware, path = cached
    site.cluster.kill()
    for _ in range(20):
        assert device.poll().code == 200
        assert device.web.get(path).must(200).body == firmware.data
    assert site.anybody.get("/healthz").status == 200
    until(lambda: site.anybody.get("/readyz").status == 503, "readyz tells of the database")
    site.cluster.start()
    until(lambda: site.anybody.get("/readyz").status == 200, "the service has found the database again", timeout=30)


@pytest.mark.thread_leg
def test_without_a_database_everything_else_is_503_with_retry_after(site, cached):
    device, firmware, _ = cached
    site.cluster.kill()
    began = time.monotonic()
    for answer in (
        site.push(firmware, device),
        site.assign(firmware, device),
        site.operator.upload(b"x", name="new", productId=firmware.product),
        site.operator.delete("/api/v2/otaDelete", id=firmware.id),
        site.viewer.get("/api/v2/otaList"),
        site.viewer.get("/api/v3/products"),
        site.anybody.post("/api/v2/login", {"username": "a", "password": "b"}),
    ):
        assert answer.status == 503, answer
        assert int(answer.header("Retry-After")) >= 1
    assert time.monotonic() - began < 30, "nobody waits long"
    site.cluster.start()
    until(lambda: site.push(firmware, device).status == 200, "orders are taken again", timeout=30)


def test_a_restarted_database_is_found_and_nothing_is_lost(site):
    device, firmware = absent_device(site)
    site.push(firmware, device)
    task = site.until_state(device, "notified")
    site.cluster.kill()
    site.cluster.start()
    until(lambda: site.anybody.get("/readyz").status == 200, "the service has found the database again", timeout=30)
    finish(site, device, task["id"])


def test_a_report_that_could_not_be_committed_is_not_acknowledged_and_its_repetition_is(site):
    device, firmware = site.lamp()
    site.push(firmware, device)
    offer = device.offer()
    device.fetch(offer)
    site.until_state(device, "downloaded")
    drain(device)
    site.cluster.kill()
    device.client.publish(device.topic + "/report", {"version": offer["version"]})
    time.sleep(1)
    said = [message.json for message in list(device.client.messages.queue) if message.topic.endswith("report_reply")]
    assert not [reply for reply in said if reply["code"] == "200"]
    site.cluster.start()

    def acknowledged():
        device.client.publish(device.topic + "/report", {"version": offer["version"]})
        try:
            return device.reply(timeout=1)["code"] == "200"
        except AssertionError:
            return False

    until(acknowledged, "the repetition is acknowledged", timeout=30)
    assert site.task(device)["state"] == "succeeded"


def test_bytes_fetched_while_the_database_was_away_count_afterwards(site):
    device, firmware = site.lamp(size=100_000)
    site.push(firmware, device)
    offer = device.offer()
    device.fetch_range(offer, 0, 999)
    site.until_state(device, "downloading")
    site.cluster.kill()
    device.fetch(offer)
    site.cluster.start()
    until(lambda: site.anybody.get("/readyz").status == 200, "the service has found the database again", timeout=30)
    site.until_state(device, "downloaded", timeout=30)


def test_lost_sessions_are_prepared_again(site):
    """An administrator ends every session: the next call reconnects, prepares and listens again."""
    device, firmware = absent_device(site)
    for turn in range(3):
        site.db.cluster.admin(f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{site.db.name}'")
        until(lambda: site.assign(firmware, device, version=f"v{turn}").status == 200, "assignments are taken again", timeout=30)
        until(lambda: device.poll().data["version"] == f"v{turn}", "the snapshot follows")


def test_the_service_waits_for_a_database_that_comes_later(site):
    site.otad.stop()
    site.cluster.kill()
    before = len(site.otad.process.log.read_bytes())
    site.otad.start(wait=False)
    time.sleep(1)
    assert site.otad.process.running()
    site.cluster.start()
    site.otad.process.until_ready(lambda: b"listening" in site.otad.process.log.read_bytes()[before:], 30)
    until(lambda: site.anybody.get("/readyz").status == 200, "it is ready", timeout=30)


# ---- two replicas

def test_two_replicas_send_each_push_once_and_share_their_view(site):
    replica = site.service("replica", {**FAST, "resend_min": "60s", "resend_max": "60s"})
    site.otad.stop()
    site.otad.write_config(resend_min="60s", resend_max="60s")
    site.otad.start()
    replica.start()
    product = site.product()
    firmware = site.firmware(product)
    devices = [site.device(f"lamp-{number}", product) for number in range(10)]
    for device in devices:
        site.push(firmware, device)
    offers = [device.offer() for device in devices]
    for device in devices:
        device.no_offer(within=0.1)
    there = Client(replica.url, site.tokens["viewer"])
    assert there.get("/api/v2/otaList").data[0]["name"] == firmware.name
    assert there.get("/api/v2/micro/" + offers[0]["fileName"]).must(200).body == firmware.data
    site.until_state(devices[0], "downloaded")


# ---- the disk is full

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="a small file system can only be mounted by root")


@needs_root
def test_a_full_cache_disk_is_507_and_leaves_nothing(site, small_disk):
    device, firmware = absent_device(site)
    big = site.firmware(firmware.product, "big", os.urandom(4_000_000))
    site.assign(big, device)
    offer = device.poll().data
    site.otad.stop()
    small_disk(site.otad.cache, "1m")
    site.otad.start()
    answer = device.web.get("/api/v2/micro/" + offer["fileName"])
    assert answer.status == 507, answer
    assert not site.otad.temporary_files()
    site.assign(firmware, device)
    offer = device.poll().data
    assert device.web.get("/api/v2/micro/" + offer["fileName"]).must(200).body == firmware.data


@needs_root
def test_a_full_database_disk_is_507_and_leaves_nothing_half_written(site, small_disk):
    product = site.product()
    place = site.cluster.dir / f"small-{site.db.name}"
    place.mkdir()
    small_disk(place, "3m", owner="postgres")
    site.db.cluster.admin(f"CREATE TABLESPACE {site.db.name}_small LOCATION '{place}'")
    site.db.rows(f"ALTER TABLE chunks SET TABLESPACE {site.db.name}_small")
    try:
        answer = site.operator.upload(os.urandom(9_000_000), name="big", productId=product)
        assert answer.status == 507, answer
        assert site.viewer.get("/api/v2/otaList").data == []
        assert site.db.value("SELECT count(*) FROM artifacts") == 0
        site.nothing_left()
        assert site.operator.upload(os.urandom(100_000), name="small", productId=product).status in (200, 507)
    finally:
        site.db.rows("ALTER TABLE chunks SET TABLESPACE pg_default")
        site.db.cluster.admin(f"DROP TABLESPACE {site.db.name}_small")
