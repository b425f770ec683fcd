"""A Mosquitto of one's own with the plugin, as deploy/up runs it, and clients that know its credentials."""

import itertools
import json
import os
import queue
import re
import signal
import socket
import subprocess
import threading
import time
from pathlib import Path

import paho.mqtt.client as paho
import pytest
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from . import credentials
from .process import Failure, Process, free_port, listening, until

ROOT = Path(__file__).resolve().parents[3]
BUILD = Path(os.environ.get("OTAD_TEST_BUILD", ROOT / "build/asan"))
PLUGIN = BUILD / "service/plugin/otad_plugin.so"

KEY = ("k1", "first-signing-secret-0123456789")
SECRET = "password-of-the-service-0123456789"
CONTROL = "$CONTROL/otad/v1"
PRESENCE = "otad/v1/presence"


def sanitizers():
    found = re.search(r"^OTAD_SANITIZE:STRING=(.*)$", (BUILD / "CMakeCache.txt").read_text(), re.M)
    return found.group(1) if found else ""


def runtime():
    """The sanitizer's runtime that a plain Mosquitto needs before a plugin that was built with it (with the thread sanitizer it never is)."""
    if "address" not in sanitizers():
        return None
    return subprocess.run(["gcc", "-print-file-name=libasan.so"], check=True, capture_output=True, text=True).stdout.strip()


def environment():
    """Freed memory is overwritten, so that a broker that was led to use it falls over in the test."""
    env = dict(os.environ)
    library = runtime()
    if library:
        env["LD_PRELOAD"] = library
        # What the broker itself leaks is not ours to judge; tests measure the plugin's memory.
        env["ASAN_OPTIONS"] = env.get("ASAN_OPTIONS", "") + ":detect_leaks=0:verify_asan_link_order=0:max_free_fill_size=8192:free_fill_byte=90"
    else:
        env["MALLOC_PERTURB_"] = "165"
    return env


def secret_file(path, text):
    path.write_text(text)
    path.chmod(0o600)
    return path


class PluginBroker:
    """deploy/mosquitto.conf with the plugin. settings: further lines of the configuration."""

    def __init__(self, directory, keys=(KEY,), secret=SECRET, per_listener=False, settings=()):
        self.dir = Path(directory)
        self.dir.mkdir(exist_ok=True)
        self.process = Process("mosquitto", self.dir / "log")
        self.port = None
        self.state = self.dir / "revocations"
        self.per_listener = per_listener
        self.settings = list(settings)
        self.set_keys(*keys)
        self.set_secret(secret)

    # --- configuration

    def set_keys(self, *keys):
        self.keys_file = secret_file(self.dir / "keys", "".join(f"{key_id} {secret}\n" for key_id, secret in keys))
        self.key = keys[0]

    def set_secret(self, secret):
        self.secret = secret
        self.secret_file = secret_file(self.dir / "secret", secret + "\n")

    def plugin_lines(self):
        return [
            "allow_anonymous false",
            f"plugin {PLUGIN}",
            f"plugin_opt_keys_file {self.keys_file}",
            f"plugin_opt_service_secret_file {self.secret_file}",
            f"plugin_opt_state_file {self.state}",
        ]

    def config(self):
        ours = ("per_listener_settings", "allow_anonymous", "plugin", "listener", "persistence_location")
        base = [line for line in (ROOT / "deploy/mosquitto.conf").read_text().splitlines() if not line.startswith(ours)]
        listener = [f"listener {self.port} 127.0.0.1"]
        blocks = listener + self.plugin_lines() if self.per_listener else self.plugin_lines() + listener
        user = ["user root"] if os.geteuid() == 0 else []
        first = [f"per_listener_settings {str(self.per_listener).lower()}"]
        return "\n".join(first + base + [f"persistence_location {self.dir}/"] + user + self.settings + blocks) + "\n"

    # --- life

    def spawn(self):
        self.port = self.port or free_port()
        config = self.dir / "mosquitto.conf"
        config.write_text(self.config())
        self.process.spawn(["/usr/sbin/mosquitto", "-c", str(config)], env=environment())

    def start(self):
        self.spawn()
        self.process.until_ready(lambda: listening(self.port), 20)
        return self

    def refuses_to_start(self):
        """Starts it, waits for its end and returns what it logged."""
        self.spawn()
        until(lambda: not self.process.running(), "the broker ends", 20)
        self.process.end()
        return self.process.text()

    def stop(self):
        if self.process.child is not None:
            assert self.process.running(), f"the broker died:\n{self.process.tail()}"
            status = self.process.end()
            assert status == 0, f"the broker ended with {status}:\n{self.process.tail()}"

    def kill(self):
        self.process.kill()

    def reload(self):
        """SIGHUP, until the plugin says that it has read its files (or not). One that comes while the broker still works on the last is lost to it."""
        told = self.process.text().count("otad: keys and secret")
        for _ in range(10):
            os.kill(self.process.pid, signal.SIGHUP)
            try:
                until(lambda: self.process.text().count("otad: keys and secret") > told, "the plugin says that it has reloaded", 2)
                return
            except Failure:
                pass
        raise Failure(f"no reload:\n{self.process.tail()}")

    def resident_kb(self):
        return int(re.search(r"VmRSS:\s+(\d+)", Path(f"/proc/{self.process.pid}/status").read_text()).group(1))

    # --- clients

    def device(self, name, client_id=None, epoch=1, key=None, **how):
        client_id = client_id or name
        username, password = credentials.plain(key or self.key, client_id, name, epoch)
        return Peer(self.port, client_id, username, password, **how)

    def xiaozhi(self, client_id, epoch=1, key=None, **how):
        username, password = credentials.xiaozhi(key or self.key, client_id, epoch)
        return Peer(self.port, client_id, username, password, **how)

    def service(self, client_id="otad:test"):
        return Service(self.port, client_id, "otad", self.secret)


class Message:
    def __init__(self, message):
        self.topic = message.topic
        self.payload = message.payload
        self.qos = message.qos
        self.retain = message.retain

    @property
    def json(self):
        return json.loads(self.payload)

    def __repr__(self):
        return f"<{self.topic} {self.payload[:200]!r}>"


class Peer:
    """One connection; it never reconnects by itself. rc: what the CONNACK said, None if there was none."""

    def __init__(self, port, client_id, username=None, password=None, clean=True, v5=False, will=None, wait=True, keepalive=60):
        self.messages = queue.Queue()
        self.rc = None
        self.resumed = False
        self.answered = threading.Event()
        self.gone = threading.Event()
        self.acks = queue.Queue()
        how = {"protocol": paho.MQTTv5} if v5 else {"protocol": paho.MQTTv311, "clean_session": clean}
        self.paho = paho.Client(client_id, reconnect_on_failure=False, **how)
        if username is not None:
            self.paho.username_pw_set(username, password)
        if will:
            self.paho.will_set(*will)
        self.paho.on_connect = self.connected
        self.paho.on_disconnect = lambda *_: (self.gone.set(), self.answered.set())
        self.paho.on_message = lambda _c, _u, m: self.messages.put(Message(m))
        self.paho.on_subscribe = lambda _c, _u, _mid, granted, *_: self.acks.put([int(str(g)) if str(g).isdigit() else g.value for g in granted])
        properties = None
        if v5 and not clean:
            properties = Properties(PacketTypes.CONNECT)
            properties.SessionExpiryInterval = 3600
        more = {"clean_start": clean, "properties": properties} if v5 else {}
        self.paho.connect("127.0.0.1", port, keepalive=keepalive, **more)
        self.paho.loop_start()
        if wait and not self.answered.wait(10):
            raise Failure("neither CONNACK nor end of the connection")

    def connected(self, _client, _userdata, flags, rc, *_):
        self.rc = rc if isinstance(rc, int) else rc.value
        self.resumed = bool(flags["session present"])
        self.answered.set()

    @property
    def accepted(self):
        return self.rc == 0

    def subscribe(self, topic, qos=1):
        """The granted QoS, or 128."""
        self.paho.subscribe(topic, qos)
        return self.acks.get(timeout=10)[0]

    def publish(self, topic, payload, qos=1, retain=False):
        info = self.paho.publish(topic, json.dumps(payload) if isinstance(payload, (dict, list)) else payload, qos, retain)
        info.wait_for_publish(10)

    def next(self, timeout=10):
        try:
            return self.messages.get(timeout=timeout)
        except queue.Empty:
            raise Failure(f"no message within {timeout} s") from None

    def nothing(self, within=0.5):
        try:
            raise Failure(f"unexpected message: {self.messages.get(timeout=within)}")
        except queue.Empty:
            pass

    def kicked(self, timeout=10):
        return self.gone.wait(timeout)

    def close(self):
        self.paho.disconnect()
        self.gone.wait(5)
        self.paho.loop_stop()

    def vanish(self):
        """The connection is cut without a DISCONNECT: the will is due."""
        self.paho.loop_stop()
        if self.paho.socket():
            self.paho.socket().close()


class Service(Peer):
    """The service's side: what the plugin tells, in order, and its answers."""

    def __init__(self, port, client_id, username, password, **how):
        super().__init__(port, client_id, username, password, **how)
        assert self.accepted, f"the service was refused: {self.rc}"
        self.told = []
        self.replies = {}
        self.numbers = itertools.count(1)
        self.others = queue.Queue()
        self.change = threading.Condition()
        self.paho.on_message = self.hear
        assert self.subscribe(PRESENCE, 0) == 0
        assert self.subscribe(f"otad/v1/reply/{client_id}", 0) == 0

    def hear(self, _client, _userdata, message):
        with self.change:
            if message.topic == PRESENCE:
                self.told.append(json.loads(message.payload))
            elif message.topic.startswith("otad/v1/reply/"):
                reply = json.loads(message.payload)
                self.replies[reply["id"]] = reply
            else:
                self.messages.put(Message(message))
            self.change.notify_all()

    def until(self, condition, what, timeout=10):
        deadline = time.monotonic() + timeout
        with self.change:
            while True:
                value = condition()
                if value:
                    return value
                left = deadline - time.monotonic()
                if left <= 0:
                    raise Failure(f"not within {timeout} s: {what}; told: {self.told[-5:]}, replies: {list(self.replies.values())[-3:]}")
                self.change.wait(left)

    def ask(self, cmd, timeout=10, **fields):
        request = f"q{next(self.numbers)}"
        self.publish(CONTROL, {"id": request, "cmd": cmd, **fields})
        return self.until(lambda: self.replies.get(request), f"an answer to {cmd}", timeout)

    def revoke(self, *entries, start=None, **fields):
        """One page behind the present revision, or behind start."""
        start = self.ask("status")["revision"] if start is None else start
        return self.ask("revoke", **{"from": start, "to": start + 1, "entries": list(entries), **fields})

    def events(self, device=None, kinds="csdnf"):
        every = [event for message in self.told for event in message.get("events", [])]
        return [e for e in every if e[0] in kinds and (device is None or e[1] == device)]

    def event(self, kind, device, count=1, timeout=10):
        """The count-th event of that kind about the device."""
        found = self.until(lambda: len(self.events(device, kind)) >= count, f"event {kind} of {device}", timeout)
        assert found
        return self.events(device, kind)[count - 1]

    def dump(self):
        """(who is online, the pages)."""
        request = f"d{next(self.numbers)}"
        self.publish(CONTROL, {"id": request, "cmd": "dump"})

        def pages():
            mine = [m for m in self.told if m.get("dump") == request]
            return mine if mine and mine[-1]["last"] else None

        mine = self.until(pages, "the last page of the dump")
        assert self.replies[request]["ok"]
        return {name for page in mine for name in page["online"]}, mine

    def online(self):
        return self.dump()[0]

    def counters(self, timeout=15):
        """The next counters that the plugin tells."""
        before = len([m for m in self.told if "counters" in m])
        return self.until(lambda: [m["counters"] for m in self.told if "counters" in m][before:], "counters", timeout)[-1]


@pytest.fixture
def broker(tmp_path):
    """A broker for this test alone."""
    yield from life(PluginBroker(tmp_path / "broker"))


@pytest.fixture(scope="module")
def crowd(tmp_path_factory):
    """One broker for all the tests of a file; each takes devices of its own."""
    yield from life(PluginBroker(tmp_path_factory.mktemp("crowd") / "broker"))


def life(broker):
    """Whatever a test does, the broker lives on and ends well."""
    broker.start()
    yield broker
    broker.stop()


# --- packets that no library would send


def text(value):
    value = value.encode() if isinstance(value, str) else value
    return len(value).to_bytes(2, "big") + value


def packet(first, body):
    length = b""
    rest = len(body)
    while True:
        rest, digit = divmod(rest, 128)
        length += bytes([digit | (0x80 if rest else 0)])
        if not rest:
            return bytes([first]) + length + body


def connect_packet(client_id, username=None, password=None, clean=True, will=None):
    flags = 0x02 * clean | 0x80 * (username is not None) | 0x40 * (password is not None) | 0x04 * (will is not None)
    body = text("MQTT") + bytes([4, flags]) + (60).to_bytes(2, "big") + text(client_id)
    for part in will or ():
        body += text(part)
    for part in (username, password):
        body += text(part) if part is not None else b""
    return packet(0x10, body)


def subscribe_packet(topic, qos=1):
    return packet(0x82, (1).to_bytes(2, "big") + text(topic) + bytes([qos]))


def raw(port, data, answer=4):
    """Sends bytes on a connection of its own: (the socket, the first bytes of the answer)."""
    sock = socket.create_connection(("127.0.0.1", port), timeout=10)
    sock.sendall(data)
    got = b""
    try:
        while len(got) < answer:
            more = sock.recv(answer - len(got))
            if not more:
                break
            got += more
    except ConnectionResetError:
        pass
    return sock, got


ACCEPTED = b"\x20\x02\x00\x00"
REFUSED = b"\x20\x02\x00\x05"
