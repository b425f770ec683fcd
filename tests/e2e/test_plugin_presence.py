"""Presence as the plugin tells it: numbered events, resumed sessions, takeovers, dumps, messages for one device."""

import concurrent.futures
import socket
import struct
import time

import pytest
from harness import credentials
from harness.plugin_broker import ACCEPTED, KEY, broker, connect_packet, raw, sanitizers, subscribe_packet  # noqa: F401
from harness.process import until


@pytest.fixture
def service(broker):
    service = broker.service()
    yield service
    # Without a gap: nothing was lost in any of these tests.
    numbers = [m["seq"] for m in service.told]
    assert numbers == list(range(numbers[0], numbers[0] + len(numbers))) if numbers else True
    assert len({m["boot"] for m in service.told}) <= 1
    service.close()


def push_topic(name):
    return f"/oc/devices/{name}/sys/ota"


def login_packet(name, clean=True, client_id=None):
    return connect_packet(client_id or name, *credentials.plain(KEY, client_id or name, name), clean=clean)


def hold(broker, name, **how):
    """A connection that costs no thread."""
    sock, answer = raw(broker.port, login_packet(name, **how))
    assert answer[:2] + answer[3:] == ACCEPTED[:2] + ACCEPTED[3:], answer
    return sock


# --- connected, subscribed, gone


def test_a_device_connects_subscribes_and_leaves(broker, service):
    device = broker.device("lamp-1")
    kind, name, resumed, age = service.event("c", "lamp-1")
    assert (kind, name, resumed) == ("c", "lamp-1", 0) and 0 <= age < 1000
    device.subscribe("/oc/devices/lamp-1/note")
    device.subscribe(push_topic("lamp-1"))
    kind, name, resumed, age = service.event("s", "lamp-1")
    assert (kind, name, resumed) == ("s", "lamp-1", 0) and 0 <= age < 1000  # the note was of this connection
    device.close()
    assert service.event("d", "lamp-1") == ["d", "lamp-1"]
    assert [e[0] for e in service.events("lamp-1")] == ["c", "s", "d"]


@pytest.mark.parametrize("filter", ["sys/ota", "#", "sys/+", "+/ota", "sys/ota/#"])
def test_any_filter_that_brings_pushes_is_told(broker, service, filter):
    device = broker.device("lamp-1")
    device.subscribe(f"/oc/devices/lamp-1/{filter}")
    assert service.event("s", "lamp-1")[2] == 0
    device.close()


def test_presence_is_told_within_a_moment(broker, service):
    begin = time.monotonic()
    device = broker.device("lamp-1")
    service.event("c", "lamp-1")
    device.subscribe(push_topic("lamp-1"))
    service.event("s", "lamp-1")
    assert time.monotonic() - begin < 0.8
    device.close()


def test_a_flood_of_subscriptions_is_told_in_few_events(broker, service):
    name = "lamp-1"
    sock, _ = raw(broker.port, login_packet(name) + subscribe_packet(push_topic(name)) * 2000)
    service.event("s", name)
    assert service.ask("status")["ok"]
    assert len(service.events(name, "s")) < 200
    sock.close()
    service.event("d", name)


def test_xiaozhi_devices_are_told_by_their_mac(broker, service):
    device = broker.xiaozhi("G@@@aa_bb_cc_dd_ee_ff@@@u")
    assert service.event("c", "aa_bb_cc_dd_ee_ff")[2] == 0
    device.close()
    service.event("d", "aa_bb_cc_dd_ee_ff")


def test_the_service_itself_is_no_device(broker, service):
    broker.service("otad:second").close()
    online, _ = service.dump()
    assert online == set() and service.events() == []


def test_a_connection_that_never_logs_in_is_not_told(broker, service):
    for data in (b"", b"\x10", b"\x00" * 100, b"GET / HTTP/1.0\r\n\r\n", subscribe_packet("#"), connect_packet("lamp-1", "lamp-1", "wrong")):
        sock = socket.create_connection(("127.0.0.1", broker.port))
        sock.sendall(data)
        sock.close()
    assert service.online() == set() and service.events() == []


def test_a_connect_that_fails_after_the_password_does_not_stay_online(broker, service):
    name = "lamp-1"
    username, password = credentials.plain(KEY, name, name)
    bad = [
        connect_packet(name, username, password, will=("/oc/devices/lamp-1/#", "x")),
        connect_packet(name, username, password, will=("", "x")),
        connect_packet(name, username, password) + connect_packet(name, username, password),
        connect_packet(name, username, password) + b"\xf0\x00",
    ]
    for data in bad:
        raw(broker.port, data, answer=8)[0].close()
    for _ in range(20):  # gone before the answer can be sent
        sock = socket.create_connection(("127.0.0.1", broker.port))
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        sock.sendall(connect_packet(name, username, password))
        sock.close()
    broker.device("the-last-one").close()
    service.event("d", "the-last-one")
    until(lambda: service.online() == set(), "nobody is online")
    assert not service.events(name) or service.events(name)[-1][0] == "d"


# --- sessions that resume


def test_a_session_that_resumes_is_told_so(broker, service):
    name = "lamp-1"
    first = broker.device(name, clean=False)
    first.subscribe(push_topic(name))
    assert service.event("c", name)[2] == 0 and service.event("s", name)[2] == 0
    first.close()
    second = broker.device(name, clean=False)
    assert second.resumed and service.event("c", name, 2)[2] == 1
    second.subscribe(push_topic(name))
    assert service.event("s", name, 2)[2] == 1
    second.close()
    third = broker.device(name, clean=True)
    assert service.event("c", name, 3)[2] == 0
    third.subscribe(push_topic(name))
    assert service.event("s", name, 3)[2] == 0
    third.close()


def test_a_session_that_resumes_by_mqtt_5_is_told_so(broker, service):
    name = "lamp-1"
    first = broker.device(name, clean=False, v5=True)
    first.subscribe(push_topic(name))
    first.close()
    second = broker.device(name, clean=False, v5=True)
    assert second.resumed and service.event("c", name, 2)[2] == 1
    second.close()


def test_a_takeover_of_a_session_is_told_as_resumed(broker, service):
    name = "lamp-1"
    first = broker.device(name, clean=False)
    first.subscribe(push_topic(name))
    second = broker.device(name, clean=False)
    assert first.kicked() and service.event("c", name, 2)[2] == 1
    assert service.events(name, "d") == []
    second.close()
    service.event("d", name)


@pytest.mark.parametrize("before", [False, True])
def test_what_is_subscribed_in_the_same_breath_is_not_from_before(broker, service, before):
    name = "lamp-1"
    if before:
        old = broker.device(name, clean=False)
        old.subscribe(push_topic(name))
        old.close()
        service.event("d", name)
    sock, _ = raw(broker.port, login_packet(name, clean=False) + subscribe_packet(push_topic(name)))
    connected, subscribed = service.event("c", name, 1 + before), service.event("s", name, 1 + before)
    assert (connected[2], subscribed[2]) == (before, before)
    sock.close()


def test_a_session_of_before_a_restart_is_told_as_resumed_and_read_by_its_owner_only(broker, service):
    name = "lamp-1"
    device = broker.device(name, clean=False)
    device.subscribe(push_topic(name))
    device.close()
    service.event("d", name)
    broker.stop()
    broker.start()
    again = broker.service("otad:again")
    again.publish(push_topic(name), {"fileName": "while away"})  # a READ check of a session that never logged in
    device = broker.device(name, clean=False)
    assert device.resumed and again.event("c", name)[2] == 1
    assert device.next().json == {"fileName": "while away"}
    device.close()
    again.close()


# --- takeovers and several connections


def test_a_takeover_keeps_the_device_online(broker, service):
    first = broker.device("lamp-1")
    second = broker.device("lamp-1")
    assert first.kicked()
    service.event("c", "lamp-1", 2)
    assert service.online() == {"lamp-1"} and service.events("lamp-1", "d") == []
    second.close()
    service.event("d", "lamp-1")
    assert service.online() == set()


def test_a_device_with_two_connections_is_gone_with_the_last(broker, service):
    one, two = broker.device("lamp-1"), broker.device("lamp-1", client_id="the other one")
    service.event("c", "lamp-1", 2)
    one.close()
    assert service.online() == {"lamp-1"} and service.events("lamp-1", "d") == []
    two.close()
    service.event("d", "lamp-1")
    assert service.online() == set()


def storm(broker, name, count):
    sock = None
    for _ in range(count):
        fresh = hold(broker, name)
        if sock:
            sock.close()
        sock = fresh
    return sock


def test_a_thousand_takeovers_leave_one_connection_and_no_memory(broker, service):
    storm(broker, "lamp-1", 1000).close()
    service.event("c", "lamp-1", 1000)
    service.event("d", "lamp-1")
    before = broker.resident_kb()
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        last = list(pool.map(lambda i: storm(broker, "lamp-2", 250), range(4)))
    service.event("c", "lamp-2", 1000, timeout=30)
    assert service.online() == {"lamp-2"} and service.events("lamp-2", "d") == []
    for sock in last:
        sock.close()
    service.event("d", "lamp-2")
    assert service.online() == set() and len(service.events("lamp-2", "d")) == 1
    if not sanitizers():
        assert broker.resident_kb() - before < 1024


# --- dumps and gaps


def test_a_dump_comes_in_pages(broker, service):
    names = {f"crowd-{i}" for i in range(2300)}
    socks = [hold(broker, name) for name in names]
    online, pages = service.dump()
    assert online == names
    assert [len(p["online"]) for p in pages] == [1000, 1000, 300]
    assert [p["first"] for p in pages] == [True, False, False] and [p["last"] for p in pages] == [False, False, True]
    service.until(lambda: {e[1] for e in service.events(kinds="c")} == names, "all were told one by one as well")
    assert max(len(m.get("events", [])) for m in service.told) <= 256
    for sock in socks:
        sock.close()
    service.until(lambda: {e[1] for e in service.events(kinds="d")} == names, "all were told to be gone")
    assert service.online() == set()


def replay(told):
    """What a listener believes that takes messages in the order of their numbers."""
    online = set()
    for message in sorted(told, key=lambda m: m["seq"]):
        if "online" in message:
            online = set() if message["first"] else online
            online |= set(message["online"])
        for event in message.get("events", []):
            if event[0] == "c":
                online.add(event[1])
            elif event[0] == "d":
                online.discard(event[1])
    return online


def test_dumps_and_events_together_are_the_truth(broker, service):
    late = broker.service("otad:late")
    steady = {f"steady-{i}": hold(broker, f"steady-{i}") for i in range(1500)}
    late.dump()
    del late.told[: next(i for i, m in enumerate(late.told) if m.get("first"))]  # it knows nothing of them by events
    with concurrent.futures.ThreadPoolExecutor(2) as pool:

        def churn(part):
            for i in range(400):
                steady.pop(f"steady-{part * 400 + i}").close()
                steady[f"new-{part}-{i}"] = hold(broker, f"new-{part}-{i}")

        jobs = [pool.submit(churn, part) for part in range(2)]
        while not all(job.done() for job in jobs):
            late.dump()
        for job in jobs:
            job.result()
    late.until(lambda: replay(late.told) == set(steady), "the listener knows who is online")
    assert late.online() == set(steady)
    for sock in steady.values():
        sock.close()
    late.close()


def test_too_many_dumps_at_once_are_told(broker, service):
    for i in range(50):
        service.paho.publish("$CONTROL/otad/v1", f'{{"id":"d{i}","cmd":"dump"}}', 1)
    service.until(lambda: len(service.replies) == 50, "all are answered")
    done = [i for i in range(50) if service.replies[f"d{i}"]["ok"]]
    service.until(lambda: len([m for m in service.told if m.get("last")]) == len(done), "those that began end")


def test_a_restarted_broker_tells_another_boot_and_counts_from_1(broker):
    first = broker.service()
    boot = first.ask("status")["boot"]
    assert len(boot) == 16
    broker.stop()
    broker.start()
    second = broker.service()
    assert second.ask("status")["boot"] != boot
    device = broker.device("lamp-1")
    second.event("c", "lamp-1")
    assert second.told[0]["seq"] == 1
    device.close()


# --- messages for one device


@pytest.mark.parametrize("qos", [0, 1, 2])
def test_a_message_for_one_device_needs_no_subscription(broker, service, qos):
    one, other = broker.device("lamp-1"), broker.device("lamp-2")
    twin = broker.device("lamp-1", client_id="the other one")
    service.event("c", "lamp-1", 2)
    service.publish("devices/p2p/lamp-1", '{"x":1}', qos)
    for peer in (one, twin):
        message = peer.next()
        assert (message.topic, message.json, message.qos, message.retain) == ("devices/p2p/lamp-1", {"x": 1}, qos, False)
    other.nothing(0.2)
    assert service.events(kinds="n") == []
    for peer in (one, twin, other):
        peer.close()


def test_a_message_for_an_absent_device_is_told(broker, service):
    service.publish("devices/p2p/nobody", "x")
    assert service.event("n", "nobody") == ["n", "nobody"]
    device = broker.device("lamp-1", clean=False)
    device.close()
    service.event("d", "lamp-1")
    service.publish("devices/p2p/lamp-1", "x")
    service.event("n", "lamp-1")
    device = broker.device("lamp-1", clean=False)
    device.nothing(0.3)
    device.close()


def test_odd_messages_for_one_device_harm_nobody(broker, service):
    device = broker.device("lamp-1")
    service.event("c", "lamp-1")
    for topic in ("devices/p2p/", "devices/p2p/lamp-1/x", "devices/p2p/" + "x" * 3000, "devices/p2p//"):
        service.publish(topic, "x")
    service.publish("devices/p2p/lamp-1", "")
    assert device.next().payload == b""
    service.publish("devices/p2p/lamp-1", b"\x00" * 100000, retain=True)
    message = device.next()
    assert len(message.payload) == 100000 and not message.retain
    assert service.subscribe("devices/p2p/#") == 1
    service.nothing(0.2)  # and nothing was retained
    device.close()
