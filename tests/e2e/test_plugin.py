"""The plugin as a library in Debian's Mosquitto: what it exports and needs, its options, SIGHUP, and settings that stop its clock."""

import re
import socket
import subprocess
import time

import pytest
from harness import credentials
from harness.plugin_broker import KEY, PLUGIN, SECRET, Peer, PluginBroker, Service, broker, text  # noqa: F401
from harness.process import until

SECOND = ("k2", "second-signing-secret-0123456789")


# --- the library


def symbols(path, which):
    out = subprocess.run(["nm", "-D", f"--{which}-only", str(path)], check=True, capture_output=True, text=True).stdout
    return {line.split()[-1].split("@")[0]: line.split()[-2] for line in out.splitlines()}


def test_nothing_but_the_three_entry_points_is_exported():
    ours = {name for name in symbols(PLUGIN, "defined") if not name.startswith(("__asan", "__ubsan", "__tsan", "__sanitizer", "___asan"))}
    assert ours == {"mosquitto_plugin_version", "mosquitto_plugin_init", "mosquitto_plugin_cleanup"}


def test_all_it_needs_is_there_in_debians_broker():
    needed = {name for name, kind in symbols(PLUGIN, "undefined").items() if kind == "U"}
    asked = {name for name in needed if name.startswith("mosquitto_")}
    assert asked and asked <= set(symbols("/usr/sbin/mosquitto", "defined"))
    # The rest is in the libraries that it names: with all of them the linker has nothing left to look for.
    unresolved = subprocess.run(["ldd", "-r", str(PLUGIN)], capture_output=True, text=True)
    missing = set(re.findall(r"undefined symbol: (\w+)", unresolved.stdout + unresolved.stderr))
    assert {name for name in missing if not name.startswith(("__asan", "__ubsan", "__tsan", "__sanitizer"))} == asked


def test_it_is_hardened():
    dynamic = subprocess.run(["readelf", "-dW", str(PLUGIN)], check=True, capture_output=True, text=True).stdout
    headers = subprocess.run(["readelf", "-lW", str(PLUGIN)], check=True, capture_output=True, text=True).stdout
    assert "NOW" in dynamic and "NODELETE" in dynamic and "RPATH" not in dynamic and "TEXTREL" not in dynamic
    assert "GNU_RELRO" in headers and re.search(r"GNU_STACK.* RW ", headers)


# --- options


def refusal(tmp_path, change):
    broker = PluginBroker(tmp_path / "broker")
    lines = change(broker, broker.plugin_lines())
    broker.plugin_lines = lambda: lines
    return broker.refuses_to_start()


@pytest.mark.parametrize("option", ["keys_file", "service_secret_file", "state_file"])
def test_a_missing_option_is_named(tmp_path, option):
    log = refusal(tmp_path, lambda _, lines: [line for line in lines if option not in line])
    assert f"plugin_opt_{option} is missing" in log


@pytest.mark.parametrize("line", ["plugin_opt_colour blue", "plugin_opt_state_file /tmp/another"])
def test_an_unknown_or_doubled_option_is_refused(tmp_path, line):
    log = refusal(tmp_path, lambda _, lines: [*lines, line])
    assert "is unknown" in log or "must be given once" in log


@pytest.mark.parametrize("name", ["keys", "secret"])
def test_a_secret_that_everyone_may_read_is_refused(tmp_path, name):
    def change(broker, lines):
        (broker.dir / name).chmod(0o644)
        return lines

    assert "chmod o=" in refusal(tmp_path, change)


def test_the_service_may_have_another_name(tmp_path):
    broker = PluginBroker(tmp_path / "broker")
    lines = [*broker.plugin_lines(), "plugin_opt_service_username ota-service"]
    broker.plugin_lines = lambda: lines
    broker.start()
    assert Peer(broker.port, "otad", "otad", broker.secret).rc == 5
    assert Service(broker.port, "otad", "ota-service", broker.secret).ask("status")["ok"]
    broker.stop()


def test_it_is_loaded_once(tmp_path):
    log = refusal(tmp_path, lambda _, lines: lines + lines[1:])
    assert "loaded twice" in log


# --- SIGHUP


def test_a_new_key_comes_and_an_old_one_goes_by_sighup(broker):
    service = broker.service()
    old = broker.device("lamp-1")
    assert broker.device("lamp-2", key=SECOND).rc == 5
    broker.set_keys(SECOND, KEY)
    broker.reload()
    new = broker.device("lamp-2", key=SECOND)
    assert new.accepted and broker.device("lamp-3", key=KEY).accepted
    assert not old.gone.is_set()
    broker.set_keys(SECOND)
    broker.reload()
    assert old.kicked(), "the broker asks again for everyone who is connected"
    service.event("d", "lamp-1")
    assert not new.gone.is_set() and broker.device("lamp-4", key=KEY).rc == 5
    assert service.online() == {"lamp-2"}
    new.close()


@pytest.mark.parametrize("lines", ["", "k1\n", "k1 short\n", "k1 " + "x" * 40 + "\nk1 " + "y" * 40 + "\n", None])
def test_a_bad_file_at_sighup_keeps_the_old_keys(broker, lines):
    if lines is None:
        broker.keys_file.unlink()
    else:
        broker.keys_file.write_text(lines)
    broker.set_secret("a new secret that comes with bad keys")
    broker.secret = SECRET
    broker.reload()
    assert "stay as they were" in broker.process.text()
    device = broker.device("lamp-1")
    assert device.accepted and broker.service().ask("status")["ok"]
    device.close()


def test_the_services_secret_changes_by_sighup(broker):
    service = broker.service()
    old = broker.secret
    broker.set_secret("another-password-of-the-service")
    broker.reload()
    assert service.kicked()
    fresh = broker.service()
    assert fresh.ask("status")["ok"]
    assert Peer(broker.port, "otad:x", "otad", old).rc == 5
    fresh.close()


def test_sighup_changes_nothing_for_who_is_connected(broker):
    service = broker.service()
    devices = [broker.device(f"lamp-{i}", clean=i % 2 == 0) for i in range(20)]
    service.event("c", "lamp-19")
    for _ in range(5):
        broker.reload()
    assert not any(d.gone.is_set() for d in devices) and not service.gone.is_set()
    assert len(service.events(kinds="c")) == 20 and service.events(kinds="d") == []
    for device in devices:
        device.close()


@pytest.mark.parametrize("restart", [False, True])
def test_sighup_leaves_sessions_of_the_absent_alone(tmp_path, restart):
    """The broker asks for their passwords too. Refused, they would be ended a second time, and stand twice in its list of what expires."""
    broker = PluginBroker(tmp_path / "broker", settings=["persistent_client_expiration 1d"])
    broker.start()
    for i in range(10):
        device = broker.device(f"lamp-{i}", clean=False)
        device.subscribe(f"/oc/devices/lamp-{i}/sys/ota")
        device.close()
    if restart:
        broker.stop()
        broker.start()
    service = broker.service()
    service.revoke(["lamp-1", 2, True])
    assert service.online() == set()
    del service.told[:]
    broker.set_keys(SECOND)
    ended = broker.process.text().count(" disconnected")
    for _ in range(3):
        broker.reload()
    assert service.ask("status")["ok"]
    assert broker.process.text().count(" disconnected") == ended and "refused: unknown_key" not in broker.process.text()
    assert service.online() == set() and service.events() == []
    service.publish("/oc/devices/lamp-5/sys/ota", {"fileName": "kept"})
    device = broker.device("lamp-5", clean=False)
    assert device.resumed and device.next().json == {"fileName": "kept"}
    device.close()
    assert broker.device("lamp-5", key=KEY).rc == 5
    assert broker.device("lamp-1", clean=False, epoch=1).rc == 5
    service.close()
    broker.stop()


def test_sessions_that_expire_after_sighup_do_not_end_the_broker(broker):
    """MQTT 5 sessions of a second; the key that signed them is gone."""
    service = broker.service()
    for i in range(5):
        name = f"lamp-{i}"
        username, password = credentials.plain(KEY, name, name)
        body = text("MQTT") + bytes([5, 0xC0, 0, 60, 5, 0x11, 0, 0, 0, 1]) + text(name) + text(username) + text(password)
        sock = socket.create_connection(("127.0.0.1", broker.port))
        sock.sendall(b"\x10" + bytes([len(body)]) + body)
        assert sock.recv(4)[3] == 0
        sock.close()
        service.event("d", name)
    broker.set_keys(SECOND)
    broker.reload()
    broker.reload()
    until(lambda: broker.process.text().count("Expiring client") >= 5, "the sessions expire", 10)
    time.sleep(1.5)
    assert service.ask("status")["ok"]


# --- a broker that does not tick


def test_with_per_listener_settings_all_works_but_later(tmp_path):
    broker = PluginBroker(tmp_path / "broker", per_listener=True)
    broker.start()
    service = broker.service()
    device = broker.device("lamp-1")
    assert device.accepted and broker.device("lamp-1", client_id="x", epoch=0).rc == 5
    assert device.subscribe("#") == 128 and device.subscribe("/oc/devices/lamp-1/#") == 1
    time.sleep(0.2)
    device.publish("/oc/devices/lamp-1/note", "any message makes it tell")
    assert service.event("c", "lamp-1")[3] >= 100
    service.publish("$CONTROL/otad/v1", {"id": "r", "cmd": "revoke", "from": 0, "to": 1, "entries": [["lamp-1", 2, False]]})
    assert device.kicked()

    def nudged():
        service.publish("/oc/devices/lamp-1/x", "")
        time.sleep(0.12)
        return service.replies.get("r")

    assert until(nudged, "the answer comes with the next messages")["ok"]
    until(lambda: nudged() and "does not tick" in broker.process.text(), "a warning in the log", 10)
    assert broker.process.text().count("does not tick") == 1
    broker.reload()
    assert broker.device("lamp-1").rc == 5, "SIGHUP opens no door"
    fresh = broker.device("lamp-1", epoch=2)
    assert fresh.accepted
    fresh.close()
    service.close()
    broker.stop()


# --- its end


def test_the_broker_ends_well_with_everyone_connected(broker):
    service = broker.service()
    devices = [broker.device(f"lamp-{i}", will=(f"/oc/devices/lamp-{i}/gone", "x", 1, False)) for i in range(20)]
    service.revoke(["lamp-1", 2, True])
    service.paho.publish("$CONTROL/otad/v1", '{"id":"x","cmd":"dump"}', 1)
    broker.stop()
    assert all(d.kicked() for d in devices)
    log = broker.process.text()
    assert "Sanitizer" not in log and "Error" not in log
    broker.start()
