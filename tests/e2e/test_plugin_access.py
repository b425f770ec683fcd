"""What an authenticated device can try: others' topics, wildcards, wills, retained and forged messages."""

import pytest
from harness import credentials
from harness.plugin_broker import ACCEPTED, CONTROL, PRESENCE, PluginBroker, broker, connect_packet, crowd, packet  # noqa: F401
from harness.plugin_broker import raw, subscribe_packet, text

FOREIGN = [
    "#", "+", "+/#", "/#", "/+/+/+/#", "/oc/#", "/oc/devices/#", "/oc/devices/+/sys/ota", "/oc/devices/victim", "/oc/devices/victim/sys/ota",
    "/oc/devices/victim/#", "$SYS/#", "$SYS/broker/version", "$share/x/#", "$share/x//oc/devices/{self}/#", "$share/x//oc/devices/victim/#",
    "$CONTROL/#", CONTROL, "otad/v1/#", PRESENCE, "otad/v1/reply/#", "devices/p2p/#", "devices/p2p/{self}", "device-server/#", "device-server/{self}",
    "device-server/victim", "{self}", "/oc/devices/{self}",
]


@pytest.fixture
def service(crowd):
    service = crowd.service()
    yield service
    service.close()


@pytest.fixture
def device(crowd, request):
    device = crowd.device("dev-" + str(abs(hash(request.node.name)))[:12])
    device.name = device.paho._client_id.decode()
    device.base = f"/oc/devices/{device.name}"
    yield device
    device.close()


def test_a_device_reads_and_writes_its_own_tree(service, device):
    assert service.subscribe(device.base + "/#") == 1
    assert device.subscribe(device.base + "/#") == 1
    device.publish(device.base + "/sys/ota/report", {"version": "1"})
    assert service.next().json == {"version": "1"}
    assert device.next().json == {"version": "1"}
    service.publish(device.base + "/sys/ota", {"fileName": "x", "version": "2"})
    assert device.next().json["fileName"] == "x"


def test_a_device_writes_its_publish_topic(service, device):
    assert service.subscribe("device-server/+") == 1
    device.publish(f"device-server/{device.name}", b"\x00\x01")
    assert service.next().payload == b"\x00\x01"


@pytest.mark.parametrize("topic", FOREIGN)
def test_a_subscription_beyond_the_own_tree_is_denied(device, topic):
    assert device.subscribe(topic.format(self=device.name)) == 128


def test_nothing_of_another_device_is_read(crowd, service, device):
    victim = crowd.device("victim")
    assert victim.subscribe("/oc/devices/victim/#") == 1
    for topic in ("/oc/devices/victim/#", "#", "/oc/devices/+/sys/ota", "$share/x/#"):
        device.subscribe(topic)
    service.publish("/oc/devices/victim/sys/ota", {"fileName": "secret"})
    assert victim.next().json == {"fileName": "secret"}
    device.nothing()
    victim.close()


@pytest.mark.parametrize("retain", [False, True])
def test_nothing_is_written_for_another_device(crowd, service, device, retain):
    victim = crowd.device("victim")
    assert victim.subscribe("/oc/devices/victim/#") == 1
    assert service.subscribe("/oc/devices/victim/#") == 1
    for topic in ("/oc/devices/victim/sys/ota", "/oc/devices/victim/sys/ota/report", "device-server/victim", "devices/p2p/victim"):
        device.publish(topic, {"version": "1"}, retain=retain)
    victim.nothing()
    service.nothing(0.1)
    victim.close()


def test_what_is_told_by_the_plugin_cannot_be_forged(service, device):
    before = len(service.told)
    device.publish(PRESENCE, {"boot": "0" * 16, "seq": 1, "events": [["d", "victim"]]})
    device.publish("otad/v1/reply/otad:test", {"id": "q1", "ok": True})
    service.publish(PRESENCE, {"boot": "0" * 16, "seq": 1})  # not even by the service
    device.nothing(0.3)
    assert all(m["boot"] != "0" * 16 for m in service.told[before:])


def test_nothing_is_retained(crowd, service, device):
    device.publish(device.base + "/note", "kept", retain=True)
    device.publish(f"device-server/{device.name}", "kept", retain=True)
    again = crowd.device(device.name, client_id=device.name + "-2")
    assert again.subscribe(device.base + "/#") == 1
    again.nothing()
    again.close()
    assert service.subscribe(f"device-server/{device.name}") == 1
    service.nothing(0.2)


def with_will(crowd, name, topic, payload, retain=False):
    peer = crowd.device(name, will=(topic, payload, 1, retain))
    assert peer.accepted
    peer.vanish()


@pytest.mark.parametrize("topic", ["/oc/devices/victim/sys/ota", "devices/p2p/victim", "device-server/victim", "$SYS/broker/version", CONTROL])
def test_a_will_for_another_is_not_published(crowd, service, topic):
    victim = crowd.device("victim")
    victim.subscribe("/oc/devices/victim/#")
    service.subscribe("/oc/devices/victim/#")
    service.subscribe("device-server/#")
    with_will(crowd, "mortal", topic, '{"version":"will"}')
    service.event("d", "mortal")
    victim.nothing()
    service.nothing(0.1)
    victim.close()


def test_a_will_for_itself_is_published(crowd, service):
    service.subscribe("/oc/devices/mortal-2/#")
    with_will(crowd, "mortal-2", "/oc/devices/mortal-2/gone", "bye")
    assert service.next().payload == b"bye"


def test_a_will_is_neither_retained_nor_a_push(crowd, service):
    service.subscribe("/oc/devices/mortal-3/#")
    with_will(crowd, "mortal-3", "/oc/devices/mortal-3/gone", "bye", retain=True)
    with_will(crowd, "mortal-3", "/oc/devices/mortal-3/sys/ota", '{"url":"http://evil"}')
    assert service.event("f", "mortal-3") == ["f", "mortal-3", 1]
    service.nothing(0.2)


def test_a_forged_push_is_refused_told_and_counted(service, device):
    service.subscribe(device.base + "/#")
    device.subscribe(device.base + "/#")
    for i in range(20):
        device.publish(device.base + "/sys/ota", {"fileName": "evil.bin", "n": i}, qos=0)
    device.publish(device.base + "/sys/ota", "no JSON")
    device.publish(device.base + "/sys/ota", "")
    device.publish(device.base + "/sys/ota", {"status": "accepted"})
    assert service.next().json == {"status": "accepted"}
    assert device.next().json == {"status": "accepted"}
    service.until(lambda: sum(e[2] for e in service.events(device.name, "f")) == 20, "20 forged pushes are told")
    assert len(service.events(device.name, "f")) < 20


def test_the_control_topic_is_the_services(crowd, service, device):
    device.publish(CONTROL, {"id": "evil", "cmd": "revoke", "from": 0, "to": 99, "entries": [["victim", 9, True]]})
    five = crowd.device("five-control", v5=True)
    five.publish(CONTROL, {"id": "evil", "cmd": "status"})
    device.nothing(0.3)
    assert "evil" not in service.replies and service.ask("status")["revision"] == 0
    assert not device.gone.is_set() and not five.gone.is_set()
    five.close()


def test_the_service_reads_only_what_it_may(service):
    for topic in ("#", "$SYS/#", "+/#", "$CONTROL/#"):
        assert service.subscribe(topic) == 128
    for topic in ("/oc/devices/+/sys/ota", "device-server/+", "otad/v1/presence"):
        assert service.subscribe(topic, 0) == 0


def test_unsubscribing_is_always_allowed(device):
    for topic in ("#", "/oc/devices/victim/#"):
        assert device.paho.unsubscribe(topic)[0] == 0
    assert device.subscribe(device.base + "/#") == 1


def test_denials_are_counted(broker):
    service = broker.service()
    device = broker.device("lamp-1")
    device.subscribe("#")
    device.publish("/oc/devices/lamp-2/x", "{}")
    device.publish("/oc/devices/lamp-1/x", "{}", retain=True)
    device.publish("/oc/devices/lamp-1/sys/ota", "no JSON")
    device.publish("/oc/devices/lamp-1/sys/ota", {"url": "x"})
    service.publish("devices/p2p/lamp-1", "x")
    service.publish("devices/p2p/lamp-9", "x")
    assert broker.device("lamp-1", epoch=0).rc == 5
    assert broker.device("lamp-1", key=("k9", "unknown-secret-unknown")).rc == 5
    assert broker.device("lamp-1", key=("k1", "another-secret-another")).rc == 5
    assert broker.device("lamp-1", client_id="otad").rc == 5
    assert service.counters() == {
        "auth_good": 2, "auth_malformed": 1, "auth_unknown_key": 1, "auth_wrong": 1, "auth_revoked": 0, "auth_service_id": 1, "acl_denied": 2,
        "acl_retained": 1, "acl_unreadable": 1, "forged": 1, "p2p_delivered": 1, "p2p_absent": 1, "online": 1, "revocations": 0,
    }
    assert not device.gone.is_set()


def test_filters_are_bounded_in_number_and_length(crowd, device):
    """Ten thousand deep ones would cost the broker a gigabyte."""
    assert device.subscribe(device.base + "/" + "x" * (256 - len(device.base) - 1)) == 1
    assert device.subscribe(device.base + "/" + "x" * (257 - len(device.base) - 1)) == 128
    assert device.subscribe(device.base + "/" + "a/" * 150) == 128
    answers = [device.subscribe(f"{device.base}/{i}") for i in range(200)]
    assert answers == [1] * 127 + [128] * 73
    other = crowd.device("other")
    for i in range(200):  # what is unsubscribed does not count
        assert other.subscribe(f"/oc/devices/other/{i}") == 1
        other.paho.unsubscribe(f"/oc/devices/other/{i}")
    other.close()


def test_who_floods_itself_and_does_not_read_is_cut_before_the_memory_is_gone(tmp_path):
    broker = PluginBroker(tmp_path, settings=["memory_limit 67108864"]).start()
    other = broker.device("other")
    assert other.subscribe("/oc/devices/other/#") == 1
    username, password = credentials.plain(broker.key, "greedy", "greedy")
    sock, answer = raw(broker.port, connect_packet("greedy", username, password))
    assert answer == ACCEPTED
    sock.settimeout(5)
    sock.sendall(subscribe_packet("/oc/devices/greedy/#", qos=0))
    message = packet(0x30, text("/oc/devices/greedy/x") + b"x" * 100000)
    with pytest.raises(ConnectionError):
        for _ in range(2000):  # 200 MB
            sock.sendall(message)
    sock.close()
    other.publish("/oc/devices/other/x", "still here")
    assert other.next().payload == b"still here"
    other.close()
    broker.stop()
