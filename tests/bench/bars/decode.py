"""What one Xiaozhi check costs before any transport: its body read in place, against cJSON's tree of it."""

from pathlib import Path

from .measure import OURS, figure, output, pairs
from .site import TOOLS

REQUEST = Path(__file__).resolve().parents[2] / "fuzz/corpus/xiaozhi_check/seed_004_4g_1"
ROUNDS = 1000


def decode(ctx):
    """A program's run measures all ways in turn: each pair takes both figures from the same one."""
    command = [TOOLS / "bench-decode", REQUEST, ROUNDS]
    texts = [output(command, OURS) for _ in range(ctx.runs)]
    ours, ceiling = iter(texts), iter(texts)
    detail = {way: figure(texts[0], way + "-ns") for way in ("scan", "answer")}
    yield pairs("decode", 0.6, "ns", lambda: figure(next(ours), "service-ns"), lambda: figure(next(ceiling), "cjson-ns"), ctx.runs, False, detail)
