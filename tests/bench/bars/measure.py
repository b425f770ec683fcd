"""What a bar is made of: paired runs, their median ratio, and what the kernel says about memory and CPU time."""

import os
import statistics
import subprocess
from dataclasses import dataclass, field
from pathlib import Path

TICK = os.sysconf("SC_CLK_TCK")
PAGE = os.sysconf("SC_PAGE_SIZE")


@dataclass
class Result:
    """One line. at_least: the ratio may not be below the bar; else not above it."""

    name: str
    bar: float
    at_least: bool
    ours: float
    ceiling: float
    unit: str
    ratio: float
    runs: int
    detail: dict = field(default_factory=dict)

    @property
    def ok(self):
        return self.ratio >= self.bar if self.at_least else self.ratio <= self.bar

    def line(self):
        return (
            f"{self.name} ratio={self.ratio:.3f} bar={self.bar:g} {'ok' if self.ok else 'short'}"
            f" (ours={short(self.ours)} ceiling={short(self.ceiling)} {self.unit} runs={self.runs})"
        )

    def json(self):
        return {
            "name": self.name, "ratio": self.ratio, "bar": self.bar, "rule": "at least" if self.at_least else "at most", "ok": self.ok,
            "ours": self.ours, "ceiling": self.ceiling, "unit": self.unit, "runs": self.runs, "detail": self.detail,
        }  # fmt: skip


def short(number):
    return f"{number:.0f}" if abs(number) >= 1000 else f"{number:.4g}"


def pairs(name, bar, unit, ours, ceiling, runs, at_least=True, detail=None):
    """Calls ours() and ceiling() in turn. The ratio is the median of the pairs' ratios: a core's speed drifts, but less within a pair."""
    left, right = [], []
    for _ in range(runs):
        left.append(ours())
        right.append(ceiling())
    ratios = [a / b for a, b in zip(left, right)]
    spread = {"ratios": ratios, "ours": left, "ceiling": right, **(detail or {})}
    return Result(name, bar, at_least, statistics.median(left), statistics.median(right), unit, statistics.median(ratios), runs, spread)


def limit(name, value, most, unit, runs=1, detail=None):
    """An absolute limit: the ratio is the share of it that is used."""
    return Result(name, 1.0, False, value, most, unit, value / most, runs, detail or {})


def cpu_seconds(pid):
    """User and system time of a process, all its threads."""
    words = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(words[11]) + int(words[12])) / TICK


def status_bytes(pid, key):
    """VmRSS, VmHWM ... of /proc/PID/status."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith(key + ":"):
            return int(line.split()[1]) * 1024
    raise KeyError(key)


def forget_peak(pid):
    """Resets VmHWM to what is resident now."""
    Path(f"/proc/{pid}/clear_refs").write_text("5")


def socket_memory():
    """Bytes the kernel holds in TCP buffers, of the whole machine."""
    for line in Path("/proc/net/sockstat").read_text().splitlines():
        if line.startswith("TCP:"):
            words = line.split()
            return int(words[words.index("mem") + 1]) * PAGE
    raise KeyError("TCP")


def cores():
    """(the core of what is measured, the cores of the load)."""
    free = sorted(os.sched_getaffinity(0))
    return {free[0]}, {free[1 % len(free)]}


OURS, LOAD = cores()


def on(where):
    """A preexec function that pins the new process."""
    return lambda: os.sched_setaffinity(0, where)


def pin(pid, where):
    """Pins every thread of a running process."""
    for task in os.listdir(f"/proc/{pid}/task"):
        os.sched_setaffinity(int(task), where)


def output(command, where, timeout=120, env=None):
    """The output of a program that must succeed."""
    done = subprocess.run(
        [str(word) for word in command], capture_output=True, text=True, timeout=timeout, env=env, preexec_fn=on(where), stdin=subprocess.DEVNULL
    )
    if done.returncode != 0:
        raise RuntimeError(f"{command[0]}: {done.returncode}\n{done.stdout[-2000:]}{done.stderr[-2000:]}")
    if done.stderr:
        raise RuntimeError(f"{command[0]}: {done.stderr[-2000:]}")
    return done.stdout


def figure(text, key):
    """The number after a word of an output."""
    words = text.split()
    return float(words[words.index(key) + 1])


class Talker:
    """A program we speak with by lines."""

    def __init__(self, command, where):
        self.name = Path(str(command[0])).name
        self.child = subprocess.Popen(
            [str(word) for word in command], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1, preexec_fn=on(where)
        )

    def say(self, line):
        self.child.stdin.write(line + "\n")
        self.child.stdin.flush()

    def hear(self, word):
        """The words after `word`, which must begin its next line."""
        words = self.child.stdout.readline().split()
        if not words or words[0] != word:
            raise RuntimeError(f"{self.name}: {' '.join(words) or 'ended'} instead of {word}")
        return words[1:]

    def end(self):
        self.child.stdin.close()
        try:
            self.child.wait(20)
        except subprocess.TimeoutExpired:
            self.child.kill()
            self.child.wait()
        self.child.stdout.close()
