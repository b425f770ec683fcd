"""Uploads: bytes into the database, hashed on the way."""

import os
import time

from harness import image

from .measure import LOAD, OURS, figure, forget_peak, limit, output, pairs, status_bytes
from .site import TOOLS, fill

SIZE = 64 << 20
LARGE = 200 * 1000 * 1000
MB = 1e6


class Uploads:
    def __init__(self, site):
        self.site = site
        db = site.database()
        fill(db, 1)
        self.uri = site.uri(db)
        db.rows("CREATE TABLE bench_chunks (LIKE chunks INCLUDING ALL)")
        db.rows("GRANT ALL ON bench_chunks TO otad_service")
        self.db = db
        self.otad = site.otad(db)
        self.token = site.tokens["operator"]
        self.count = 0
        self.file = site.dir / "upload.bin"

    def send(self, size):
        """Uploads so many bytes that were never seen before; how long it took."""
        with open(self.file, "wb") as out:
            piece = os.urandom(1 << 20)
            for at in range(0, size, len(piece)):
                out.write((self.count << 40 | at).to_bytes(8, "big") + piece[8 : min(len(piece), size - at)])
        return self.send_file()

    def send_image(self, size):
        """The same as an ESP-IDF app image, which the service reads on its way."""
        parts = size >> 23
        app = image.image([image.descriptor("2.4.2", "bench"), *(os.urandom(1 << 20) * 8 for _ in range(parts - 1)), bytes((1 << 23) - 1024)])
        self.file.write_bytes(app)
        return self.send_file()

    def send_file(self):
        self.count += 1
        url = f"{self.otad.url}/api/v2/otaUpload?name=upload-{self.count}&productId=1"
        command = ["curl", "-sS", "-f", "-o", self.site.dir / "answer", "-w", "%{time_total}", "-H", f"Authorization: Bearer {self.token}"]
        seconds = float(output([*command, "-H", "Expect:", "-F", f"file=@{self.file};filename=f.bin", url], LOAD))
        answer = (self.site.dir / "answer").read_text()
        if '"errorCode":200' not in answer:
            raise RuntimeError(answer)
        return seconds


def upload(ctx):
    up = Uploads(ctx.site)
    pid = up.otad.process.pid
    up.send(1 << 20)
    time.sleep(0.5)
    before = status_bytes(pid, "VmRSS")
    forget_peak(pid)
    up.send(LARGE)
    grown = limit("upload-rss", (status_bytes(pid, "VmHWM") - before) / MB, 16, "MB grown by 200 MB", 1, {"before": before / MB})
    digests, inserts = [], []

    def ours():
        return SIZE / up.send(SIZE) / MB

    def ours_image():
        return SIZE / up.send_image(SIZE) / MB

    def slower():
        digests.append(SIZE / figure(output([TOOLS / "bench-database", "digest", SIZE], OURS), "seconds") / MB)
        up.db.rows("TRUNCATE bench_chunks")
        inserts.append(SIZE / figure(output([TOOLS / "bench-database", "chunks", up.uri, SIZE], OURS), "seconds") / MB)
        return min(digests[-1], inserts[-1])

    yield pairs("upload", 0.6, "MB/s", ours, slower, ctx.runs, detail={"digest": digests, "inserts": inserts})
    yield pairs("upload-image", 0.6, "MB/s", ours_image, slower, ctx.runs)
    if up.db.value("SELECT count(*) FROM firmware WHERE chip IS NOT NULL") != ctx.runs:
        raise RuntimeError("the images were not read")
    yield grown
    ctx.site.drop(up.otad)
