"""A Mosquitto of one's own, configured as deploy/up does, on a free port."""

import os
from pathlib import Path

from .process import Process, free_port, listening

ROOT = Path(__file__).resolve().parents[3]


class Broker:
    def __init__(self, directory):
        self.dir = Path(directory)
        self.dir.mkdir()
        self.process = Process("mosquitto", self.dir / "log")
        self.port = None

    def start(self):
        """On the first free port, later on the same one."""
        self.port = self.port or free_port()
        config = self.dir / "mosquitto.conf"
        lines = [f"listener {self.port} 127.0.0.1", f"persistence_location {self.dir}/"]
        if os.geteuid() == 0:
            lines.append("user root")
        config.write_text((ROOT / "deploy/mosquitto.conf").read_text() + "\n".join(lines) + "\n")
        self.process.spawn(["/usr/sbin/mosquitto", "-c", str(config)])
        self.process.until_ready(lambda: listening(self.port), 10)

    def stop(self):
        self.process.end()

    def kill(self):
        self.process.kill()

    def restart_with_amnesia(self):
        """kill -9 and a start without what it had saved: every message it acknowledged and every session is gone."""
        if self.process.running():
            self.kill()
        (self.dir / "mosquitto.db").unlink(missing_ok=True)
        self.start()
