"""Passive updates: the device polls. An idle poll costs no SQL; an assignment is sticky."""

import time

import pytest

from harness.process import until


@pytest.fixture
def assigned(site):
    product = site.product()
    device = site.device(product=product, arrive=False)
    firmware = site.firmware(product)
    site.assign(firmware, device)
    return device, firmware


def test_a_poll_answers_what_was_assigned(site, assigned):
    device, firmware = assigned
    answer = device.poll()
    assert set(answer.data) == {"fileName", "version", "md5", "description"}
    assert (answer.data["version"], answer.data["md5"], answer.data["description"]) == ("1.8", firmware.md5, "a test")
    site.until_state(device, "notified")


def test_the_operator_s_answer_means_that_the_next_poll_sees_it(site):
    product = site.product()
    device = site.device(product=product, arrive=False)
    firmwares = [site.firmware(product, f"fw{i}") for i in range(2)]
    for turn in range(30):
        site.assign(firmwares[turn % 2], device, version=str(turn))
        assert device.poll().data["version"] == str(turn)


def test_the_task_walks_by_poll_and_download(site, assigned):
    device, firmware = assigned
    offer = device.poll().data
    assert device.web.get("/api/v2/micro/" + offer["fileName"]).must(200).body == firmware.data
    site.until_state(device, "downloaded")
    assert site.walk(device) == ["queued", "notified", "downloading", "downloaded"]
    device.arrive()
    device.report("1.8")
    assert site.task(device)["state"] == "succeeded"


def test_answer_and_alias_stay_after_success_and_no_new_task_begins(site, assigned):
    device, firmware = assigned
    offer = device.poll().data
    device.web.get("/api/v2/micro/" + offer["fileName"]).must(200)
    site.until_state(device, "downloaded")
    device.arrive()
    device.report("1.8")
    again = device.poll().data
    assert again == offer
    assert device.web.get("/api/v2/micro/" + again["fileName"]).must(200).body == firmware.data
    time.sleep(0.5)
    assert [task["state"] for task in site.tasks(device)] == ["succeeded"]


def test_a_withdrawn_assignment_is_gone_and_its_alias_revoked(site, assigned):
    device, _ = assigned
    offer = device.poll().data
    row = site.viewer.get("/api/v2/otaPassive").data[0]
    site.operator.delete("/api/v2/otaPassive", id=row["id"]).must(200)
    assert device.poll().code == 1001
    assert device.web.get("/api/v2/micro/" + offer["fileName"]).status == 410
    assert site.task(device)["state"] == "cancelled"


def test_a_device_without_assignment_is_told_1001(site):
    device = site.device(arrive=False)
    answer = device.poll()
    assert (answer.status, answer.code, answer.json["data"]) == (200, 1001, None)


def test_no_token_is_needed_for_a_poll(site, assigned):
    device, _ = assigned
    assert device.web.token is None
    assert device.poll().status == 200


def settle(site):
    """Nothing runs in the background that would be counted: the same number of statements for half a second."""

    def quiet():
        before = site.db.statements()
        time.sleep(0.5)
        return site.db.statements() == before

    until(quiet, "the service runs no statements by itself", timeout=20)


@pytest.mark.config(resend_min="10m", resend_max="10m")
def test_an_idle_poll_costs_no_SQL(site, assigned):
    device, _ = assigned
    other = site.device("lamp-2", site.product("door"), arrive=False)
    assert device.poll().code == 200
    assert other.poll().code == 1001
    site.until_state(device, "notified")
    settle(site)
    before = site.db.calls()
    began = time.monotonic()
    for _ in range(200):
        assert device.poll().code == 200
        assert other.poll().code == 1001
    after = site.db.calls()
    seconds = time.monotonic() - began
    ran = {text: calls - before.get(text, 0) for text, calls in after.items() if calls > before.get(text, 0)}
    # The service looks at its change feed and its outbox every five seconds, however many polls come; nothing else may run.
    clockwork = {text: ran.pop(text) for text in list(ran) if "FROM changes" in text or "outbox" in text}
    assert ran == {}, "statements for 400 idle polls"
    assert sum(clockwork.values()) <= 4 * (1 + seconds / 5), clockwork


def test_head_of_a_poll_has_no_body(site, assigned):
    device, _ = assigned
    answer = device.web.head("/api/v2/otaPassiveEnable", deviceName=device.name)
    assert (answer.status, answer.body) == (200, b"")


def test_a_thousand_one_shot_polls_at_once_are_all_answered(site, assigned):
    """127, 128, 256 and 1,024: a server whose loop hangs at a multiple of 128 ready sockets fails here."""
    import selectors
    import socket

    device, _ = assigned
    request = f"GET /api/v2/otaPassiveEnable?deviceName={device.name} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode()
    for crowd in (127, 128, 256, 1024):
        links = [socket.create_connection(("127.0.0.1", site.otad.port), 10) for _ in range(crowd)]
        for link in links:
            link.sendall(request)
        waiting = selectors.DefaultSelector()
        for link in links:
            waiting.register(link, selectors.EVENT_READ)
        answered = 0
        deadline = time.monotonic() + 20
        while answered < crowd and time.monotonic() < deadline:
            for key, _ in waiting.select(1):
                assert key.fileobj.recv(65536).startswith(b"HTTP/1.1 200"), "an answer"
                waiting.unregister(key.fileobj)
                answered += 1
        for link in links:
            link.close()
        assert answered == crowd, f"{answered} of {crowd} were answered"
