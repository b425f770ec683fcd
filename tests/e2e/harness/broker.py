"""A Mosquitto of one's own with the plugin, configured as deploy/up does, on a free port."""

import os
import subprocess
from pathlib import Path

from .process import Process, free_port, listening

ROOT = Path(__file__).resolve().parents[3]
BUILD = Path(os.environ.get("OTAD_TEST_BUILD", ROOT / "build/asan"))
PLUGIN = BUILD / "service/plugin/otad_plugin.so"


def preload():
    """A plugin built with a sanitizer needs its runtime in the broker, which was built without."""
    needed = subprocess.run(["readelf", "-d", str(PLUGIN)], capture_output=True, text=True, check=True).stdout
    libraries = [line.split("[")[1].split("]")[0] for line in needed.splitlines() if "(NEEDED)" in line]
    found = []
    for name in libraries:
        if name.startswith(("libasan", "libubsan", "libtsan")):
            found.append(subprocess.run(["gcc", f"-print-file-name={name}"], capture_output=True, text=True, check=True).stdout.strip())
    return found


class Broker:
    def __init__(self, directory, keys):
        self.dir = Path(directory)
        self.dir.mkdir()
        self.keys = keys
        self.process = Process("mosquitto", self.dir / "log")
        self.port = None
        self.extra = []

    def lines(self):
        lines = [
            f"listener {self.port} 127.0.0.1", f"persistence_location {self.dir}/", f"plugin {PLUGIN}",
            f"plugin_opt_keys_file {self.keys.keys}", f"plugin_opt_service_secret_file {self.keys.secret}",
            f"plugin_opt_state_file {self.dir}/revocations",
        ]
        if os.geteuid() == 0:
            lines.append("user root")
        return lines + self.extra

    def start(self):
        """On the first free port, later on the same one."""
        self.port = self.port or free_port()
        config = self.dir / "mosquitto.conf"
        config.write_text((ROOT / "deploy/mosquitto.conf").read_text() + "\n".join(self.lines()) + "\n")
        env = {"PATH": os.environ["PATH"], "LD_PRELOAD": ":".join(preload()), "ASAN_OPTIONS": "detect_leaks=0:exitcode=99"}
        self.process.spawn(["/usr/sbin/mosquitto", "-c", str(config)], env=env)
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
