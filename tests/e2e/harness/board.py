"""Xiaozhi devices of otad-sim as a process of one's own: their events as they happen."""

import json
import signal
import subprocess
import threading

from .process import Failure, until
from .service import SIMULATOR

MAC = "94:a9:90:2c:84:b8"
NAME = MAC.replace(":", "_")


class Boards:
    """url: of otad (or of whoever plays it). Pauses of the firmware are a hundredth; arguments go to otad-sim as they are."""

    def __init__(self, url, version, *arguments, mac=MAC, speed=100):
        command = [str(SIMULATOR), "--xiaozhi", version, "--mac", mac, "--url", url, "--json", "--install-ms", "30", "--speed", str(speed)]
        self.lines = []
        self.errors = ""
        self.child = subprocess.Popen(
            command + [str(a) for a in arguments], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        self.reader = threading.Thread(target=self.read, daemon=True)
        self.reader.start()

    def read(self):
        for line in self.child.stdout:
            self.lines.append(json.loads(line))

    def events(self, name, device=None):
        return [e for e in list(self.lines) if e["event"] == name and device in (None, e.get("device"))]

    def event(self, name, count=1, device=None, timeout=15):
        """The count-th event of that name."""

        def there():
            found = self.events(name, device)
            if len(found) >= count:
                return found
            if self.child.poll() is not None and not self.reader.is_alive():
                raise Failure(f"otad-sim ended with {self.child.returncode} before {name}: {self.story()}\n{self.child.stderr.read()}")
            return None

        return until(there, f"event {name} number {count}", timeout)[count - 1]

    def story(self):
        return [(e["event"], e.get("text", "")) for e in list(self.lines)]

    def power_cycle(self):
        self.child.send_signal(signal.SIGUSR1)

    def wait(self, timeout=60):
        """Its exit status; then summary and errors are there."""
        try:
            status = self.child.wait(timeout)
        except subprocess.TimeoutExpired:
            raise Failure(f"otad-sim does not end: {self.story()[-10:]}") from None
        self.reader.join(10)
        self.errors += self.child.stderr.read()
        return status

    def stop(self):
        if self.child.poll() is None:
            self.child.terminate()
        return self.wait(20)

    @property
    def summary(self):
        return self.events("summary")[0]

    def done(self, timeout=60):
        """It ends by itself, well."""
        status = self.wait(timeout)
        assert status == 0, f"{status}: {self.errors}\n{self.story()}"
        return self

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()
