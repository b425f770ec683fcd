"""Revocations: over $CONTROL, kept on disk, in force while the service is away; and what a broken request does not do."""

import json

import pytest
from harness import credentials
from harness.plugin_broker import CONTROL, KEY, PluginBroker, broker  # noqa: F401
from harness.process import until


@pytest.fixture
def service(broker):
    service = broker.service()
    yield service
    if broker.process.running():
        service.close()


def push_topic(name):
    return f"/oc/devices/{name}/sys/ota"


# --- what it does


def test_a_rotated_password_is_dead_and_the_next_one_good(broker, service):
    device = broker.device("lamp-1")
    bystander = broker.device("lamp-2")
    assert service.revoke(["lamp-1", 2, False]) == {**service.replies[f"q{len(service.replies)}"], "ok": True, "revision": 1, "kicked": 1}
    assert device.kicked()
    service.event("d", "lamp-1")
    assert broker.device("lamp-1").rc == 5
    fresh = broker.device("lamp-1", epoch=2)
    assert fresh.accepted and not bystander.gone.is_set()
    fresh.close()
    bystander.close()


def test_a_blocked_device_is_refused_by_any_password_until_it_is_unblocked(broker, service):
    device = broker.device("lamp-1", epoch=5)
    assert service.revoke(["lamp-1", 6, True])["kicked"] == 1
    assert device.kicked()
    assert [broker.device("lamp-1", epoch=e).rc for e in (1, 6, 700)] == [5, 5, 5]
    assert service.revoke(["lamp-1", 6, False])["kicked"] == 0
    assert broker.device("lamp-1", epoch=5).rc == 5
    device = broker.device("lamp-1", epoch=6)
    assert device.accepted
    device.close()


def test_only_connections_with_a_dead_epoch_are_kicked(broker, service):
    old = broker.device("lamp-1", client_id="old", epoch=1)
    new = broker.device("lamp-1", client_id="new", epoch=2)
    assert service.revoke(["lamp-1", 2, False])["kicked"] == 1
    assert old.kicked() and not new.gone.is_set()
    assert service.online() == {"lamp-1"} and service.events("lamp-1", "d") == []
    new.close()


def test_all_connections_of_a_blocked_device_are_kicked_and_nobody_else(broker, service):
    """By client id: behind a NAT, devices of the xiaozhi form share their user name."""
    ids = [f"G@@@aa_bb_cc_dd_ee_{i:02x}@@@u{k}" for i in range(3) for k in range(3)]
    peers = {client_id: broker.xiaozhi(client_id) for client_id in ids}
    assert len({p.paho._username for p in peers.values()}) == 1
    assert service.revoke(["aa_bb_cc_dd_ee_01", 1, True])["kicked"] == 3
    for client_id, peer in peers.items():
        assert peer.kicked() if "_01@@@" in client_id else not peer.gone.is_set()
    assert service.online() == {"aa_bb_cc_dd_ee_00", "aa_bb_cc_dd_ee_02"}
    for peer in peers.values():
        peer.close()


def test_a_kicked_devices_will_is_not_published(broker, service):
    service.subscribe("/oc/devices/lamp-1/#")
    device = broker.device("lamp-1", will=("/oc/devices/lamp-1/gone", "bye", 1, False))
    service.revoke(["lamp-1", 2, False])
    assert device.kicked()
    service.nothing()


def test_a_blocked_devices_persistent_session_gets_nothing(broker, service):
    for name, stays in (("lamp-1", True), ("lamp-2", False)):
        device = broker.device(name, clean=False)
        device.subscribe(push_topic(name))
        if not stays:
            device.close()
            service.event("d", name)
    service.revoke(["lamp-1", 2, True], ["lamp-2", 2, True])
    service.event("d", "lamp-1")
    for name in ("lamp-1", "lamp-2"):
        for _ in range(5):
            service.publish(push_topic(name), {"fileName": "not for you"})
    service.revoke(["lamp-1", 2, False], ["lamp-2", 2, False])
    for name in ("lamp-1", "lamp-2"):
        device = broker.device(name, clean=False, epoch=2)
        assert device.accepted
        device.nothing()
        device.close()


def test_a_blocked_devices_session_of_before_a_restart_gets_nothing(broker, service):
    device = broker.device("lamp-1", clean=False)
    device.subscribe(push_topic("lamp-1"))
    device.close()
    service.event("d", "lamp-1")
    service.revoke(["lamp-1", 2, True])
    broker.stop()
    broker.start()
    again = broker.service("otad:again")
    again.publish(push_topic("lamp-1"), {"fileName": "not for you"})
    again.revoke(["lamp-1", 2, False])
    device = broker.device("lamp-1", clean=False, epoch=2)
    assert device.resumed
    device.nothing()
    device.close()


# --- kept


@pytest.mark.parametrize("how", ["stop", "kill"])
def test_a_restarted_broker_refuses_while_the_service_is_away(broker, service, how):
    assert service.revoke(["lamp-1", 3, False], ["lamp-2", 1, True])["ok"]
    getattr(broker, how)()  # at once after the answer: by then it is on disk
    broker.start()
    assert broker.device("lamp-1", epoch=2).rc == 5
    assert broker.device("lamp-2").rc == 5
    device = broker.device("lamp-1", epoch=3)
    assert device.accepted
    device.close()
    assert broker.service("otad:back").ask("status")["revision"] == 1


def test_revocations_hold_without_the_service(broker, service):
    service.revoke(["lamp-1", 2, False])
    service.close()
    assert broker.device("lamp-1").rc == 5


def test_a_kill_in_the_middle_of_many_pages_loses_no_answered_one(broker, service):
    for i in range(200):
        request = {"id": f"p{i}", "cmd": "revoke", "from": i, "to": i + 1, "entries": [[f"lamp-{i}", 2, True]]}
        service.paho.publish(CONTROL, json.dumps(request), 1)
    service.until(lambda: len(service.replies) >= 20, "some are answered")
    broker.kill()
    answered = [int(k[1:]) for k, reply in service.replies.items() if reply["ok"]]
    assert answered, service.replies
    broker.start()
    back = broker.service("otad:back")
    status = back.ask("status")
    assert status["revision"] > max(answered) and status["entries"] == status["revision"]
    for i in answered[:5] + answered[-5:]:
        assert broker.device(f"lamp-{i}").rc == 5


def test_an_unfinished_end_of_the_file_is_cut_off(broker, service):
    service.revoke(["lamp-1", 2, True])
    broker.kill()
    with open(broker.state, "a") as file:
        file.write("lamp-2 2 1\nlam")
    broker.start()
    assert broker.service("otad:back").ask("status")["revision"] == 1
    assert broker.device("lamp-1").rc == 5
    device = broker.device("lamp-2")
    assert device.accepted and "lamp-2" not in broker.state.read_text()
    device.close()


@pytest.mark.parametrize("text", ["nonsense\n", "otad-revocations 1\nlamp 1 2 3 4\n= 1\n", ""])
def test_a_file_that_cannot_be_trusted_stops_the_broker_with_a_sentence(tmp_path, text):
    broker = PluginBroker(tmp_path / "broker")
    broker.state.write_text(text)
    if text == "":
        broker.start()  # cut before its first line was complete: nothing can have been promised
        assert broker.service().ask("status")["revision"] == 0
        broker.stop()
        return
    log = broker.refuses_to_start()
    assert str(broker.state) in log and "move it away" in log
    assert broker.state.read_text() == text


def test_a_directory_that_is_not_there_stops_the_broker_with_a_sentence(tmp_path):
    broker = PluginBroker(tmp_path / "broker")
    broker.state = tmp_path / "none" / "revocations"
    assert "No such file or directory" in broker.refuses_to_start()


def test_a_disk_that_is_full_is_told_and_the_revocation_in_force(broker, service, small_disk):
    broker.stop()
    disk = broker.dir / "disk"
    disk.mkdir()
    small_disk(disk, "256k", "root")
    broker.state = disk / "revocations"
    broker.start()
    again = broker.service("otad:again")
    ballast = disk / "ballast"
    with pytest.raises(OSError), ballast.open("wb", buffering=0) as file:
        while file.write(b"x" * 4096) == 4096:
            pass
        raise OSError("full to the last byte")
    entries = [[f"lamp-{'x' * 50}-{i}", 2, True] for i in range(1000)]
    device = broker.device(entries[7][0])
    for _ in range(2):
        reply = again.revoke(*entries, start=0)
        assert not reply["ok"] and "No space left" in reply["error"]
        assert device.kicked() and broker.device(entries[7][0]).rc == 5
        assert again.ask("status")["revision"] == 0
    ballast.unlink()
    assert again.revoke(*entries, start=0)["ok"]
    broker.kill()
    broker.start()
    assert broker.service("otad:third").ask("status")["entries"] == 1000
    broker.stop()


# --- pages


def test_pages_that_do_not_follow_are_a_gap(broker, service):
    def page(start, end, **more):
        reply = service.ask("revoke", **{"from": start, "to": end, "entries": [[f"lamp-{end}", 2, False]], **more})
        return reply["ok"], reply.get("error"), reply["revision"]

    assert page(0, 10) == (True, None, 10)
    assert page(11, 12) == (False, "gap", 10)
    assert page(3, 10) == (False, "gap", 10)
    assert page(10, 10) == (False, "gap", 10)
    assert page(12, 11) == (False, "gap", 10)
    assert page(5, 15) == (True, None, 15)
    assert page(15, 20) == (True, None, 20)
    assert page(900, 7, reset=True) == (True, None, 7)
    assert service.ask("status")["entries"] == 1


def test_a_reset_forgets_what_was_and_survives_a_restart(broker, service):
    service.revoke(["lamp-1", 2, True])
    assert service.ask("revoke", to=0, reset=True, entries=[])["ok"]
    device = broker.device("lamp-1")
    assert device.accepted
    device.close()
    assert service.ask("revoke", to=90, reset=True, entries=[["lamp-2", 4, False]])["ok"]
    broker.kill()
    broker.start()
    back = broker.service("otad:back")
    assert (back.ask("status")["revision"], back.ask("status")["entries"]) == (90, 1)
    assert broker.device("lamp-2", epoch=3).rc == 5


def test_a_thousand_entries_are_one_page_and_more_are_refused(broker, service):
    assert not service.revoke(*([f"lamp-{i}", 2, False] for i in range(1001)))["ok"]
    assert service.ask("status")["entries"] == 0
    assert service.revoke(*([f"lamp-{i}", 2, False] for i in range(1000)))["ok"]
    assert service.ask("status")["entries"] == 1000


def test_a_hundred_thousand_revocations_are_loaded_at_start(broker, service):
    for i in range(100):
        assert service.revoke(*([f"aa_bb_cc_dd_{i:02d}_{k:03d}", 2, k % 2 == 0] for k in range(1000)), start=i)["ok"]
    broker.kill()
    broker.start()
    assert broker.service("otad:back").ask("status") | {"id": 0, "boot": 0, "seq": 0} == {
        "id": 0, "ok": True, "boot": 0, "seq": 0, "revision": 100, "entries": 100000,
    }


BAD_ENTRIES = [
    "lamp-1", [], ["lamp-1"], ["lamp-1", 2], ["lamp-1", 2, True, 4], ["lamp-1", 2, "yes"], ["lamp-1", 2, None], ["lamp-1", 2, 2],
    ["lamp-1", "2", True], ["lamp-1", -1, True], ["lamp-1", 1.5, True], ["lamp-1", 2**31, True], ["lamp-1", 1e300, True], ["", 2, True],
    ["la/mp", 2, True], ["x" * 65, 2, True], ["lamp\n1", 2, True], [1, 2, True], {"device": "lamp-1"}, None, [["lamp-1"], 2, True],
]


@pytest.mark.parametrize("entry", BAD_ENTRIES, ids=lambda e: json.dumps(e)[:24])
def test_one_bad_entry_and_nothing_of_its_page_applies(broker, service, entry):
    device = broker.device("good-1")
    reply = service.revoke(["good-1", 2, True], entry, ["good-2", 2, True])
    assert not reply["ok"] and "entry 2" in reply["error"]
    status = service.ask("status")
    assert (status["entries"], status["revision"]) == (0, 0) and not device.gone.is_set()
    assert broker.state.read_text() == "otad-revocations 1\n= 0\n"
    device.close()


BAD_REQUESTS = [
    b"", b" ", b"null", b"[]", b'"x"', b"{", b"{}", b'{"id":"x"}', b'{"cmd":"status"}', b'{"id":1,"cmd":"status"}', b'{"id":"","cmd":"status"}',
    b'{"id":"x","cmd":""}', b'{"id":"x","cmd":"sleep"}', b'{"id":"x","cmd":"status","more":1}', b'{"id":"x","id":"y","cmd":"status"}',
    b'{"id":"' + b"x" * 65 + b'","cmd":"status"}', b'{"id":"x\\u0000","cmd":"status"}', b'{"id":"x","cmd":"status"} {}', b"\xff\xfe", b"\x00" * 1000,
    b"[" * 100000, b'{"id":"x","cmd":"revoke","entries":' + b"[" * 60000 + b"]" * 60000 + b"}", b'{"id":"x","cmd":"revoke"}',
    b'{"id":"x","cmd":"revoke","from":0,"to":1}', b'{"id":"x","cmd":"revoke","from":0,"to":1,"entries":{}}',
    b'{"id":"x","cmd":"revoke","from":-1,"to":1,"entries":[]}', b'{"id":"x","cmd":"revoke","from":0,"to":1e99,"entries":[]}',
    b'{"id":"x","cmd":"revoke","from":0,"to":1.5,"entries":[]}', b'{"id":"x","cmd":"revoke","to":1,"entries":[]}',
    b'{"id":"x","cmd":"revoke","from":0,"to":1,"entries":[],"reset":"yes"}', b'{"id":"x","cmd":"revoke","from":0,"to":1,"entries":[],"force":true}',
]


@pytest.mark.parametrize("number", range(len(BAD_REQUESTS)))
def test_a_bad_request_is_answered_with_a_sentence_and_does_nothing(broker, service, number):
    service.publish(CONTROL, BAD_REQUESTS[number])
    reply = service.until(lambda: list(service.replies.values()), "an answer")[0]
    assert reply["ok"] is False and len(reply["error"]) > 8
    assert service.ask("status") | {"id": 0, "boot": 0, "seq": 0} == {"id": 0, "ok": True, "boot": 0, "seq": 0, "revision": 0, "entries": 0}
    assert not service.gone.is_set()


def test_control_topics_beside_ours_are_denied(broker, service):
    for topic in (CONTROL + "/x", "$CONTROL/otad/v2", "$CONTROL/dynamic-security/v1"):
        service.publish(topic, {"id": "x", "cmd": "status"})
    assert service.ask("status")["ok"] and "x" not in service.replies


def test_every_replica_gets_its_own_answers(broker, service):
    other = broker.service("otad:other")
    assert other.ask("status")["ok"] and service.ask("status")["ok"]
    assert len(other.replies) == 1 and len(service.replies) == 1
    other.close()


def test_revoked_logins_with_the_right_signature_are_refused_like_wrong_ones(broker, service):
    service.revoke(["lamp-1", 2, True])
    username, password = credentials.plain(KEY, "lamp-1", "lamp-1")
    assert (username, password.split(".")[0]) == ("lamp-1", "1")
    assert broker.device("lamp-1").rc == broker.device("lamp-1", key=("k1", "another-secret-another")).rc == 5
    until(lambda: "otad: login of" in broker.process.text(), "it is logged")
    assert password not in broker.process.text()
