"""What a million known devices cost: polls, memory, and the time to the first answer."""

import random
import subprocess
import time
import urllib.request

from .measure import OURS, forget_peak, limit, on, pairs, status_bytes
from .web import Rate, compare

MANY = 1_000_000
FEW = 1_000
LINES = 200_000  # of a load: the same for both, so that it costs the load the same
REPEATS = 3  # starts and reloads
FIRST = 0x94A990000000

# As the feed reads them: what a device is to the snapshot, with the fingerprint of its facts.
ROWS = (
    "SELECT d.id, d.name, d.product_id, d.version, d.epoch, d.blocked_at IS NOT NULL, d.bound_at IS NOT NULL, d.auto_update, d.mac, d.client_uuid,"
    " f.told FROM devices d LEFT JOIN device_facts f ON f.device_id = d.id"
)


def name(number):
    """deviceName of a Xiaozhi device: its MAC."""
    digits = f"{FIRST + number:012x}"
    return "_".join(digits[i : i + 2] for i in range(0, 12, 2))


def fill(db, devices):
    """Activated Xiaozhi devices that have told all their facts."""
    with db.cluster.connect(db.name) as link:
        link.autocommit = True
        with link.cursor() as sql:
            sql.execute("INSERT INTO products (key, name) VALUES ('bench', 'bench')")
            sql.execute(
                "INSERT INTO devices (name, product_id, client_id, mac, version, bound_at, client_uuid)"
                " SELECT regexp_replace(m, '(..)(?=.)', '\\1_', 'g'), 1, 'GID@@@' || m || '@@@' || md5(m)::uuid, upper(m), '2.0.' || i %% 10, now(), md5(m)::uuid"
                " FROM generate_series(0, %s - 1) i, LATERAL (SELECT lpad(to_hex(%s + i), 12, '0') AS m) x",
                (devices, FIRST),
            )
            sql.execute(
                "INSERT INTO device_facts SELECT id, 1 + (random() * 9e18)::bigint, 16777216, true, 'bread-compact-wifi-128x64', 'bread-compact-wifi', 'esp32s3',"
                " 'ota_0', 'zh-CN', sha256(name::bytea), client_uuid, E'1 2 16384 nvs\\n1 0 8192 otadata\\n1 1 4096 phy_init\\n1 130 983040 model\\n'"
                "'0 16 6291456 ota_0\\n0 17 6291456 ota_1\\n' FROM devices"
            )
            sql.execute("VACUUM ANALYZE devices, device_facts")


class Fleet:
    """An otad that knows so many devices."""

    def __init__(self, site, devices):
        self.site = site
        self.db = site.database()
        fill(self.db, devices)
        self.otad = site.otad(self.db)
        order = random.Random(1).choices(range(devices), k=LINES)
        self.polls = site.dir / f"polls-{devices}"
        self.polls.write_text("".join(f"/api/v2/otaPassiveEnable?deviceName={name(i)}&version=2.0.{i % 10}\n" for i in order))

    def metric(self, key):
        with urllib.request.urlopen(self.otad.url + "/metrics", timeout=20) as answer:
            return next(float(line.split()[1]) for line in answer.read().decode().splitlines() if line.startswith(key + " "))

    def reload(self):
        """Reads everything again, and waits until it has."""
        before = self.metric("otad_feed_reloads_total")
        with self.db.cluster.connect(self.db.name) as link, link.cursor() as sql:
            sql.execute("SELECT change_append('device', '{}'), pg_notify('otad', '')")
        deadline = time.monotonic() + 60
        while self.metric("otad_feed_reloads_total") == before:
            if time.monotonic() > deadline:
                raise RuntimeError("the snapshot is not read again")
            time.sleep(0.05)

    def rate(self, seconds):
        return Rate(self.otad.process.pid, self.otad.port, self.polls, seconds, "core")

    def close(self):
        self.site.drop(self.otad)


_fleets = {}


def fleet(site, devices):
    """Kept for all bars of a run."""
    if devices not in _fleets:
        _fleets[devices] = Fleet(site, devices)
    return _fleets[devices]


def poll(ctx):
    many = fleet(ctx.site, MANY)
    few = fleet(ctx.site, FEW)
    yield compare("million-poll", 0.9, "requests/s of CPU", many.rate(ctx.seconds), few.rate(ctx.seconds), ctx.runs)


def rss(ctx):
    """The most that was ever resident, of the first load and of reloads, beyond what a thousand devices leave resident."""
    many = fleet(ctx.site, MANY)
    few = fleet(ctx.site, FEW)
    pid = many.otad.process.pid
    peaks = [status_bytes(pid, "VmHWM")]
    for _ in range(REPEATS):
        forget_peak(pid)
        many.reload()
        peaks.append(status_bytes(pid, "VmHWM"))
    base = status_bytes(few.otad.process.pid, "VmRSS")
    each = [(peak - base) / (MANY - FEW) for peak in peaks]
    yield limit("million-rss", max(each), 96, "bytes/device", len(each), {"all": each, "base": base})


def ready(ctx):
    """From the start of the program to its first answer, against psql with a COPY of the same rows."""
    many = fleet(ctx.site, MANY)
    copy = ["psql", "-XAtq", many.site.uri(many.db), "-c", f"COPY ({ROWS}) TO STDOUT"]

    def ours():
        otad = ctx.site.otad(many.db, start=False)
        otad.write_config(log_level="info")
        began = time.monotonic()
        otad.start(wait=False, preexec=on(OURS))
        while "msg=listening" not in otad.process.text():
            time.sleep(0.005)
        seconds = time.monotonic() - began
        otad.stop()
        return seconds

    def bare():
        began = time.monotonic()
        subprocess.run(copy, stdout=subprocess.DEVNULL, check=True, preexec_fn=on(OURS))
        return time.monotonic() - began

    ours(), bare()  # warm
    yield pairs("million-ready", 3.0, "s", ours, bare, min(ctx.runs, REPEATS), at_least=False)
