"""Xiaozhi devices that check: bound, with credentials in the answer; idle, recorded, and when an update goes live."""

import re
import time
import urllib.request

from harness import image
from harness.process import until
from harness.web import Client

from .access import busy_ns
from .measure import LOAD, OURS, figure, output, pairs
from .site import HERE, TOOLS, Empty

REQUEST = HERE.parent / "fuzz/corpus/xiaozhi_check/seed_004_4g_1"
BOARD = "bread-compact-ml307"
VERSION = "2.0.4"
FEW = 1000  # devices of the bars that cost a core only
MANY = 100_000  # more than check while a round of the write-behind waits: none may tell twice in it
WARM_MS = 1500  # until the write-behind is at work all the time
CONNECTIONS = 64
GOING = 20_000  # devices that an update goes live for
BATCH = 512  # commit_batch's default
AT_ONCE = 512  # of them: more would wait longer than a check has patience where the machine is busy with other things
COLUMNS = "id, name, product_id, client_id, version, bound_at"


def fill(db, devices):
    """Product 1, whose key is the board of seed 004; devices as bench-checks names them, bound."""
    with db.cluster.connect(db.name) as link, link.cursor() as sql:
        sql.execute("INSERT INTO products (key, name, images) VALUES (%s, %s, 'esp32')", (BOARD, BOARD))
        sql.execute(
            f"INSERT INTO devices ({COLUMNS}) OVERRIDING SYSTEM VALUE SELECT i, name, 1, name, %s, now() FROM (SELECT i,"
            " '02_00_' || regexp_replace(lpad(to_hex(i), 8, '0'), '(..)(?=.)', '\\1_', 'g') AS name FROM generate_series(1, %s) i) d",
            (VERSION, devices),
        )
        sql.execute("SELECT setval(pg_get_serial_sequence('devices', 'id'), %s)", (devices,))
        link.commit()
        link.autocommit = True
        sql.execute("VACUUM ANALYZE")


class Devices:
    """Some of them, and where they check. Called: (checks answered with the word in it, seconds). late: how many of a hundred may lack it."""

    def __init__(self, port, first, count, where=LOAD, way="keep", connections=CONNECTIONS, word='"mqtt":{"endpoint"', late=0):
        self.port, self.first, self.count, self.late = port, first, count, late
        self.where, self.way, self.connections, self.word = where, way, connections, word

    def __call__(self, ms, news=0, warm_ms=0):
        words = [self.port, REQUEST, self.way, self.first, self.count, self.connections, news, warm_ms, ms, self.word]
        text = output([TOOLS / "bench-checks", *words], self.where)
        checks, without = figure(text, "checks"), figure(text, "without")
        if without > checks * self.late / 100:
            raise RuntimeError(f"{self.word} is not in every answer: {text}")
        return checks - without, figure(text, "seconds")


def metrics(otad):
    with urllib.request.urlopen(otad.url + "/metrics", timeout=20) as answer:
        return {key: int(value) for key, value in re.findall(r"^([^# ]\S*) (-?\d+)$", answer.read().decode(), re.M)}


def settle(otad):
    """All that was told is written."""

    def is_written():
        told = metrics(otad)
        return told['otad_polls_total{kind="noting"}'] == told["otad_notes_written_total"] + told["otad_notes_coalesced_total"]

    until(is_written, "the write-behind is done", 30, 0.05)


class Cost:
    """Callable for pairs(): CPU time of one process per check, in us, or checks in a second of it."""

    def __init__(self, pid, devices, ms, rate):
        self.pid, self.devices, self.ms, self.rate = pid, devices, ms, rate
        self.forget()

    def forget(self):
        self.cost, self.clock, self.busy = [], [], []

    def __call__(self):
        before = busy_ns(self.pid)
        checks, seconds = self.devices(self.ms)
        used = (busy_ns(self.pid) - before) / 1e9
        self.cost.append(used / checks * 1e6)
        self.clock.append(checks / seconds)
        self.busy.append(round(used / seconds, 3))
        return checks / used if self.rate else self.cost[-1]

    def detail(self):
        return {"cpu_us": self.cost, "per_s": self.clock, "busy": self.busy}


class Idle:
    """An otad on one core whose FEW devices have told all they have to tell, and the empty handler that reads the same bodies."""

    def __init__(self, site):
        self.site = site
        self.db = site.database()
        fill(self.db, FEW)
        self.otad = site.otad(self.db)
        devices = Devices(self.otad.port, 1, FEW)
        devices(0)
        settle(self.otad)
        self.empty = site.keep(Empty(site.dir, len(self.answer())))

    def answer(self):
        head = {"Device-Id": "02:00:00:00:00:01", "User-Agent": f"{BOARD}/{VERSION}", "Content-Type": "application/json"}
        return Client(self.otad.url).post("/xiaozhi/ota/", b"{", headers=head).must(200).body

    def close(self):
        self.site.drop(self.empty)
        self.site.drop(self.otad)

    def transactions(self):
        """Of anybody in this database, as far as PostgreSQL has counted them."""
        time.sleep(1.2)
        return self.db.value("SELECT xact_commit + xact_rollback FROM pg_stat_database WHERE datname = current_database()")

    def compare(self, name, bar, unit, way, ctx, rate):
        ours = Cost(self.otad.process.pid, Devices(self.otad.port, 1, FEW, way=way), ctx.seconds * 1000, rate)
        bare = Cost(self.empty.pid, Devices(self.empty.port, 1, FEW, way=way, word="xxx"), ctx.seconds * 1000, rate)
        ours(), bare()  # warm
        ours.forget(), bare.forget()
        before, transactions = metrics(self.otad), self.transactions()
        result = pairs(name, bar, unit, ours, bare, ctx.runs, rate)
        after, transactions = metrics(self.otad), self.transactions() - transactions
        told = {key: after[key] - before[key] for key in after if key.startswith("otad_polls_total") and after[key] != before[key]}
        if list(told) != ['otad_polls_total{kind="idle"}'] or transactions > 10 * ctx.runs * ctx.seconds:
            raise RuntimeError(f"not idle: {told}, {transactions} transactions")
        result.detail.update(transactions=transactions, told=told, load={"ours": ours.detail(), "ceiling": bare.detail()})
        return result


def idle(ctx):
    """Zero SQL: what transactions there are the service runs by itself, some a second."""
    rig = Idle(ctx.site)
    try:
        yield rig.compare("check-keepalive", 0.55, "checks/s of CPU", "keep", ctx, True)
        yield rig.compare("check-oneshot", 1.2, "us of CPU/check", "close", ctx, False)
    finally:
        rig.close()


def recorded(ctx):
    """By the clock, on both cores with the database and the load: one loop, half of the devices idle, half with news at each check."""
    site = ctx.site
    db = site.database()
    fill(db, 2 * MANY)
    otad = site.otad(db, pinned=False, http_loops=1)
    quiet, loud = (Devices(otad.port, first, MANY, where=OURS | LOAD) for first in (1, MANY + 1))
    news, drained = [10_000_000], []
    quiet(0), loud(0, news=news[0])
    settle(otad)
    ms = 2 * ctx.seconds * 1000
    before = metrics(otad)

    def record():
        news[0] += 1000
        checks, seconds = loud(ms, news[0], WARM_MS)
        began = time.monotonic()
        settle(otad)
        drained.append(round(time.monotonic() - began, 2))
        return checks / seconds

    def rest():
        checks, seconds = quiet(ms, 0, WARM_MS)
        return checks / seconds

    result = pairs("check-recorded", 0.75, "checks/s", record, rest, ctx.runs)
    grown = {key: value - before[key] for key, value in metrics(otad).items() if key.startswith(("otad_notes", "otad_polls")) and value != before[key]}
    noted, written = grown['otad_polls_total{kind="noting"}'], grown["otad_notes_written_total"]
    if "otad_notes_dropped_total" in grown or written + grown.get("otad_notes_coalesced_total", 0) != noted:
        raise RuntimeError(f"{noted} noted, but {grown}")
    result.detail.update(grown=grown, drained_s=drained)
    yield result
    site.drop(otad)


def order(otad, token):
    """A firmware for whoever of the product comes."""
    operator = Client(otad.url, token)
    row = operator.upload(image.app("2.4.2"), name="bench", productId=1).data
    row = row[0] if isinstance(row, list) else row
    operator.post("/api/v2/xiaozhi/otaPassive", {"otaId": row["id"], "productId": 1, "versionName": "2.4.2"}).must(200)


def go_live(ctx):
    """Every device checks once, is offered the firmware by that, and its answer waits for the commit. By the clock, on both cores, as the
    ceiling and its database have them, too; a check that ran out of patience (300 ms) was not acknowledged, and does not count.
    """
    site = ctx.site
    db = site.database()
    fill(db, GOING * (ctx.runs + 1))
    beside = site.database(db.name)
    otad = site.otad(db, pinned=False, http_loops=1)
    Devices(otad.port, 1, GOING * (ctx.runs + 1))(0)
    settle(otad)
    order(otad, site.tokens["operator"])
    at = {"ours": 0, "bare": 0}

    def first(who):
        at[who] += 1
        return (at[who] - 1) * GOING + 1

    def ours():
        devices = Devices(otad.port, first("ours"), GOING, where=OURS | LOAD, connections=AT_ONCE, word='"url":"http', late=5)
        acknowledged, seconds = devices(0)
        return acknowledged / seconds

    def bare():
        text = output([TOOLS / "bench-database", "offers", site.uri(beside), first("bare"), GOING, BATCH], OURS | LOAD)
        return GOING / figure(text, "seconds")

    ours(), bare()  # warm
    result = pairs("check-golive", 0.5, "tasks/s", ours, bare, ctx.runs)
    result.detail.update({key: value for key, value in metrics(otad).items() if key.startswith(("otad_commit", "otad_checks_late"))})
    yield result
    made = db.value("SELECT count(*) FROM tasks WHERE state = 'notified'")
    if made != GOING * (ctx.runs + 1):
        raise RuntimeError(f"{made} tasks made instead of {GOING * (ctx.runs + 1)}")
    site.drop(otad)
