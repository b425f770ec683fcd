"""A program under test: started, watched by its log, ended by its pid."""

import os
import pwd
import signal
import socket
import subprocess
import time
from pathlib import Path


class Failure(AssertionError):
    """Something did not come within its time; the sentence says what."""


def until(condition, what, timeout=10.0, pause=0.02):
    """Waits until condition() is true and returns its value; the only way in which tests wait for an effect."""
    deadline = time.monotonic() + timeout
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > deadline:
            raise Failure(f"not within {timeout:g} s: {what}")
        time.sleep(pause)


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def listening(port, host="127.0.0.1"):
    with socket.socket() as probe:
        return probe.connect_ex((host, port)) == 0


def unprivileged(command):
    """PostgreSQL refuses to run as root."""
    if os.geteuid() != 0:
        return command
    return ["setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups", "--", *command]


def give_away(path):
    """Hands a directory to the user that unprivileged() runs as."""
    if os.geteuid() == 0:
        user = pwd.getpwnam("postgres")
        os.chown(path, user.pw_uid, user.pw_gid)


class Process:
    """One program; may be started again after it ended. Its output is appended to a log file."""

    def __init__(self, name, log):
        self.name = name
        self.log = Path(log)
        self.child = None

    def spawn(self, command, env=None, preexec=None):
        assert self.child is None, f"{self.name} already runs"
        with open(self.log, "ab") as out:
            self.child = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=out, stderr=subprocess.STDOUT, env=env, cwd="/", preexec_fn=preexec
            )

    @property
    def pid(self):
        assert self.child is not None, f"{self.name} does not run"
        return self.child.pid

    def running(self):
        return self.child is not None and self.child.poll() is None

    def end(self, with_signal=signal.SIGTERM, timeout=20):
        """Sends the signal and returns the exit status; kills after the timeout and says so."""
        if self.child is None:
            return None
        if self.child.poll() is None:
            self.child.send_signal(with_signal)
        try:
            status = self.child.wait(timeout)
        except subprocess.TimeoutExpired:
            self.child.kill()
            self.child.wait()
            self.child = None
            raise Failure(f"{self.name} did not end within {timeout} s of signal {with_signal}:\n{self.tail()}") from None
        self.child = None
        return status

    def kill(self):
        """kill -9"""
        self.end(signal.SIGKILL)

    def text(self):
        return self.log.read_text(errors="replace") if self.log.exists() else ""

    def tail(self, lines=40):
        return "\n".join(self.text().splitlines()[-lines:])

    def until_ready(self, ready, timeout):
        def there():
            if not self.running():
                raise Failure(f"{self.name} ended with {self.child.wait()} at start:\n{self.tail()}")
            return ready()

        try:
            return until(there, f"{self.name} is ready", timeout)
        except Failure as failure:
            raise Failure(f"{failure}\n{self.tail()}") from None
