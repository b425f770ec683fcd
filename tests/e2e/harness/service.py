"""The program under test."""

import os
import re
import signal
import subprocess
from pathlib import Path

from .keys import Keys
from .process import Process, listening, until
from .web import Client

ROOT = Path(__file__).resolve().parents[3]
BUILD = Path(os.environ.get("OTAD_TEST_BUILD", ROOT / "build/asan"))
PROGRAM = BUILD / "service/otad"
SIMULATOR = BUILD / "tests/sim/otad-sim"
# What a sanitizer says when it has found something.
COMPLAINT = re.compile(r"ERROR: \w+Sanitizer|WARNING: \w+Sanitizer|runtime error:|SUMMARY: \w+Sanitizer")
ENVIRONMENT = {
    "PATH": os.environ["PATH"],
    "ASAN_OPTIONS": "exitcode=99:detect_stack_use_after_return=1:strict_string_checks=1",
    "UBSAN_OPTIONS": "print_stacktrace=1",
    "TSAN_OPTIONS": "exitcode=99:halt_on_error=0:second_deadlock_stack=1",
    "LSAN_OPTIONS": "print_suppressions=0",
}


class Otad:
    """otad with a configuration file of its own, over one database and one broker."""

    def __init__(self, directory, pg, pg_migrate, mqtt_port, keys=None, settings=None):
        self.dir = Path(directory)
        self.dir.mkdir()
        self.cache = self.dir / "cache"
        self.cache.mkdir()
        self.process = Process("otad", self.dir / "log")
        self.plugin = True  # the broker has it
        keys = keys or Keys(self.dir)
        key = self.dir / "master.key"
        key.write_text("5a" * 32 + "\n")
        key.chmod(0o600)
        self.settings = {
            "http_address": "127.0.0.1",
            "http_port": 0,
            "http_loops": 2,
            "pg": pg,
            "pg_migrate": pg_migrate,
            "mqtt_port": mqtt_port,
            "mqtt_password_file": keys.secret,
            "mqtt_keys_file": keys.keys,
            "cache_dir": self.cache,
            "master_key_file": key,
            "log_level": "debug",
            **(settings or {}),
        }
        self.config = self.dir / "otad.conf"
        self.env = dict(ENVIRONMENT)
        self.write_config()

    def write_config(self, **changes):
        self.settings.update(changes)
        self.config.write_text("".join(f"{key} = {value}\n" for key, value in self.settings.items()))

    def run(self, *words, given=None, env=None):
        """A subcommand to its end: the CompletedProcess."""
        return subprocess.run(
            [str(PROGRAM), "--config", str(self.config), *words],
            input=given, capture_output=True, text=True, timeout=60, env={**self.env, **(env or {})}, cwd="/",
        )

    def do(self, *words, given=None):
        """A subcommand that must succeed: its output."""
        done = self.run(*words, given=given)
        assert done.returncode == 0, f"otad {' '.join(words)}: {done.returncode}\n{done.stdout}{done.stderr}"
        return done.stdout

    def start(self, wait=True, preexec=None):
        before = len(self.process.text())
        self.process.spawn([str(PROGRAM), "--config", str(self.config)], env=self.env, preexec=preexec)
        if not wait:
            return

        def port():
            found = re.search(r"msg=\"?listening\b.*\bport=(\d+)", self.process.text()[before:])
            return found and int(found.group(1))

        self.process.until_ready(port, 30)
        # A restarted service is found where it was.
        self.write_config(http_port=port())
        if listening(self.settings["mqtt_port"]):
            until(self.hears_the_broker, f"otad is connected to the broker:\n{self.process.tail()}")

    def hears_the_broker(self):
        """What a device says before that is not heard: a broker keeps nothing for a client it does not know."""
        told = Client(self.url).get("/readyz").json
        return told.get("broker") == "ok" and (not self.plugin or told.get("plugin") == "ok")

    @property
    def port(self):
        return self.settings["http_port"]

    @property
    def url(self):
        return f"http://127.0.0.1:{self.port}"

    def stop(self):
        """SIGTERM: it must drain and exit 0."""
        status = self.process.end(signal.SIGTERM)
        assert status in (0, None), f"otad exited with {status}:\n{self.process.tail()}"

    def kill(self):
        self.process.kill()

    def restart(self):
        self.stop()
        self.start()

    def reload(self):
        self.process.child.send_signal(signal.SIGHUP)

    def log(self):
        return self.process.text()

    def until_logged(self, pattern, timeout=10):
        return until(lambda: re.search(pattern, self.log()), f"the log says {pattern!r}:\n{self.process.tail()}", timeout)

    def resident(self):
        """Bytes of memory it holds."""
        pages = int(Path(f"/proc/{self.process.pid}/statm").read_text().split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE")

    def temporary_files(self):
        """What lies in the cache directory and is not a finished artifact (64 hex digits)."""
        return [str(path) for path in self.cache.rglob("*") if path.is_file() and not re.fullmatch(r"[0-9a-f]{64}", path.name)]

    def verdict(self):
        """Stops it and fails if a sanitizer complained, now or in an earlier life."""
        try:
            self.stop()
        finally:
            complaint = COMPLAINT.search(self.log())
            if complaint:
                raise AssertionError("the sanitizer found:\n" + self.log()[complaint.start() :][:6000])
