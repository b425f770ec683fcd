"""The servers of a run: one PostgreSQL cluster and one broker for all bars, and as many otads as they ask for."""

import hashlib
import os
import shutil
import tempfile
from pathlib import Path

from harness.broker import Broker
from harness.keys import Keys
from harness.postgres import BIN, Cluster, Database
from harness.process import Process, free_port, listening, unprivileged
from harness.service import BUILD, Otad
from harness.site import make_template

from .measure import LOAD, OURS, on, pin

TOOLS = BUILD / "tests/bench"
HERE = Path(__file__).resolve().parents[1]
# As deploy/up runs it, durable; the time of a commit is kept for the push bar.
POSTGRES = {"listen_addresses": "", "unix_socket_permissions": "0777", "log_min_messages": "warning", "track_commit_timestamp": "on"}
FIRMWARE = "bench-firmware"
PREFIX = "bench-"


class DurableCluster(Cluster):
    def start(self):
        words = [word for name, value in POSTGRES.items() for word in ("-c", f"{name}={value}")]
        (self.dir / "data/postmaster.pid").unlink(missing_ok=True)
        self.process.spawn(unprivileged([str(BIN / "postgres"), "-D", str(self.dir / "data"), "-k", str(self.dir), *words]))
        self.process.until_ready(self.answers, 30)


class Nginx:
    """One worker on the core of what is measured. extra: lines of its http block."""

    def __init__(self, directory, extra=()):
        self.dir = Path(directory)
        self.dir.mkdir()
        (self.dir / "root").mkdir()
        self.port = free_port()
        kept = [f"{kind}_temp_path {self.dir}/{kind};" for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")]
        listen = f"server {{ listen 127.0.0.1:{self.port}; root {self.dir}/root; }}"
        http = "\n".join(["access_log off;", "sendfile on;", "default_type application/octet-stream;", *kept, *extra, listen])
        events = "events { worker_connections 4096; }"
        config = self.dir / "nginx.conf"
        alone = "daemon off;\nmaster_process off;\nworker_processes 1;\nworker_rlimit_nofile 8192;"
        config.write_text(f"{alone}\npid {self.dir}/pid;\n{events}\nhttp {{\n{http}\n}}\n")
        self.process = Process("nginx", self.dir / "log")
        path = os.environ["PATH"] + ":/usr/sbin"
        words = ["-p", str(self.dir), "-e", str(self.dir / "errors"), "-c", str(config)]
        self.process.spawn([shutil.which("nginx", path=path), *words], preexec=on(OURS))
        self.process.until_ready(lambda: listening(self.port), 10)

    @property
    def pid(self):
        return self.process.pid

    def stop(self):
        self.process.end()


class Empty:
    """The empty libmicrohttpd handler (empty.c)."""

    def __init__(self, directory, body):
        self.process = Process("bench-empty", Path(directory) / "empty.log")
        self.process.log.unlink(missing_ok=True)
        self.process.spawn([str(TOOLS / "bench-empty"), str(body)], preexec=on(OURS))
        self.process.until_ready(lambda: "port" in self.process.text(), 10)
        self.port = int(self.process.text().split()[1])

    @property
    def pid(self):
        return self.process.pid

    def stop(self):
        self.process.end()


class Site:
    def __init__(self):
        self.dir = Path(tempfile.mkdtemp(prefix="otad-bench-", dir="/tmp"))
        self.dir.chmod(0o755)
        self.cluster = None
        self.running = []
        self.count = 0
        try:
            self.cluster = DurableCluster()
            self.keys = Keys(self.dir)
            self.broker = Broker(self.dir / "broker", self.keys)
            self.broker.start()
            self.template, self.tokens = make_template(self.cluster, self.dir / "template")
        except BaseException:
            self.close()
            raise

    def close(self):
        for one in reversed(self.running):
            one.stop()
        if getattr(self, "broker", None) and self.broker.process.running():
            self.broker.stop()
        if self.cluster:
            self.cluster.destroy()
        shutil.rmtree(self.dir, ignore_errors=True)

    def place(self):
        self.count += 1
        return self.dir / f"p{self.count}"

    def keep(self, server):
        self.running.append(server)
        return server

    def drop(self, server):
        self.running.remove(server)
        server.stop()

    def database(self, template=None):
        return Database(self.cluster, self.cluster.create(template or self.template))

    def uri(self, db):
        return self.cluster.uri(db.name, "otad_service")

    def otad(self, db, pinned=True, start=True, **settings):
        """On the core of what is measured, with one loop; not pinned: as it comes."""
        fixed = {"log_level": "warn" if not start else "info", "mqtt_client_id": f"otad:{self.count}", "public_url": "http://127.0.0.1:8080"}
        loops = {"http_loops": 1} if pinned else {"http_loops": 0}
        otad = Otad(
            self.place(), self.uri(db), self.cluster.uri(db.name, "otad_owner"), self.broker.port, self.keys, {**fixed, **loops, **settings}
        )
        if start:
            otad.start(preexec=on(OURS) if pinned else None)
            self.keep(otad)
        return otad

    def own_broker(self, kind=Broker):
        """One that no other otad listens to, on the core of the load."""
        broker = kind(self.place(), self.keys)
        broker.start()
        pin(broker.process.pid, LOAD)
        return self.keep(broker)


def fill(db, devices, firmware=b"\x00" * 4096):
    """Product 1, devices PREFIX1 ... with ids 1 ..., firmware 1 with these bytes."""
    size = 262144
    with db.cluster.connect(db.name) as link, link.cursor() as sql:
        sql.execute("INSERT INTO products (key, name) VALUES ('bench', 'bench')")
        sql.execute(
            "INSERT INTO devices (id, name, product_id, client_id) OVERRIDING SYSTEM VALUE"
            " SELECT i, %s || i, 1, %s || i FROM generate_series(1, %s) i",
            (PREFIX, PREFIX, devices),
        )
        sql.execute("SELECT setval(pg_get_serial_sequence('devices', 'id'), %s)", (devices,))
        sql.execute("INSERT INTO uploads DEFAULT VALUES")
        for seq in range(0, (len(firmware) + size - 1) // size):
            sql.execute("INSERT INTO chunks (upload_id, seq, data) VALUES (1, %s, %s)", (seq, firmware[seq * size : (seq + 1) * size]))
        sha256 = hashlib.sha256(firmware).digest()
        md5 = hashlib.md5(firmware).digest()
        sql.execute("INSERT INTO artifacts (sha256, md5, size, upload_id) VALUES (%s, %s, %s, 1)", (sha256, md5, len(firmware)))
        sql.execute("INSERT INTO firmware (product_id, name, sha256) VALUES (1, %s, %s)", (FIRMWARE, sha256))


def assign(db, way, count):
    """A rollout and a notified task, both with the device's id, for the first so many devices."""
    with db.cluster.connect(db.name) as link, link.cursor() as sql:
        sql.execute(
            "INSERT INTO rollouts (id, kind, way, product_id, device_id, firmware_id, component, version_name, created_by) OVERRIDING SYSTEM VALUE"
            " SELECT i, 'single', %s, 1, i, 1, 'app', '2.0.0', 'bench' FROM generate_series(1, %s) i",
            (way, count),
        )
        sql.execute(
            "INSERT INTO tasks (id, rollout_id, device_id, firmware_id, way, component, state, token) OVERRIDING SYSTEM VALUE"
            " SELECT i, i, i, 1, %s, 'app', 'notified', gen_random_uuid() FROM generate_series(1, %s) i",
            (way, count),
        )
        for table in ("rollouts", "tasks"):
            sql.execute("SELECT setval(pg_get_serial_sequence(%s, 'id'), %s)", (table, count))
        sql.execute("VACUUM ANALYZE")
