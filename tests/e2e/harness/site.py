"""A whole installation for one test: database, broker, service, operators, and the verbs in which tests are written."""

import hashlib
import os
from dataclasses import dataclass

from . import keys, mqtt
from .broker import Broker
from .device import Device
from .postgres import Database
from .process import until
from .service import Otad
from .web import Client

ROLES = ("admin", "operator", "viewer")
LIVE = ("queued", "notified", "accepted", "downloading", "downloaded", "installing")


@dataclass
class Firmware:
    id: int
    name: str
    data: bytes
    product: int

    @property
    def md5(self):
        return hashlib.md5(self.data).hexdigest()

    @property
    def sha256(self):
        return hashlib.sha256(self.data).hexdigest()


def password_of(role):
    return f"the {role}'s pass phrase"


def make_template(cluster, directory):
    """A migrated database with one operator of each role; (its name, tokens by role)."""
    name = cluster.create()
    otad = Otad(directory, cluster.uri(name, "otad_service"), cluster.uri(name, "otad_owner"), 1, keys.Keys(directory.parent))
    otad.do("migrate")
    tokens = {}
    for role in ROLES:
        otad.do("user", "add", role, "--role", role, "--password-stdin", given=password_of(role))
        tokens[role] = otad.do("token", "add", role, "--label", "tests").strip()
    return name, tokens


class Site:
    def __init__(self, cluster, template, tokens, directory, settings=None):
        self.cluster = cluster
        self.dir = directory
        self.tokens = tokens
        self.db = Database(cluster, cluster.create(template))
        self.keys = keys.Keys(directory)
        self.broker = Broker(directory / "broker", self.keys)
        self.broker.start()
        self.devices = []
        self.clients = []
        self.others = []
        self.otad = self.service("otad", settings)
        self.otad.start()

    def service(self, name, settings=None):
        """One more otad (not started) on the same database and broker."""
        pg = self.cluster.uri(self.db.name, "otad_service")
        owner = self.cluster.uri(self.db.name, "otad_owner")
        client_id = f"otad:{self.db.name}-{name}"
        otad = Otad(self.dir / name, pg, owner, self.broker.port, self.keys, {"mqtt_client_id": client_id, **(settings or {})})
        self.others.append(otad)
        return otad

    def close(self):
        for device in self.devices:
            device.leave()
        for client in self.clients:
            client.close()
        try:
            for otad in self.others:
                otad.verdict()
        finally:
            for otad in self.others:
                if otad.process.running():
                    otad.kill()
            if self.broker.process.running():
                self.broker.stop()
            if not self.cluster.process.running():
                if self.cluster.process.child is not None:
                    self.cluster.kill()
                self.cluster.start()
            self.cluster.drop(self.db.name)

    # Who asks.

    def client(self, token=None, **more):
        return Client(self.otad.url, token, **more)

    @property
    def admin(self):
        return self.client(self.tokens["admin"])

    @property
    def operator(self):
        return self.client(self.tokens["operator"])

    @property
    def viewer(self):
        return self.client(self.tokens["viewer"])

    @property
    def anybody(self):
        return self.client()

    def overseer(self, name="overseer"):
        """A client with the service's rights at the broker."""
        client = mqtt.Client(self.broker.port, f"otad:{name}", username=keys.SERVICE_USERNAME, password=keys.SERVICE_PASSWORD)
        self.clients.append(client)
        return client

    # What there is.

    def product(self, key="lamp"):
        """A product; its id."""
        return self.admin.post("/api/v3/products", {"key": key, "name": key}).must(201).json["id"]

    def device(self, name="lamp-1", product=None, arrive=True):
        """A registered device, by default listening on its topic."""
        product = self.product() if product is None else product
        self.admin.post("/api/v3/devices", {"name": name, "productId": product}).must(201)
        device = Device(self, name)
        self.devices.append(device)
        return device.arrive() if arrive else device

    def firmware(self, product, name="fw", data=None, size=70_000):
        """An uploaded firmware of the product."""
        data = os.urandom(size) if data is None else data
        answer = self.operator.upload(data, name=name, productId=product).data
        row = answer[0] if isinstance(answer, list) else answer
        return Firmware(row["id"], name, data, product)

    def lamp(self, **firmware):
        """The usual beginning: a product with one listening device and one firmware."""
        product = self.product()
        return self.device(product=product), self.firmware(product, **firmware)

    # What is done.

    def push(self, firmware, device):
        return self.operator.post("/api/v2/otaEnable", name=firmware.name, deviceName=device.name)

    def assign(self, firmware, device, version="1.8", description="a test"):
        body = {"deviceName": device.name, "name": firmware.name, "description": description, "versionName": version}
        return self.operator.post("/api/v2/otaPassive", body)

    # What came of it.

    def tasks(self, device):
        """The device's tasks, oldest first, as the database has them."""
        names = ("id", "state", "stage", "code", "rev")
        rows = self.db.rows(
            "SELECT t.id, t.state, t.stage, t.code, t.rev FROM tasks t JOIN devices d ON d.id = t.device_id WHERE d.name = %s ORDER BY t.id",
            device.name,
        )
        return [dict(zip(names, row)) for row in rows]

    def task(self, device):
        """The device's newest task."""
        tasks = self.tasks(device)
        assert tasks, f"{device.name} has no task"
        return tasks[-1]

    def until_state(self, device, state, timeout=10):
        return until(
            lambda: self.tasks(device) and self.task(device)["state"] == state and self.task(device),
            f"the task of {device.name} is {state}; it is {self.tasks(device)}", timeout,
        )

    def walk(self, device):
        """The states the device's newest task went through, by its events."""
        rows = self.db.rows("SELECT to_state FROM events WHERE task_id = %s ORDER BY at", self.task(device)["id"])
        states = []
        for (state,) in rows:
            if not states or states[-1] != state:
                states.append(state)
        return states

    def audit(self):
        return self.db.rows("SELECT actor, action, target, address FROM audit ORDER BY id")

    def nothing_left(self):
        """No row of an unfinished upload and no temporary file."""
        until(lambda: self.db.value("SELECT count(*) FROM uploads u LEFT JOIN artifacts a ON a.upload_id = u.id WHERE a.upload_id IS NULL") == 0,
              "uploads without an artifact are gone")
        until(lambda: not self.otad.temporary_files(), f"no temporary file is left: {self.otad.temporary_files()}")
