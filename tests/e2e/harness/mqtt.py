"""MQTT clients: Paho for the tests' own conversations, mosquitto_sub and mosquitto_pub for what a person would type."""

import json
import queue
import subprocess
import threading

import paho.mqtt.client as paho

from . import keys
from .process import Failure


class Message:
    def __init__(self, topic, payload, qos, retain):
        self.topic = topic
        self.payload = payload
        self.qos = qos
        self.retain = retain

    @property
    def json(self):
        return json.loads(self.payload)

    def __repr__(self):
        return f"<{self.topic} {self.payload[:300]!r}>"


class Client:
    """A connected MQTT client; every message it receives waits in a queue."""

    def __init__(self, port, client_id="", clean=True, protocol=paho.MQTTv311, username=None, password=None):
        self.messages = queue.Queue()
        self.subscribed = threading.Event()
        self.connected = threading.Event()
        if protocol == paho.MQTTv5:
            self.paho = paho.Client(client_id, protocol=protocol)
        else:
            self.paho = paho.Client(client_id, clean_session=clean or not client_id, protocol=protocol)
        if username is not None:
            self.paho.username_pw_set(username, password)
        self.refused = None
        self.paho.on_message = lambda _c, _u, m: self.messages.put(Message(m.topic, m.payload, m.qos, m.retain))
        self.paho.on_subscribe = lambda *_: self.subscribed.set()
        self.paho.on_connect = self._on_connect
        self.paho.reconnect_delay_set(1, 1)
        self.paho.connect("127.0.0.1", port, keepalive=30)
        self.paho.loop_start()
        if not self.connected.wait(10):
            raise Failure("no CONNACK from the broker")
        if self.refused:
            self.paho.loop_stop()
            raise Failure(f"the broker refused the login: {self.refused}")

    def _on_connect(self, _client, _user, _flags, code, *_more):
        self.refused = None if code == 0 else str(code)
        self.connected.set()

    def subscribe(self, topic, qos=1):
        self.subscribed.clear()
        self.paho.subscribe(topic, qos)
        if not self.subscribed.wait(10):
            raise Failure(f"no SUBACK for {topic}")
        return self

    def publish(self, topic, payload, qos=1, retain=False):
        """Returns when the broker has acknowledged it."""
        if isinstance(payload, (dict, list)):
            payload = json.dumps(payload)
        info = self.paho.publish(topic, payload, qos, retain)
        info.wait_for_publish(10)
        if not info.is_published():
            raise Failure(f"the broker did not acknowledge a message to {topic}")

    def next(self, timeout=10):
        try:
            return self.messages.get(timeout=timeout)
        except queue.Empty:
            raise Failure(f"no message within {timeout} s") from None

    def nothing(self, within=1.0):
        """Fails if a message comes."""
        try:
            message = self.messages.get(timeout=within)
        except queue.Empty:
            return
        raise Failure(f"unexpected message: {message}")

    def close(self):
        self.paho.disconnect()
        self.paho.loop_stop()

    def vanish(self):
        """The connection is cut without a DISCONNECT."""
        self.paho.loop_stop()
        if self.paho.socket():
            self.paho.socket().close()


def login(device):
    """The words by which mosquitto_sub and mosquitto_pub log in as a device."""
    return ["-i", device, "-u", device, "-P", keys.password(device)]


def mosquitto_sub(port, device, topic, count=1, seconds=15):
    """mosquitto_sub in the background; the caller reads its output with communicate()."""
    command = ["mosquitto_sub", "-h", "127.0.0.1", "-p", str(port), *login(device), "-q", "1", "-t", topic, "-C", str(count), "-W", str(seconds)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def mosquitto_pub(port, device, topic, message):
    command = ["mosquitto_pub", "-h", "127.0.0.1", "-p", str(port), *login(device), "-q", "1", "-t", topic, "-m", message]
    subprocess.run(command, check=True, timeout=10)
