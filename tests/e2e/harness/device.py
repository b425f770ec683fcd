"""A device as seed 003 knows it: it listens on its topic, fetches what it is offered, and may report."""

import hashlib

from . import keys, mqtt
from .web import Client


class Device:
    """Connected and subscribed from the start; stays away after leave()."""

    def __init__(self, site, name):
        self.site = site
        self.name = name
        self.topic = f"/oc/devices/{name}/sys/ota"
        self.web = Client(site.otad.url)
        self.client = None

    def arrive(self):
        self.client = mqtt.Client(self.site.broker.port, client_id=self.name, username=self.name, password=keys.password(self.name))
        for tail in ("", "/report_reply", "/get_reply"):
            self.client.subscribe(self.topic + tail)
        return self

    def leave(self):
        if self.client:
            self.client.close()
            self.client = None

    def offer(self, timeout=10):
        """The next push."""
        message = self.client.next(timeout)
        assert message.topic == self.topic, message
        assert message.qos == 1 and not message.retain, "pushes are QoS 1 and never retained"
        return message.json

    def no_offer(self, within=1.0):
        self.client.nothing(within)

    def fetch(self, offer, headers=None):
        """Downloads what the offer names, and checks it as a device would."""
        got = self.web.get("/api/v2/micro/" + offer["fileName"], headers=headers).must(200)
        assert hashlib.md5(got.body).hexdigest() == offer["md5"]
        return got

    def fetch_range(self, offer, first, last):
        return self.web.get("/api/v2/micro/" + offer["fileName"], headers={"Range": f"bytes={first}-{last}"}).must(206)

    def poll(self):
        return self.web.get("/api/v2/otaPassiveEnable", deviceName=self.name)

    def report(self, version, **more):
        """Reports a version and returns the reply, which comes after the commit."""
        self.client.publish(self.topic + "/report", {"version": version, **more})
        return self.reply()

    def progress(self, task, step, desc=""):
        """Reports a step and returns the reply, which comes after the commit."""
        self.client.publish(self.topic + "/progress", {"taskId": task, "step": step, "desc": desc})
        return self.reply()

    def reply(self, timeout=10):
        while True:
            message = self.client.next(timeout)
            if message.topic.endswith("/report_reply"):
                return message.json

    def update(self, version):
        """The whole way: offer, download, report."""
        offer = self.offer()
        self.fetch(offer)
        assert self.report(version)["code"] == "200"
        return offer
