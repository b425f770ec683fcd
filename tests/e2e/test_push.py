"""Push over MQTT: an order becomes one task; the task walks by evidence only."""

import json
import os
import re
import time

import pytest

from harness.process import until

FAST = {"resend_min": "300ms", "resend_max": "1s"}


def test_the_whole_way_by_a_device_that_reports(site):
    device, firmware = site.lamp()
    site.push(firmware, device)
    offer = device.offer()
    assert {"taskId", "url", "size", "sha256", "component"} <= set(offer)
    assert int(offer["taskId"]) == site.task(device)["id"]
    assert int(offer["size"]) == len(firmware.data)
    assert (offer["sha256"], offer["component"]) == (firmware.sha256, "app")
    assert offer["url"].endswith("/api/v2/micro/" + offer["fileName"])
    assert site.until_state(device, "notified")
    device.fetch(offer)
    site.until_state(device, "downloaded")
    assert device.report(offer["version"])["code"] == "200"
    assert site.task(device)["state"] == "succeeded"
    assert site.walk(device) == ["queued", "notified", "downloading", "downloaded", "succeeded"]


def test_notified_means_that_the_broker_took_it_and_no_more(site):
    product = site.product()
    device = site.device(product=product, arrive=False)
    site.push(site.firmware(product), device)
    site.until_state(device, "notified")
    time.sleep(0.5)
    assert site.task(device)["state"] == "notified"


def test_the_first_byte_is_downloading_and_the_last_one_downloaded(site):
    device, firmware = site.lamp(size=100_000)
    site.push(firmware, device)
    offer = device.offer()
    device.fetch_range(offer, 0, 49_999)
    site.until_state(device, "downloading")
    device.fetch_range(offer, 40_000, 89_999)
    time.sleep(0.5)
    assert site.task(device)["state"] == "downloading", "a part is missing"
    device.fetch_range(offer, 90_000, 99_999)
    site.until_state(device, "downloaded")


def test_the_report_of_the_task_s_token_is_success_in_any_live_state(site):
    device, firmware = site.lamp()
    site.push(firmware, device)
    offer = device.offer()
    assert device.report(offer["version"])["code"] == "200"
    assert site.task(device)["state"] == "succeeded"


def test_the_first_right_report_teaches_the_firmware_its_version(site):
    device, firmware = site.lamp()
    device.report("1.0.0")
    site.push(firmware, device)
    device.update("2.0.0")
    assert site.task(device)["state"] == "succeeded"
    assert site.db.value("SELECT version FROM firmware WHERE id = %s", firmware.id) == "2.0.0"
    other = site.device("lamp-2", firmware.product)
    site.push(firmware, other)
    assert other.offer()["version"] == "2.0.0", "the known version takes the place of the token"


def test_the_old_version_reported_before_the_bytes_came_proves_nothing(site):
    device, firmware = site.lamp()
    device.report("1.0.0")
    site.push(firmware, device)
    offer = device.offer()
    device.report("1.0.0")
    assert site.task(device)["state"] == "notified"
    device.fetch(offer)
    site.until_state(device, "downloaded")
    device.report("1.0.0")
    assert site.task(device)["state"] in ("downloaded", "failed")


def test_a_third_version_after_the_bytes_is_a_failure(site):
    device, firmware = site.lamp()
    device.report("1.0.0")
    site.push(firmware, device)
    device.update("2.0.0")
    site.push(firmware, device)
    offer = device.offer()
    device.fetch(offer)
    site.until_state(device, "downloaded")
    device.report("3.0.0")
    task = site.task(device)
    assert (task["state"], task["code"]) == ("failed", "unexpected_version")


def test_an_order_is_sent_even_if_the_device_has_that_version_and_wants_the_bytes_again(site):
    device, firmware = site.lamp()
    device.report("1.0.0")
    site.push(firmware, device)
    device.update("2.0.0")
    site.push(firmware, device)
    offer = device.offer()
    device.report("2.0.0")
    assert site.task(device)["state"] == "notified", "no byte was fetched since the order"
    device.fetch(offer)
    site.until_state(device, "downloaded")
    device.report("2.0.0")
    assert site.task(device)["state"] == "succeeded"


def test_progress_moves_the_task_but_100_is_not_success(site):
    device, firmware = site.lamp()
    site.push(firmware, device)
    task = device.offer()["taskId"]
    device.progress(task, 0)
    site.until_state(device, "accepted")
    device.progress(task, 50)
    site.until_state(device, "downloading")
    device.progress(task, 100)
    site.until_state(device, "installing")


@pytest.mark.parametrize("step, code", [(-1, "device_failed"), (-2, "download_failed"), (-3, "verify_failed"), (-4, "write_failed")])
def test_a_negative_step_is_a_failure_with_its_code(site, step, code):
    device, firmware = site.lamp()
    site.push(firmware, device)
    task = device.offer()["taskId"]
    device.progress(task, step, "why")
    assert site.until_state(device, "failed")["code"] == code


def test_a_late_right_report_turns_a_failure_into_success(site):
    device, firmware = site.lamp()
    site.push(firmware, device)
    offer = device.offer()
    device.progress(offer["taskId"], -1)
    site.until_state(device, "failed")
    device.report(offer["version"])
    assert site.task(device)["state"] == "succeeded"


def test_progress_of_a_stale_task_is_ignored(site):
    device, firmware = site.lamp()
    other = site.firmware(firmware.product, "other")
    site.push(firmware, device)
    stale = device.offer()["taskId"]
    site.push(other, device)
    fresh = device.offer()["taskId"]
    assert fresh != stale
    device.progress(stale, -1)
    device.progress("999999", -1)
    device.progress(fresh, 0)
    site.until_state(device, "accepted")
    assert [task["state"] for task in site.tasks(device)] == ["superseded", "accepted"]


def test_the_same_order_twice_is_one_task_sent_again(site):
    device, firmware = site.lamp()
    site.push(firmware, device)
    first = device.offer()
    site.until_state(device, "notified")
    assert site.push(firmware, device).code == 200
    second = device.offer()
    assert (first["taskId"], first["version"]) == (second["taskId"], second["version"])
    assert len(site.tasks(device)) == 1


def test_another_order_before_the_download_supersedes(site):
    device, firmware = site.lamp()
    other = site.firmware(firmware.product, "other")
    site.push(firmware, device)
    old = device.offer()
    site.push(other, device)
    new = device.offer()
    assert new["md5"] == other.md5
    assert [task["state"] for task in site.tasks(device)][0] == "superseded"
    assert device.web.get("/api/v2/micro/" + old["fileName"]).status == 410
    device.fetch(new)


def test_another_order_during_the_download_is_refused(site):
    device, firmware = site.lamp(size=100_000)
    other = site.firmware(firmware.product, "other")
    site.push(firmware, device)
    device.fetch_range(device.offer(), 0, 999)
    site.until_state(device, "downloading")
    assert site.push(other, device).code == 3002
    assert len(site.tasks(device)) == 1


@pytest.mark.config(**FAST)
def test_an_absent_device_gets_the_same_task_again_until_it_acts(site):
    product = site.product()
    device = site.device(product=product, arrive=False)
    firmware = site.firmware(product)
    site.push(firmware, device)
    site.until_state(device, "notified")
    time.sleep(1)
    device.arrive()
    offer = device.offer()
    assert int(offer["taskId"]) == site.task(device)["id"]
    again = device.offer()
    assert (again["taskId"], again["version"]) == (offer["taskId"], offer["version"])
    device.fetch(offer)
    site.until_state(device, "downloaded")
    while not device.client.messages.empty():
        device.client.messages.get()
    device.no_offer(within=2.5)


@pytest.mark.config(resend_min="1500ms", resend_max="60s")
def test_a_report_is_evidence_of_presence_and_brings_the_push_at_once(site):
    product = site.product()
    device = site.device(product=product, arrive=False)
    site.push(site.firmware(product), device)
    site.until_state(device, "notified")
    time.sleep(7.3)  # sent three times, the last time at least 1.5 s ago; the fourth is due in half a second at the earliest
    device.arrive()
    device.client.publish(device.topic + "/report", {"version": "1.0.0"})
    topics = {device.client.next(1).topic, device.client.next(1).topic}
    assert topics == {device.topic, device.topic + "/report_reply"}


def test_a_live_push_is_also_offered_at_a_poll(site):
    product = site.product()
    device = site.device(product=product, arrive=False)
    firmware = site.firmware(product)
    site.push(firmware, device)
    answer = device.poll().data
    assert answer["md5"] == firmware.md5
    got = device.web.get("/api/v2/micro/" + answer["fileName"]).must(200)
    assert got.body == firmware.data
    site.until_state(device, "downloaded")


def test_nothing_is_retained(site):
    device, firmware = site.lamp()
    site.push(firmware, device)
    device.offer()
    site.overseer().subscribe(device.topic).nothing(within=0.7)


def test_get_is_answered_with_the_offer_or_with_nothing(site):
    device, firmware = site.lamp()
    device.client.publish(device.topic + "/get", {})
    message = device.client.next()
    assert message.topic == device.topic + "/get_reply" and "fileName" not in message.json
    site.push(firmware, device)
    offer = device.offer()
    device.client.publish(device.topic + "/get", {})
    message = device.client.next()
    assert message.topic == device.topic + "/get_reply"
    assert message.json["fileName"] == offer["fileName"]


@pytest.mark.config(stall_timeout="1s")
def test_a_download_that_stalls_times_out(site):
    device, firmware = site.lamp(size=100_000)
    site.push(firmware, device)
    device.fetch_range(device.offer(), 0, 999)
    assert site.until_state(device, "timed_out", timeout=15)["stage"] == "downloading"


@pytest.mark.config(install_timeout="1s")
def test_a_device_that_never_reports_ends_unconfirmed(site):
    device, firmware = site.lamp()
    site.push(firmware, device)
    device.fetch(device.offer())
    site.until_state(device, "unconfirmed", timeout=15)


@pytest.mark.config(install_timeout="1s")
def test_a_device_that_stays_on_its_old_version_has_rolled_back(site):
    device, firmware = site.lamp()
    device.report("1.0.0")
    site.push(firmware, device)
    device.update("2.0.0")  # by which the firmware's version is known
    other = site.device("lamp-2", firmware.product)
    other.report("1.0.0")
    site.push(firmware, other)
    offer = other.offer()
    other.fetch(offer)
    site.until_state(other, "downloaded")
    other.report("1.0.0")
    assert site.until_state(other, "failed", timeout=15)["code"] == "rolled_back"


@pytest.mark.config(task_ttl="1s")
def test_a_task_that_never_reaches_its_device_is_given_up(site):
    product = site.product()
    device = site.device(product=product, arrive=False)
    site.push(site.firmware(product), device)
    site.until_state(device, "timed_out", timeout=15)


# ---- what should not be on the topics

RUBBISH = [
    b"", b"\x00", b"\xff\xfe\x00binary", b"null", b"[]", b"{", b"12", b'"text"', b"[" * 10_000, b'{"a":' * 10_000, b'{"version":null}', b'{"version":7}',
    b'{"version":""}', b'{"version":"' + b"v" * 1000 + b'"}', b'{"version":"\\u0000"}', b'{"version":"\xff"}', b'{"version":"1","component":"../x"}',
    b'{"taskId":"x","step":"y"}', b'{"taskId":1e300,"step":1}', b'{"taskId":"1","step":101}', b'{"taskId":"-1","step":-99999999999999999999}',
    os.urandom(60_000),
]


def test_rubbish_on_the_topics_moves_nothing_and_breaks_nothing(site):
    device, firmware = site.lamp()
    site.push(firmware, device)
    offer = device.offer()
    site.until_state(device, "notified")
    for tail in ("", "/report", "/progress", "/get"):
        for payload in RUBBISH:
            device.client.publish(device.topic + tail, payload)
    for name in ("nobody", "x" * 200, "a b", "..", "%00"):
        device.client.publish(f"/oc/devices/{name}/sys/ota/report", {"version": "1"})
    device.client.publish(device.topic + "/report", b"{", retain=True)
    device.fetch(offer)
    site.until_state(device, "downloaded")
    while not device.client.messages.empty():
        device.client.messages.get()
    device.client.publish(device.topic + "/report", {"version": offer["version"]})
    site.until_state(device, "succeeded")


def test_a_forged_push_is_counted_and_audited_once_for_many(site):
    device, _ = site.lamp()
    forged = {"fileName": "evil.bin", "version": "6.6.6", "md5": "0" * 32}
    for _ in range(20):
        device.client.publish(device.topic, forged)
    until(lambda: b"forged" in site.anybody.get("/metrics").body, "forged pushes are a metric")
    site.otad.until_logged("forged")
    until(lambda: re.search(rb"^otad_push_forged_total 20$", site.anybody.get("/metrics").body, re.M), "each is counted")
    site.otad.stop()  # what is gathered is written every minute, and at the end
    rows = [row for row in site.audit() if "forged" in json.dumps(row)]
    assert [(actor, action, target) for actor, action, target, _ in rows] == [("broker", "push.forged", "device/lamp-1")]
