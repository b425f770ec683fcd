"""Pushes and reports over MQTT."""

import time

from harness.process import until

from .access import Bare
from .measure import LOAD, OURS, Talker, figure, output, pairs
from .site import FIRMWARE, PREFIX, TOOLS, assign, fill

PUSHES = 10000
WINDOW = 200  # mqtt_window's default, for the ceiling too
REPORTS = 10000
UNANSWERED = 2000
BATCH = 512  # commit_batch's default


def push(ctx):
    site = ctx.site
    db = site.database()
    fill(db, PUSHES)
    broker, bare_broker = site.own_broker(), site.own_broker(Bare)
    otad = site.otad(db, start=False, mqtt_port=broker.port)
    devices = Talker([TOOLS / "bench-devices", broker.port, site.keys.keys, PREFIX, PUSHES], LOAD)
    bare_devices = Talker([TOOLS / "bench-devices", bare_broker.port, "-", PREFIX, PUSHES], LOAD)
    for fleet in (devices, bare_devices):
        fleet.hear("ready")
    received, committed, messages = [], [], []

    def finish(fleet, begin):
        """Seconds from the first call to the last device's receipt."""
        last, count = fleet.hear("all")
        messages.append(int(count))
        return (int(last) - begin) / 1e9

    def ours():
        db.rows("TRUNCATE tasks, rollouts, outbox, events, audit CASCADE")
        devices.say("again")
        devices.hear("again")
        publisher = Talker([TOOLS / "bench-push", "engine", otad.config, PREFIX, PUSHES, FIRMWARE], OURS)
        try:
            begin = int(publisher.hear("begin")[0])
            publisher.hear("done")
            received.append(finish(devices, begin))
            counted = "SELECT count(*) FROM tasks WHERE state = 'notified'"
            until(lambda: db.value(counted) == PUSHES, "all tasks are notified", 30, 0.1)
            wall = float(db.value("SELECT extract(epoch FROM max(pg_xact_commit_timestamp(xmin))) FROM tasks"))
        finally:
            publisher.end()
        committed.append(wall - (time.time() - time.monotonic()) - begin / 1e9)
        return PUSHES / max(received[-1], committed[-1])

    def bare():
        bare_devices.say("again")
        bare_devices.hear("again")
        publisher = Talker([TOOLS / "bench-push", "bare", bare_broker.port, PREFIX, PUSHES, WINDOW], OURS)
        try:
            begin = int(publisher.hear("begin")[0])
            return PUSHES / finish(bare_devices, begin)
        finally:
            publisher.end()

    try:
        yield pairs("push", 0.6, "pushes/s", ours, bare, ctx.runs, detail={"received_s": received, "committed_s": committed, "messages": messages})
    finally:
        for fleet in (devices, bare_devices):
            fleet.end()
        for one in (broker, bare_broker):
            site.drop(one)


def reports(ctx):
    site = ctx.site
    runs = ctx.runs
    db = site.database()
    fill(db, REPORTS * (runs + 1))
    assign(db, "passive", REPORTS * (runs + 1))
    beside = site.database(db.name)
    broker = site.own_broker()
    otad = site.otad(db, mqtt_port=broker.port)
    time.sleep(1)
    at = {"ours": 0, "bare": 0}
    repeated = []

    def first(who):
        at[who] += 1
        return (at[who] - 1) * REPORTS + 1

    def ours():
        command = [TOOLS / "bench-reports", broker.port, site.keys.secret, PREFIX, first("ours"), REPORTS, UNANSWERED]
        text = output(command, LOAD)
        repeated.append(figure(text, "repeated"))
        return REPORTS / figure(text, "seconds")

    def bare():
        command = [TOOLS / "bench-database", "reports", site.uri(beside), first("bare"), REPORTS, BATCH]
        return REPORTS / figure(output(command, OURS), "seconds")

    ours(), bare()  # warm
    yield pairs("reports", 0.5, "reports/s", ours, bare, runs, detail={"repeated": repeated})
    told = db.value("SELECT count(*) FROM tasks WHERE state = 'accepted'")
    if told != REPORTS * (runs + 1):
        raise RuntimeError(f"{told} tasks accepted instead of {REPORTS * (runs + 1)}")
    site.drop(otad)
    site.drop(broker)


