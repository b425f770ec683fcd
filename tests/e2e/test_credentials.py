"""Who may speak: each device's own credentials, shown once, rotated and revoked, at the real broker and at the service's own doors."""

import base64
import json
import time

import pytest

from harness import keys, mqtt
from harness.process import Failure, until
from harness.service import PROGRAM  # noqa: F401

REFUSED = ("4", "5")  # CONNACK of MQTT 3.1.1: bad user name or password, not authorised


def credentials(site, device, verb=""):
    return site.operator.post(f"/api/v3/devices/{device}/credentials{verb}")


def connect(site, name, password, client_id=None, **more):
    return mqtt.Client(site.broker.port, client_id or name, username=name, password=password, **more)


def refused(site, name, password, client_id=None, **more):
    try:
        connect(site, name, password, client_id, **more).close()
    except Failure as failure:
        return str(failure).rsplit(" ", 1)[-1] in REFUSED
    return False


def cut(device):
    """Its connection is ended by the broker; the client is put away, or it would come back by itself."""
    until(lambda: not device.client.paho.is_connected(), "the connection is cut", timeout=5)
    device.leave()


def online(site, name):
    return site.viewer.get(f"/api/v3/devices/{name}").must(200).json["online"]


# ---- issued, shown, rotated

def test_creating_a_device_answers_what_it_logs_in_with(site):
    product = site.product()
    made = site.operator.post("/api/v3/devices", {"name": "lamp-1", "productId": product, "clientId": "c-7"}).must(201).json
    assert (made["clientId"], made["username"]) == ("c-7", "lamp-1")
    assert made["password"] == keys.password("lamp-1", "c-7")
    connect(site, "lamp-1", made["password"], "c-7").close()
    assert refused(site, "lamp-1", made["password"], "lamp-1"), "the client id is part of it"
    assert "password" not in site.viewer.get("/api/v3/devices/lamp-1").must(200).json
    assert "password" not in site.viewer.get("/api/v3/devices/lamp-1/credentials").must(200).json


def test_a_xiaozhi_device_gets_the_other_form(site):
    product = site.product()
    client_id = "GID_test@@@11_22_33_44_55_66@@@36c98363-3656-43cb-a00f-8bced2391a90"
    made = site.operator.post("/api/v3/devices", {"name": "11_22_33_44_55_66", "productId": product, "clientId": client_id}).must(201).json
    assert json.loads(base64.b64decode(made["username"]))["epoch"] == 1
    assert len(base64.b64decode(made["password"])) == 32
    device = mqtt.Client(site.broker.port, client_id, username=made["username"], password=made["password"])
    device.publish("device-server/11_22_33_44_55_66", {"type": "hello"})
    until(lambda: online(site, "11_22_33_44_55_66"), "it is seen")
    device.close()


def test_a_password_is_shown_once_and_a_new_one_by_rotating(site):
    site.device(arrive=False)
    assert credentials(site, "lamp-1").status == 409, "the creation has shown it"
    new = credentials(site, "lamp-1", "/rotate").must(200).json
    assert (new["epoch"], new["password"]) == (2, keys.password("lamp-1", epoch=2))
    assert new["brokerConfirmed"] is True
    assert refused(site, "lamp-1", keys.password("lamp-1"))
    connect(site, "lamp-1", new["password"]).close()
    site.db.rows("UPDATE devices SET shown_epoch = 0")  # of a device that was there before passwords were
    assert credentials(site, "lamp-1").must(200).json["password"] == new["password"]
    assert credentials(site, "lamp-1").status == 409


def test_rotating_twice_under_one_idempotency_key_rotates_once(site):
    site.device(arrive=False)
    first, second = (
        site.operator.post("/api/v3/devices/lamp-1/credentials/rotate", headers={"Idempotency-Key": "r1"}).must(200).json for _ in range(2)
    )
    assert first == second and first["epoch"] == 2


def test_only_operators_touch_credentials_and_it_is_audited(site):
    site.device(arrive=False)
    for verb in ("", "/rotate", "/block", "/unblock"):
        assert site.viewer.post(f"/api/v3/devices/lamp-1/credentials{verb}").status == 403
        assert site.anybody.post(f"/api/v3/devices/lamp-1/credentials{verb}").status == 401
    credentials(site, "lamp-1", "/rotate").must(200)
    credentials(site, "lamp-1", "/block").must(200)
    actions = [action for _, action, *_ in site.audit()]
    assert actions[-2:] == ["credential.rotate", "credential.block"]


@pytest.mark.parametrize("client_id", ["otad", "otad:x", "a|b", "G@@@x", "G@@@aa_bb_cc_dd_ee_ff@@@u"])
def test_a_client_id_that_is_not_a_device_s_is_refused_with_a_sentence(shared, client_id):
    product = shared.operator.get("/api/v3/products").json["items"]
    product = product[0]["id"] if product else shared.product()
    answer = shared.operator.post("/api/v3/devices", {"name": "odd", "productId": product, "clientId": client_id})
    assert answer.status == 400 and "client id" in answer.json["detail"]


# ---- revoked

def test_rotating_cuts_the_connection_and_the_old_password_is_dead(site):
    device = site.device()
    credentials(site, "lamp-1", "/rotate").must(200)
    cut(device)
    assert refused(site, "lamp-1", keys.password("lamp-1"))
    connect(site, "lamp-1", keys.password("lamp-1", epoch=2)).close()


def test_a_blocked_device_is_refused_everywhere_until_it_is_unblocked(site):
    device, firmware = site.lamp()
    site.push(firmware, device)
    offer = device.offer()
    assert credentials(site, "lamp-1", "/block").must(200).json["brokerConfirmed"] is True
    cut(device)
    assert refused(site, "lamp-1", keys.password("lamp-1"))
    assert device.web.get("/api/v2/micro/" + offer["fileName"]).status == 403
    assert device.poll().json["errorCode"] == 3003
    assert site.push(firmware, device).json["errorCode"] == 3003
    sentences = site.viewer.get("/api/v3/devices/lamp-1/explain").json["sentences"]["en"]
    assert sentences[0] == "an operator has blocked this device"
    assert site.viewer.get("/api/v3/devices/lamp-1").json["blocked"] is True

    credentials(site, "lamp-1", "/unblock").must(200)
    device.arrive()
    assert device.offer()["taskId"] == offer["taskId"], "its task has waited"
    device.fetch(offer)
    site.until_state(device, "downloaded")


def test_a_deleted_device_is_refused_and_its_name_begins_anew(site):
    product = site.product()
    device = site.device("lamp-1", product)
    site.operator.delete("/api/v3/devices/lamp-1").must(204)
    cut(device)
    assert refused(site, "lamp-1", keys.password("lamp-1"))
    made = site.operator.post("/api/v3/devices", {"name": "lamp-1", "productId": product}).must(201).json
    assert made["password"] == keys.password("lamp-1", epoch=2)
    connect(site, "lamp-1", made["password"]).close()


@pytest.mark.parametrize("change", [{"name": "lamp-2"}, {"clientId": "another"}])
def test_another_name_or_client_id_means_another_password(site, change):
    device = site.device()
    answer = site.operator.patch("/api/v3/devices/lamp-1", change).must(200).json
    cut(device)
    assert refused(site, "lamp-1", keys.password("lamp-1"))
    name, client_id = answer["name"], answer["clientId"]
    assert answer["password"] == keys.password(name, client_id, epoch=2)
    connect(site, name, answer["password"], client_id).close()


def test_a_change_of_nothing_that_matters_keeps_the_password(site):
    device = site.device()
    answer = site.operator.patch("/api/v3/devices/lamp-1", {"mac": "AA:BB:CC:DD:EE:FF"}).must(200).json
    assert "password" not in answer
    time.sleep(0.3)
    assert device.client.paho.is_connected()


def test_a_revoked_device_stays_out_when_the_broker_restarts_and_the_service_is_away(site):
    site.device(arrive=False)
    credentials(site, "lamp-1", "/block").must(200)
    site.otad.stop()
    site.broker.kill()
    site.broker.start()
    assert refused(site, "lamp-1", keys.password("lamp-1"))


def test_a_revocation_while_the_broker_is_away_is_told_when_it_is_back(site):
    site.device(arrive=False)
    site.broker.stop()
    assert credentials(site, "lamp-1", "/block").must(200).json["brokerConfirmed"] is False
    site.broker.start()
    until(lambda: refused(site, "lamp-1", keys.password("lamp-1")), "the broker knows", timeout=15)


def test_a_broker_that_lost_its_list_is_told_all_of_it_again(site):
    site.device(arrive=False)
    credentials(site, "lamp-1", "/block").must(200)
    site.broker.stop()
    (site.broker.dir / "revocations").unlink()
    site.broker.start()
    until(lambda: refused(site, "lamp-1", keys.password("lamp-1")), "the broker knows", timeout=15)


def test_after_a_backup_was_restored_the_broker_is_told_what_is_revoked_since(site):
    product = site.product()
    for name in ("a", "b", "c"):
        site.device(name, product, arrive=False)
    for name in ("a", "b"):
        credentials(site, name, "/block").must(200)
    site.broker.stop()
    site.db.rows("DELETE FROM revocations; UPDATE devices SET blocked_at = NULL")  # as it was before the two
    for name in ("c", "a", "a", "a"):  # and more than that until the broker is back
        credentials(site, name, "/rotate").must(200)
    site.broker.start()
    until(lambda: refused(site, "c", keys.password("c")), "the broker knows", timeout=15)


def test_thousands_of_revocations_reach_a_new_broker(site):
    site.db.rows("INSERT INTO revocations (device, epoch, blocked, rev) SELECT 'gone-' || i, 2, i % 2 = 0, i FROM generate_series(1, 5500) i")
    site.broker.stop()
    site.broker.start()
    until(lambda: b"otad_broker_revocations 5500" in site.anybody.get("/metrics").body, "all are there", timeout=30)
    assert refused(site, "gone-5500", keys.password("gone-5500"))


# ---- keys

def test_keys_are_rotated_without_disturbing_anybody(site):
    device = site.device()
    site.keys.write(site.keys.keys, f"k2 the-second-signing-key\n{keys.KEY_ID} {keys.KEY}\n")
    site.broker.process.child.send_signal(1)
    site.otad.reload()
    site.otad.until_logged("configuration reloaded")
    new = credentials(site, "lamp-1", "/rotate").must(200).json
    assert ".k2." in new["password"]
    other = site.operator.post("/api/v3/devices", {"name": "lamp-2", "productId": 1}).must(201).json
    connect(site, "lamp-2", other["password"]).close()
    connect(site, "lamp-2", keys.password("lamp-2")).close()  # issued before
    site.keys.write(site.keys.keys, "k2 the-second-signing-key\n")
    site.broker.process.child.send_signal(1)
    until(lambda: refused(site, "lamp-2", keys.password("lamp-2")), "the retired key is dead")
    connect(site, "lamp-2", other["password"]).close()
    assert device.client is not None


def test_a_bad_key_file_keeps_the_old_keys(site):
    site.device(arrive=False)
    site.keys.write(site.keys.keys, "rubbish\n")
    site.otad.reload()
    site.otad.until_logged("signing keys not reloaded")
    assert credentials(site, "lamp-1", "/rotate").must(200).json["password"] == keys.password("lamp-1", epoch=2)


# ---- presence

def test_who_is_connected_is_shown(site):
    device = site.device()
    until(lambda: online(site, "lamp-1"), "it is online")
    device.client.vanish()
    device.client = None
    until(lambda: not online(site, "lamp-1"), "it is not any more")


def test_presence_is_true_again_after_either_side_restarts(site):
    product = site.product()
    here, gone = site.device("here", product), site.device("gone", product)
    until(lambda: online(site, "here") and online(site, "gone"), "both are online")
    site.otad.kill()
    gone.leave()
    site.otad.start()
    until(lambda: online(site, "here") and not online(site, "gone"), "a dump tells")
    site.broker.restart_with_amnesia()
    until(lambda: online(site, "here"), "it has come back by itself", timeout=20)
    assert not online(site, "gone")
    here.leave()
    until(lambda: not online(site, "here"), "it is seen to leave")


def offers_within(device, seconds):
    time.sleep(seconds)
    found = []
    while not device.client.messages.empty():
        message = device.client.messages.get()
        if message.topic == device.topic:
            found.append(message.json["taskId"])
    return found


def test_a_device_that_arrives_gets_its_task_within_a_second_and_once(site):
    product = site.product()
    device = site.device(product=product, arrive=False)
    site.push(site.firmware(product), device)
    site.until_state(device, "notified")
    time.sleep(1)
    device.arrive()
    assert offers_within(device, 1.0) == ["1"]
    assert offers_within(device, 1.5) == []


def test_a_device_whose_session_resumes_gets_its_task_once(site):
    product = site.product()
    device = site.device(product=product, arrive=False)
    login = {"username": "lamp-1", "password": keys.password("lamp-1"), "clean": False}
    device.client = mqtt.Client(site.broker.port, "lamp-1", **login).subscribe(device.topic)
    device.leave()
    site.push(site.firmware(product), device)
    site.until_state(device, "notified")
    time.sleep(0.5)
    device.client = mqtt.Client(site.broker.port, "lamp-1", **login)
    assert offers_within(device, 1.0) == ["1"], "from its session's queue"
    device.client.subscribe(device.topic)  # as most clients do, session or not
    assert offers_within(device, 1.0) == []


def test_a_device_that_is_reset_during_its_download_gets_its_task_again_once(site):
    product = site.product()
    device = site.device(product=product)
    site.push(site.firmware(product), device)
    device.fetch_range(device.offer(), 0, 999)
    site.until_state(device, "downloading")
    device.client.vanish()
    time.sleep(1)
    device.arrive()
    assert offers_within(device, 1.0) == ["1"]
    assert offers_within(device, 1.0) == []


def test_a_session_that_listens_at_qos_0_gets_its_task_when_it_subscribes_again(site):
    product = site.product()
    device = site.device(product=product, arrive=False)
    login = {"username": "lamp-1", "password": keys.password("lamp-1"), "clean": False}
    device.client = mqtt.Client(site.broker.port, "lamp-1", **login).subscribe(device.topic, qos=0)
    device.leave()
    site.push(site.firmware(product), device)
    site.until_state(device, "notified")
    time.sleep(0.5)
    device.client = mqtt.Client(site.broker.port, "lamp-1", **login).subscribe(device.topic, qos=0)
    assert offers_within(device, 1.0) == ["1"]


def test_two_services_and_one_device_that_arrives_one_message(site):
    second = site.service("second", {"mqtt_client_id": "otad:second"})
    second.start()
    product = site.product()
    device = site.device(product=product, arrive=False)
    site.push(site.firmware(product), device)
    site.until_state(device, "notified")
    time.sleep(1.2)
    device.arrive()
    assert offers_within(device, 1.5) == ["1"]


def test_a_storm_of_returning_devices_is_served_once_each(site):
    product = site.product()
    firmware = site.firmware(product)
    devices = [site.device(f"lamp-{i}", product, arrive=False) for i in range(60)]
    for device in devices:
        site.push(firmware, device)
    until(lambda: site.db.value("SELECT count(*) FROM tasks WHERE state = 'notified'") == 60, "all have been told, and nobody heard it")
    time.sleep(1)
    for device in devices:
        device.arrive()
    time.sleep(2)
    got = [offers_within(device, 0) for device in devices]
    assert [len(offers) for offers in got] == [1] * 60, got


# ---- forged pushes

def test_a_device_s_forged_push_reaches_nobody(site):
    device = site.device()
    ear = site.overseer().subscribe("/oc/devices/+/sys/ota")
    device.client.publish(device.topic, {"fileName": "evil.bin", "version": "6.6.6", "md5": "0" * 32, "url": "http://evil"})
    device.client.nothing(within=0.5)
    ear.nothing(within=0.3)
