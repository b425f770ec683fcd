"""A whole fleet that comes back at once, each device with a live task."""

import http.client
import re
import threading
import time
import urllib.request

from harness.broker import Broker
from harness.process import until

from .measure import LOAD, OURS, Result, Talker, limit, status_bytes
from .site import FIRMWARE, PREFIX, TOOLS, fill

FLEET = 10_000
OPERATORS = 16  # connections that order
PATIENCE_MS = 20_000
LINGER_MS = 3000  # for copies on their way
UNHEARD = (1, 4, 9)  # seconds between the last order and the return: before, around and after the first repetition (resend_min: 10 s)
MB = 1e6


class Fleet:
    """Ten thousand devices, the otad and the broker they come back to. Nothing is pinned: it is about the whole, not about a core."""

    def __init__(self, site, way):
        self.site, self.way = site, way
        self.db = site.database()
        fill(self.db, FLEET)
        self.broker = Broker(site.place(), site.keys)
        self.broker.start()
        site.keep(self.broker)
        self.otad = site.otad(self.db, pinned=False, mqtt_port=self.broker.port)
        self.devices = Talker([TOOLS / "bench-reconnect", self.broker.port, site.keys.keys, PREFIX, FLEET, way], OURS | LOAD)

    def close(self):
        self.devices.end()
        self.site.drop(self.otad)
        self.site.drop(self.broker)

    def metric(self, name):
        with urllib.request.urlopen(self.otad.url + "/metrics", timeout=20) as answer:
            return int(re.search(rf"^{name} (\d+)$", answer.read().decode(), re.M).group(1))

    def ask(self, line, word):
        self.devices.say(line)
        words = ["served", *self.devices.hear(word)] if word == "served" else self.devices.hear(word)
        return {key: float(value) for key, value in zip(words[::2], words[1::2])}

    def order(self, first, wrong):
        link = http.client.HTTPConnection("127.0.0.1", self.otad.port, timeout=60)
        head = {"Authorization": f"Bearer {self.site.tokens['operator']}"}
        for i in range(first + 1, FLEET + 1, OPERATORS):
            link.request("POST", f"/api/v2/otaEnable?name={FIRMWARE}&deviceName={PREFIX}{i}", headers=head)
            answer = link.getresponse().read()
            if b'"errorCode":200' not in answer:
                wrong.append(answer)
        link.close()

    def order_all(self):
        """By otaEnable; until the broker has every push. Seconds."""
        began, before, wrong = time.monotonic(), self.metric("otad_pushes_published_total"), []
        threads = [threading.Thread(target=self.order, args=(i, wrong)) for i in range(OPERATORS)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        if wrong:
            raise RuntimeError(f"{len(wrong)} orders refused: {wrong[0]}")
        until(lambda: self.metric("otad_pushes_published_total") - before >= FLEET, "every push is published", 30, 0.1)
        return time.monotonic() - began

    def round(self, unheard):
        """Orders for the devices that are away; unheard seconds later they are back. What came of it."""
        told = {"unheard": unheard, "ordered_s": self.order_all()}
        time.sleep(unheard)
        names = {"dropped": "otad_reports_dropped_total", "silent": "otad_replies_dropped_total", "resent": "otad_presence_resent_total"}
        before = {key: self.metric(name) for key, name in names.items()}
        began = time.monotonic_ns()
        self.devices.say("arrive")
        told["arrived_s"] = (int(self.devices.hear("arrived")[0]) - began) / 1e9
        told.update(self.ask(f"serve {PATIENCE_MS}", "served"))
        told.update(self.ask(f"linger {LINGER_MS}", "lingered"))
        told.update({key: self.metric(name) - before[key] for key, name in names.items()})
        told["states"] = dict(self.db.rows("SELECT state, count(*) FROM tasks GROUP BY 1"))
        self.devices.say("leave")
        self.devices.hear("left")
        told["peak_mb"] = status_bytes(self.otad.process.pid, "VmHWM") / MB
        return told


def served(name, rounds):
    """The worst round counts. A device is served right if it got one copy and its report an answer."""
    right = [one["once"] - one["dropped"] for one in rounds]
    return Result(name, 1.0, True, min(right), FLEET, "devices served once", min(right) / FLEET, len(rounds), {"rounds": rounds})


def reconnect(ctx):
    for way in ("clean", "persistent"):
        fleet = Fleet(ctx.site, way)
        try:
            if way == "persistent":
                fleet.devices.say("arrive")
                fleet.devices.hear("arrived")
                fleet.devices.say("leave")
                fleet.devices.hear("left")
            rounds = [fleet.round(unheard) for unheard in UNHEARD]
            yield served(f"reconnect-{way}", rounds)
            yield limit(f"reconnect-{way}-rss", max(one["peak_mb"] for one in rounds), 64, "MB resident at most", len(rounds))
        finally:
            fleet.close()
