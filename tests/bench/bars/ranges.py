"""What a million ranges cost: a question, an import, and the polls meanwhile."""

import http.client
import random
import subprocess
import threading
import time
import urllib.request

from .measure import LOAD, OURS, figure, limit, on, output, pairs
from .site import PREFIX, TOOLS, fill
from .web import Rate, compare

ROWS = 1_000_000
FILES = 1_000
DEVICES = 1_000
CHECKS = 50_000  # different ones, of a run
FEW = 10
SHARE = 0.2  # of what the server can do
PACED_MS = 6000
COLUMNS = "kind, head, first, last"

# As the feed reads them.
READ = "SELECT r.product_id, m.rollout_id, m.kind, m.head, m.first, m.last FROM mac_ranges m JOIN rollouts r ON r.id = m.rollout_id WHERE r.ended_at IS NULL"


def question(ctx):
    """The bar of a whole check is 0.8; one that takes the 12 us of a poll has 3 for this."""
    texts = [output([TOOLS / "bench-ranges", FILES, ROWS, 200_000], OURS) for _ in range(min(ctx.runs, 3))]
    more = [figure(text, "many-ns") - figure(text, "few-ns") for text in texts]
    detail = {key: figure(texts[0], key) for key in ("few-ns", "many-ns", "bytes", "build-ms", "replace-ms", "hits")}
    yield limit("ranges-question", sorted(more)[len(more) // 2], 3000, "ns", len(texts), detail)


def ranges():
    """In no order, as lists of devices are: three in ten MACs, five ranges, a prefix, another identifier."""
    shuffled = random.Random(1)
    for i in range(ROWS):
        base = 0xC89300000000 + shuffled.randrange(1 << 32)
        kind = i % 10
        if kind < 3:
            yield f"{base:012X}"
        elif kind == 3:
            yield f"SN{base % 10**7:07}*"
        elif kind == 4:
            yield f"DEVICE{base % 10**8:08}"
        else:
            yield f"{base:012X}~{base + shuffled.randrange(1 << 12):012X}"


class Fleet:
    """An otad with so many devices and files of one product."""

    def __init__(self, site):
        self.site = site
        self.db = site.database()
        fill(self.db, DEVICES)
        self.run(
            "INSERT INTO firmware (product_id, component, name, version, url)"
            f" SELECT 1, 'mcu', 'f' || i, '1.' || i, 'http://files.example.com/' || i FROM generate_series(1, {FILES}) i",
            "INSERT INTO rollouts (kind, way, product_id, firmware_id, component, created_by, ranked)"
            " SELECT 'standing', 'standing', 1, id, 'mcu', 'bench', true FROM firmware WHERE url <> '' ORDER BY id",
        )
        self.otad = site.otad(self.db)
        shuffled = random.Random(2)
        self.checks = site.dir / "range-checks"
        self.checks.write_text(
            "".join(
                f"/api/v1/ota/device/?product_id=bench&wifi_version=9.0&mcu_version=9.0&device_id={PREFIX}{1 + i % DEVICES}"
                f"&mac={0xC89300000000 + shuffled.randrange(1 << 32):012X}\n"
                for i in range(CHECKS)
            )
        )
        self.polls = site.dir / "range-polls"
        self.polls.write_text("".join(f"/api/v2/otaPassiveEnable?deviceName={PREFIX}{i + 1}\n" for i in range(DEVICES)))

    def run(self, *statements):
        with self.db.cluster.connect(self.db.name) as link:
            link.autocommit = True
            with link.cursor() as sql:
                for statement in statements:
                    sql.execute(statement)

    def metric(self, key):
        with urllib.request.urlopen(self.otad.url + "/metrics", timeout=60) as answer:
            return next(float(line.split()[1]) for line in answer.read().decode().splitlines() if line.startswith(key + " "))

    def load(self, body, rows=ROWS):
        link = http.client.HTTPConnection("127.0.0.1", self.otad.port, timeout=300)
        head = {"Authorization": f"Bearer {self.site.tokens['operator']}", "Content-Type": "text/csv"}
        link.request("POST", "/api/v3/rollouts/1/ranges/import", body, head)
        answer = link.getresponse().read()
        link.close()
        if answer != b'{"imported":%d}' % rows:
            raise RuntimeError(answer[:300])
        self.is_spread = False

    def spread(self):
        """The rows of the one import, over all rollouts, once; the snapshot is told."""
        told = "SELECT change_append('device', '{}'), pg_notify('otad', '')"
        if self.is_spread:
            return self.run(told)
        self.is_spread = True
        self.run(
            "CREATE TABLE spread AS SELECT 1 + place %% 1000 AS rollout_id, 1 + place / 1000 AS place, kind, head, first, last FROM mac_ranges".replace("%%", "%"),
            "TRUNCATE mac_ranges",
            "INSERT INTO mac_ranges SELECT * FROM spread ORDER BY rollout_id, place",
            "DROP TABLE spread",
            "VACUUM ANALYZE mac_ranges",
            told,
        )

    def reloaded(self, before):
        deadline = time.monotonic() + 120
        while self.metric("otad_feed_reloads_total") == before:
            if time.monotonic() > deadline:
                raise RuntimeError("the snapshot is not read again")
            time.sleep(0.05)


_fleet = []


def fleet(site):
    if not _fleet:
        _fleet.append(Fleet(site))
    return _fleet[0]


def load(ctx):
    """Both write in one transaction, and begin with empty tables."""
    one = fleet(ctx.site)
    text = "".join(entry + "\n" for entry in ranges())
    body = text.encode()
    one.run("CREATE TABLE bare (LIKE mac_ranges INCLUDING INDEXES)", "GRANT ALL ON bare TO otad_service")
    rows = one.site.dir / "ranges.copy"

    def ours():
        one.run("TRUNCATE mac_ranges")
        began = time.monotonic()
        one.load(body)
        return time.monotonic() - began

    def bare():
        one.run("TRUNCATE bare")
        began = time.monotonic()
        with rows.open() as lines:
            subprocess.run(["psql", "-XAtq", one.site.uri(one.db), "-c", "COPY bare FROM STDIN"], stdin=lines, check=True, preexec_fn=on(OURS))
        return time.monotonic() - began

    ours()
    with rows.open("w") as lines:
        subprocess.run(["psql", "-XAtq", one.site.uri(one.db), "-c", "COPY (SELECT * FROM mac_ranges ORDER BY place) TO STDOUT"], stdout=lines, check=True)
    yield pairs("ranges-import", 2.0, "s", ours, bare, min(ctx.runs, 3), at_least=False)
    one.run("DROP TABLE bare")


def check(ctx):
    """Checks of the fog dialect by devices that are up to date and tell a MAC among the ranges: a million entries of a thousand files, against ten."""
    many, few = fleet(ctx.site), Fleet(ctx.site)
    text = [entry + "\n" for entry in ranges()]
    if many.metric("otad_ranges") != ROWS:
        many.load("".join(text).encode())
    before = many.metric("otad_feed_reloads_total")
    many.spread()
    many.reloaded(before)
    few.load("".join(text[:FEW]).encode(), FEW)
    for one in (many, few):
        with urllib.request.urlopen(one.otad.url + one.checks.open().readline().strip(), timeout=10) as answer:
            if answer.read() != b'{"meta":{"code":0,"message":"ota file info"},"data":{"need_ota":false,"files":[]}}':
                raise RuntimeError("not up to date")
    ours, ceiling = (Rate(one.otad.process.pid, one.otad.port, one.checks, ctx.seconds, "core") for one in (many, few))
    yield compare("ranges-check", 0.8, "checks/s of CPU", ours, ceiling, ctx.runs)
    ctx.site.drop(few.otad)


def reload(ctx):
    """As long as the polls last, one reading follows the other."""
    one = fleet(ctx.site)
    if one.metric("otad_ranges") != ROWS:
        one.load("".join(entry + "\n" for entry in ranges()).encode())
    one.spread()
    rate = Rate(one.otad.process.pid, one.otad.port, one.polls, 1, "core")
    rate(), rate()
    pace = int(SHARE * min(rate.rate))
    reads = {"ours": [], "bare": []}

    def p99(name, again):
        over = threading.Event()

        def repeat():
            while not over.is_set():
                again()
                reads[name][-1] += 1

        reads[name].append(0)
        beside = threading.Thread(target=repeat)
        beside.start()
        try:
            text = output([TOOLS / "bench-paced", one.otad.port, one.polls, pace, PACED_MS, 16], LOAD)
        finally:
            over.set()
            beside.join()
        return figure(text, "p99-us")

    def read_snapshot():
        before = one.metric("otad_feed_reloads_total")
        one.run("SELECT change_append('device', '{}'), pg_notify('otad', '')")
        one.reloaded(before)

    def read_bare():
        command = ["psql", "-XAtq", one.site.uri(one.db), "-c", f"COPY ({READ}) TO STDOUT"]
        subprocess.run(command, stdout=subprocess.DEVNULL, check=True, preexec_fn=on(OURS))

    alone = figure(output([TOOLS / "bench-paced", one.otad.port, one.polls, pace, PACED_MS, 16], LOAD), "p99-us")
    result = pairs(
        "ranges-reload", 1.5, "us p99", lambda: p99("ours", read_snapshot), lambda: p99("bare", read_bare), ctx.runs, False, {"pace": pace, "alone": alone, "reads": reads}
    )
    yield result
