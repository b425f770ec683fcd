"""Polls and downloads."""

import json
import os
import time
import urllib.request

from .measure import LOAD, Talker, cpu_seconds, limit, output, pairs, socket_memory, status_bytes
from .site import HERE, PREFIX, TOOLS, Empty, Nginx, assign, fill

DEVICES = 1000
FETCHING = 64  # devices that download, and connections
SIZE = 4 << 20
RANGE = 4096
SLOW = 1000
SLOW_RATE = 4096
MB = 1e6


class Web:
    """An otad whose devices all have an assignment, and what stands beside it."""

    def __init__(self, site):
        self.site = site
        self.bytes = os.urandom(SIZE)
        self.db = db = site.database()
        fill(db, DEVICES, self.bytes)
        assign(db, "passive", DEVICES)
        self.otad = site.otad(db)
        self.polls = [f"/api/v2/otaPassiveEnable?deviceName={PREFIX}{i + 1}" for i in range(DEVICES)]
        answers = [self.get(path) for path in self.polls]
        self.answer_size = len(answers[0])
        self.files = ["/api/v2/micro/" + json.loads(answer)["data"]["fileName"] for answer in answers[:FETCHING]]
        assert self.get(self.files[0]) == self.bytes

    def get(self, path):
        with urllib.request.urlopen(self.otad.url + path, timeout=20) as answer:
            return answer.read()

    def requests(self, name, lines):
        """A file for load.lua."""
        path = self.site.dir / name
        path.write_text("".join(line + "\n" for line in lines))
        return path

    def nginx(self, *extra):
        server = self.site.keep(Nginx(self.site.place(), extra))
        (server.dir / "root/firmware").write_bytes(self.bytes)
        return server


def wrk(port, requests, seconds, connections=64, close=False):
    """(requests answered, bytes, seconds)."""
    env = {**os.environ, "BENCH_REQUESTS": str(requests), "BENCH_CLOSE": "1" if close else "0"}
    command = ["wrk", "-t", "1", "-c", connections, "-d", f"{seconds}s", "--timeout", "10s", "-s", HERE / "load.lua", f"http://127.0.0.1:{port}"]
    text = output(command, LOAD, env=env)
    count, size, microseconds, errors, refused, _p99 = (int(word) for word in text.split("figures ")[1].split()[:6])
    if errors or refused or not count:
        raise RuntimeError(f"{errors} errors, {refused} refused of {count}\n{text}")
    return count, size, microseconds / 1e6


class Rate:
    """Callable for pairs(): a run of wrk against one server.

    Small requests cost the load about as much as the server, so a load of one core does not keep a server of one core busy: what counts is
    how many requests the server answers in a second of its own CPU time ("core"), or what one costs it ("cpu"). Long downloads cost the
    server little: they count by the clock ("bytes").
    """

    def __init__(self, pid, port, requests, seconds, what, close=False):
        self.pid, self.port, self.requests, self.seconds, self.what, self.close = pid, port, requests, seconds, what, close
        self.forget()

    def forget(self):
        self.busy, self.cost, self.rate = [], [], []

    def __call__(self):
        before = cpu_seconds(self.pid)
        count, size, seconds = wrk(self.port, self.requests, self.seconds, close=self.close)
        used = cpu_seconds(self.pid) - before
        self.busy.append(round(used / seconds, 3))
        self.cost.append(used / count * 1e6)
        self.rate.append(count / seconds)
        return {"core": count / used, "bytes": size / seconds / MB, "cpu": self.cost[-1]}[self.what]

    def detail(self):
        return {"busy": self.busy, "cpu_us": self.cost, "requests_per_s": self.rate}


def compare(name, bar, unit, ours, ceiling, runs, at_least=True):
    ours(), ceiling()  # warm
    ours.forget(), ceiling.forget()
    result = pairs(name, bar, unit, ours, ceiling, runs, at_least)
    result.detail["load"] = {"ours": ours.detail(), "ceiling": ceiling.detail()}
    return result


def poll_keepalive(ctx):
    web = ctx.web
    requests = web.requests("polls", web.polls)
    empty = web.site.keep(Empty(web.site.dir, web.answer_size))
    ours = Rate(web.otad.process.pid, web.otad.port, requests, ctx.seconds, "core")
    ceiling = Rate(empty.pid, empty.port, requests, ctx.seconds, "core")
    yield compare("poll-keepalive", 0.8, "requests/s of CPU", ours, ceiling, ctx.runs)
    web.site.drop(empty)


def poll_oneshot(ctx):
    web = ctx.web
    requests = web.requests("polls", web.polls)
    empty = web.site.keep(Empty(web.site.dir, web.answer_size))
    ours = Rate(web.otad.process.pid, web.otad.port, requests, ctx.seconds, "cpu", close=True)
    ceiling = Rate(empty.pid, empty.port, requests, ctx.seconds, "cpu", close=True)
    yield compare("poll-oneshot", 1.15, "us of CPU/request", ours, ceiling, ctx.runs, at_least=False)
    web.site.drop(empty)


def download_4m(ctx):
    web = ctx.web
    nginx = web.nginx()
    ours = Rate(web.otad.process.pid, web.otad.port, web.requests("files", web.files), ctx.seconds, "bytes")
    ceiling = Rate(nginx.pid, nginx.port, web.requests("file", ["/firmware"]), ctx.seconds, "bytes")
    yield compare("download-4m", 1.0, "MB/s", ours, ceiling, ctx.runs)
    web.site.drop(nginx)


def range_4k(ctx):
    """Every device takes the file piece by piece, in order."""
    web = ctx.web
    nginx = web.nginx("open_file_cache max=1000 inactive=60s;", "keepalive_requests 100000000;")
    pieces = [f"{at}-{at + RANGE - 1}" for at in range(0, SIZE, RANGE)]
    ours = Rate(web.otad.process.pid, web.otad.port, web.requests("ranges", [f"{f}\t{p}" for p in pieces for f in web.files]), ctx.seconds, "core")
    same = web.requests("range", [f"/firmware\t{p}" for p in pieces for _ in web.files])
    ceiling = Rate(nginx.pid, nginx.port, same, ctx.seconds, "core")
    yield compare("range-4k", 0.8, "requests/s of CPU", ours, ceiling, ctx.runs)
    web.site.drop(nginx)


def slow_run(pid, port, paths, seconds):
    """Kernel memory in sockets and resident memory of the server while slow readers hang on it."""
    before = socket_memory()
    readers = Talker([TOOLS / "bench-slow", port, SLOW, SLOW_RATE, *paths], LOAD)
    try:
        readers.hear("flowing")
        time.sleep(seconds)
        return (socket_memory() - before) / MB, status_bytes(pid, "VmRSS") / MB
    finally:
        readers.end()
        time.sleep(0.5)


def slow_downloads(ctx):
    web = ctx.web
    nginx = web.nginx()
    resident = []

    def ours():
        memory, rss = slow_run(web.otad.process.pid, web.otad.port, web.files, ctx.seconds)
        resident.append(rss)
        return memory

    def ceiling():
        return slow_run(nginx.pid, nginx.port, ["/firmware"], ctx.seconds)[0]

    yield pairs("slow-downloads", 0.25, "MB in sockets", ours, ceiling, min(ctx.runs, 3), at_least=False)
    yield limit("slow-downloads-rss", max(resident), 50, "MB resident", len(resident), {"all": resident})
    web.site.drop(nginx)


def idle_rss(ctx):
    """As it comes, with the thousand devices, a while after its start."""
    otad = ctx.site.otad(ctx.web.db, pinned=False)
    time.sleep(2)
    yield limit("idle-rss", status_bytes(otad.process.pid, "VmRSS") / MB, 24, "MB resident")
    ctx.site.drop(otad)


