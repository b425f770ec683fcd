"""A real RabbitMQ with its MQTT and HTTP-auth plugins (Debian's 3.10), which asks otad about every login and topic."""

import json

import pytest

from harness import credentials, keys
from harness.plugin_broker import Peer
from harness.process import until
from harness.rabbit import Rabbit

SECRET = "the-brokers.own_secret~0123456789"
KEY = (keys.KEY_ID, keys.KEY)
MAC = "aa_bb_cc_dd_ee_ff"
XIAOZHI = f"GID_test@@@{MAC}@@@uuid-1"

pytestmark = pytest.mark.config(broker_hook_secret=SECRET)


class Place:
    """An otad, a RabbitMQ that asks it, and clients of that broker."""

    def __init__(self, site, rabbit):
        self.site = site
        self.rabbit = rabbit
        self.product = site.product("rabbit")
        self.open = []

    def register(self, name):
        return self.site.device(name, self.product, arrive=False)

    def peer(self, client_id, username, password, **how):
        peer = Peer(self.rabbit.port, client_id, username, password, **how)
        self.open.append(peer)
        return peer

    def device(self, name, **how):
        return self.peer(name, *credentials.plain(KEY, name, name), **how)

    def service(self, name="otad:test"):
        peer = self.peer(name, keys.SERVICE_USERNAME, keys.SERVICE_PASSWORD)
        assert peer.accepted
        return peer

    def leave(self):
        while self.open:
            peer = self.open.pop()
            if not peer.gone.is_set():
                peer.close()


@pytest.fixture(scope="module")
def running(shared):
    rabbit = Rabbit(shared.otad.url, SECRET)
    try:
        place = Place(shared, rabbit.start())
        for name in ("lamp-1", "lamp-2", MAC):
            place.register(name)
        yield place
    finally:
        rabbit.stop()


@pytest.fixture
def place(running):
    yield running
    running.leave()


def hears(peer, topic, text):
    message = peer.next()
    assert (message.topic, message.payload) == (topic, text.encode()), message


def ends(peer):
    """How RabbitMQ refuses what a connected 3.1.1 client may not: it closes the connection."""
    assert peer.kicked(), "the connection ends"


# ---- logins


def test_devices_of_both_forms_and_the_service_log_in(place):
    assert place.device("lamp-1").accepted
    assert place.peer("a name / of the operator's+choice", *credentials.plain(KEY, "a name / of the operator's+choice", "lamp-2")).accepted
    assert place.peer(XIAOZHI, *credentials.xiaozhi(KEY, XIAOZHI)).accepted
    assert place.service().accepted


def wrong_logins():
    user, word = credentials.plain(KEY, "lamp-1", "lamp-1")
    return {
        "no login at all": ("lamp-1", None, None),
        "no password": ("lamp-1", user, ""),
        "altered": ("lamp-1", user, word[:-3] + "AAA"),
        "another's client id": ("lamp-2", user, word),
        "another key": ("lamp-1", *credentials.plain(("k1", "not-the-key-of-the-tests"), "lamp-1", "lamp-1")),
        "an epoch that is not": ("lamp-1", *credentials.plain(KEY, "lamp-1", "lamp-1", 2)),
        "a device nobody knows": ("ghost", *credentials.plain(KEY, "ghost", "ghost")),
        "two parts": (f"GID@@@{MAC}", *credentials.xiaozhi(KEY, f"GID@@@{MAC}")),
        "a service id": ("otad", *credentials.plain(KEY, "otad", "lamp-1")),
        "the service's password under a device's id": ("lamp-1", keys.SERVICE_USERNAME, keys.SERVICE_PASSWORD),
        "another virtual host": ("lamp-1", "other:" + user, word),
        "RabbitMQ's own first account": ("lamp-1", "guest", "guest"),
        "long": ("lamp-1", "u" * 60000, "p" * 60000),
    }


@pytest.mark.parametrize("name", wrong_logins())
def test_a_wrong_login_is_refused(place, name):
    peer = place.peer(*wrong_logins()[name])
    assert not peer.accepted


def test_a_rotated_password_is_refused_and_the_new_one_let_in(place):
    place.register("rotated")
    before = place.device("rotated")
    assert before.accepted
    before.close()
    fresh = place.site.admin.post("/api/v3/devices/rotated/credentials/rotate").must(200).json
    until(lambda: not place.device("rotated").accepted, "the old password is refused")
    assert place.peer("rotated", fresh["username"], fresh["password"]).accepted


def test_a_blocked_device_is_refused_at_its_next_login(place):
    place.register("blocked")
    peer = place.device("blocked")
    assert peer.accepted
    place.site.admin.post("/api/v3/devices/blocked/credentials/block").must(200)
    peer.close()
    until(lambda: not place.device("blocked").accepted, "it is refused")
    place.site.admin.post("/api/v3/devices/blocked/credentials/unblock").must(200)
    until(lambda: place.device("blocked").accepted, "it is let in again")


def test_a_device_blocked_while_connected_is_out_when_rabbitmq_asks_again(place):
    """It does at the first publish after the connection was idle, when it forgets the answers it had; what comes down is not asked about."""
    place.register("caught")
    device, service = place.device("caught"), place.service()
    assert device.subscribe("/oc/devices/caught/#") == 1
    device.publish("/oc/devices/caught/x", "before")
    hears(device, "/oc/devices/caught/x", "before")
    place.site.admin.post("/api/v3/devices/caught/credentials/block").must(200)
    service.publish("/oc/devices/caught/x", "down")
    hears(device, "/oc/devices/caught/x", "down")
    until(lambda: device.paho.publish("/oc/devices/caught/x", "after", 1) and device.kicked(2), "its publish is refused", 30)


# ---- topics


def test_a_device_and_the_service_talk(place):
    device, service = place.device("lamp-1"), place.service()
    assert device.subscribe("/oc/devices/lamp-1/#") == 1
    assert service.subscribe("/oc/devices/+/sys/ota/#") == 1 and service.subscribe("device-server/#", 0) == 0
    service.publish("/oc/devices/lamp-1/sys/ota", "down")
    hears(device, "/oc/devices/lamp-1/sys/ota", "down")
    hears(service, "/oc/devices/lamp-1/sys/ota", "down")
    device.publish("/oc/devices/lamp-1/sys/ota/report", "up")
    hears(service, "/oc/devices/lamp-1/sys/ota/report", "up")
    device.publish("device-server/lamp-1", "on its way", qos=0)
    hears(service, "device-server/lamp-1", "on its way")


def test_a_xiaozhi_device_has_the_topics_of_its_mac(place):
    device, service = place.peer(XIAOZHI, *credentials.xiaozhi(KEY, XIAOZHI)), place.service()
    assert device.subscribe(f"/oc/devices/{MAC}/sys/ota") == 1
    service.publish(f"/oc/devices/{MAC}/sys/ota", "down")
    hears(device, f"/oc/devices/{MAC}/sys/ota", "down")


FOREIGN = ["#", "+/#", "/oc/devices/+/sys/ota", "/oc/devices/*/sys/ota", "/oc/devices/lamp-2/#", "$SYS/#", "$share/g//oc/devices/lamp-2/#", "device-server/lamp-2"]


@pytest.mark.parametrize("topic", FOREIGN)
def test_a_foreign_subscription_is_refused(place, topic):
    device, service = place.device("lamp-1"), place.service()
    device.paho.subscribe(topic, 1)
    ends(device)
    service.publish("/oc/devices/lamp-2/sys/ota", "for lamp-2")
    device.nothing()
    assert device.acks.empty() or device.acks.get()[0] == 128


@pytest.mark.parametrize("topic", ["/oc/devices/lamp-2/sys/ota", "device-server/lamp-2", ".oc.devices.lamp-2.sys.ota", "devices/p2p/lamp-2", "otad/v1/presence"])
def test_a_foreign_publish_reaches_nobody(place, topic):
    victim, service, device = place.device("lamp-2"), place.service(), place.device("lamp-1")
    assert victim.subscribe("/oc/devices/lamp-2/#") == 1
    for mine in ("/oc/devices/#", "device-server/#", "otad/v1/#"):
        assert service.subscribe(mine) == 1
    device.paho.publish(topic, "forged", 1)
    ends(device)
    victim.nothing()
    service.nothing(0.1)


def test_a_foreign_will_reaches_nobody_and_an_own_one_does(place):
    victim, service = place.device("lamp-2"), place.service()
    assert victim.subscribe("/oc/devices/lamp-2/#") == 1 and service.subscribe("/oc/devices/#") == 1
    for topic in ("/oc/devices/lamp-2/sys/ota", "/oc/devices/lamp-1/sys/state"):
        device = place.device("lamp-1", will=(topic, "gone", 1, True))
        assert device.accepted
        device.vanish()
        device.gone.set()
    hears(service, "/oc/devices/lamp-1/sys/state", "gone")
    victim.nothing()
    service.nothing(0.1)


def test_nothing_is_retained(place):
    """RabbitMQ does not ask; deploy/rabbitmq.conf.example tells it to keep none."""
    device = place.device("lamp-1")
    device.publish("/oc/devices/lamp-1/sys/state", "kept?", retain=True)
    assert device.subscribe("/oc/devices/lamp-1/sys/state") == 1
    device.nothing(1)


def test_a_persistent_session_keeps_its_messages(place):
    """Its queues are declared, left and found again, all of which RabbitMQ asks about."""
    device, service = place.device("lamp-2", clean=False), place.service()
    assert device.subscribe("/oc/devices/lamp-2/sys/ota") == 1
    device.close()
    service.publish("/oc/devices/lamp-2/sys/ota", "later")
    back = place.device("lamp-2", clean=False)
    hears(back, "/oc/devices/lamp-2/sys/ota", "later")
    back.close()
    place.device("lamp-2").close()  # a clean one removes them


def test_otads_push_updates_a_device_behind_rabbitmq(place):
    """otad's link speaks MQTT 5, which RabbitMQ knows from 3.13: with this one, a relay with the service's login on both brokers carries the messages."""
    site = place.site
    updated = place.register("updated")
    device, here, there = place.device("updated"), place.service("otad:relay"), site.overseer("relay")
    topic = "/oc/devices/updated/sys/ota"
    there.paho.on_message = lambda _c, _u, m: here.paho.publish(m.topic, m.payload, 1)
    there.subscribe(topic)
    here.paho.on_message = lambda _c, _u, m: there.paho.publish(m.topic, m.payload, 1)
    assert here.subscribe(topic + "/report") == 1 and device.subscribe(topic) == 1
    firmware = site.firmware(place.product, "behind")
    site.push(firmware, updated)
    offer = json.loads(device.next().payload)
    got = site.anybody.get("/api/v2/micro/" + offer["fileName"]).must(200)
    assert got.body == firmware.data
    device.publish(topic + "/report", {"version": offer["version"], "taskId": offer["taskId"]})
    site.until_state(updated, "succeeded")


def test_while_otad_is_away_nobody_new_gets_in(place):
    place.site.otad.stop()
    try:
        assert not place.device("lamp-1").accepted
    finally:
        place.site.otad.start()
    assert place.device("lamp-1").accepted
