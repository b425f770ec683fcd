"""What the plugin costs the broker: logins, and messages under its ACL."""

from contextlib import closing
from pathlib import Path

from harness.broker import Broker
from harness.keys import Keys

from .measure import LOAD, OURS, Talker, figure, output, pairs, pin
from .site import PREFIX, TOOLS

REVOKED = 100_000
PAGE = 50_000  # rows that one line of the state file closes
IDENTITIES = 20_000
SOCKETS = 32
DEVICES = 1000
MESSAGES = 10_000
SLICES = 4  # a run is short and there are more of them: the machine changes its speed from second to second
WINDOW = 200  # mqtt_window's default
# A line in the log for every connection would cost the bare broker as much as ours, and hide what is measured.
QUIET = ["connection_messages false"]


def busy_ns(pid):
    """What the process has used of a core, of all its threads: finer than the ticks of /proc/PID/stat."""
    return sum(int((task / "schedstat").read_text().split()[0]) for task in Path(f"/proc/{pid}/task").iterdir())


class Bare(Broker):
    """The same Mosquitto and configuration without the plugin, open to all."""

    def lines(self):
        return [*(line for line in super().lines() if not line.startswith("plugin")), "allow_anonymous true"]


def revoke(broker):
    """Its state file: names nobody connects with, half blocked, half of a later epoch."""
    rows = [f"revoked-{i} 2 {i % 2}\n" for i in range(REVOKED)]
    pages = ["".join(rows[at : at + PAGE]) + f"= {at + PAGE}\n" for at in range(0, REVOKED, PAGE)]
    state = broker.dir / "revocations"
    state.touch(mode=0o600)
    state.write_text("otad-revocations 1\n" + "".join(pages))


class Rig:
    """Both brokers on the core of what is measured; only one has work at a time."""

    def __init__(self, site):
        place = site.place()
        place.mkdir()
        self.keys = Keys(place)
        self.site = site
        self.plugin, self.bare = Broker(site.place(), self.keys), Bare(site.place(), self.keys)
        revoke(self.plugin)
        for broker in (self.plugin, self.bare):
            broker.extra = QUIET
            broker.start()
            pin(broker.process.pid, OURS)
            site.keep(broker)
        if f"otad: {REVOKED} revocations" not in self.plugin.process.text():
            raise RuntimeError(self.plugin.process.tail())

    def close(self):
        self.site.drop(self.plugin)
        self.site.drop(self.bare)

    @property
    def files(self):
        return [self.keys.keys, self.keys.secret]


class Rate:
    """Callable for pairs(): how many a second of the broker's CPU time. The load costs its core about as much as the broker costs its own,
    so by the clock a slower broker would be hidden where the load is the slower one; that rate is kept, too."""

    def __init__(self, broker, load, count):
        """load(): a run's output, with the number after the word `count` and the seconds after "seconds"."""
        self.broker, self.load, self.count = broker, load, count
        self.forget()

    def forget(self):
        self.clock, self.busy, self.cost = [], [], []

    def __call__(self):
        pid = self.broker.process.pid
        before = busy_ns(pid)
        text = self.load()
        used = (busy_ns(pid) - before) / 1e9
        count, seconds = figure(text, self.count), figure(text, "seconds")
        self.clock.append(count / seconds)
        self.busy.append(round(used / seconds, 3))
        self.cost.append(used / count * 1e6)
        return count / used

    def detail(self):
        return {"per_s": self.clock, "busy": self.busy, "cpu_us": self.cost}


def compare(name, unit, ours, ceiling, runs):
    ours(), ceiling()  # warm
    ours.forget(), ceiling.forget()
    result = pairs(name, 0.95, unit, ours, ceiling, runs)
    by_clock = sorted(a / b for a, b in zip(ours.clock, ceiling.clock))
    result.detail.update(ratio_by_clock=by_clock[len(by_clock) // 2], load={"ours": ours.detail(), "ceiling": ceiling.detail()})
    return result


def connects(ctx):
    """Either form of credentials against nobody's: the bare broker is given neither user name nor password."""
    rig = Rig(ctx.site)

    def visits(broker, form, *files):
        command = [TOOLS / "bench-connects", broker.port, form, *files, PREFIX, IDENTITIES, SOCKETS, ctx.seconds * 1000 // SLICES]
        return Rate(broker, lambda: output(command, LOAD), "connects")

    try:
        ceiling = visits(rig.bare, "anonymous", "-", "-")
        for form in ("plain", "xiaozhi"):
            ceiling.forget()
            yield compare(f"connects-{form}", "connects/s of CPU", visits(rig.plugin, form, *rig.files), ceiling, ctx.runs * SLICES)
    finally:
        rig.close()


class Crowd(Talker):
    """Devices and a service that stay connected; called, they send MESSAGES."""

    def __init__(self, broker, way, *files):
        super().__init__([TOOLS / "bench-acl", broker.port, way, *files, PREFIX, DEVICES, MESSAGES, WINDOW], LOAD)
        self.hear("ready")

    def close(self):
        self.end()

    def __call__(self):
        self.say("go")
        return " ".join(["messages", *self.hear("messages")])


def acl(ctx):
    """Pushes to the devices that listen to their own topics, and reports of devices to the service."""
    rig = Rig(ctx.site)
    try:
        for way in ("deliver", "publish"):
            with closing(Crowd(rig.plugin, way, *rig.files)) as ours, closing(Crowd(rig.bare, way, "-", "-")) as bare:
                rates = Rate(rig.plugin, ours, "messages"), Rate(rig.bare, bare, "messages")
                yield compare(f"acl-{way}", "messages/s of CPU", *rates, ctx.runs * SLICES)
    finally:
        rig.close()
