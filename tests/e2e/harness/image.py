"""ESP-IDF images as the build tools make them, and as people upload them by mistake."""

import hashlib
import struct
from functools import reduce
from operator import xor

ELF_SHA256 = bytes(range(32))
CHIPS = {"esp32": 0, "esp32s2": 2, "esp32c3": 5, "esp32s3": 9, "esp32c2": 12, "esp32c6": 13, "esp32h2": 16, "esp32p4": 18}


def descriptor(version, project, elf=ELF_SHA256, idf="v5.4.1"):
    head = struct.pack("<II8x32s32s16s16s32s", 0xABCD5432, 0, version.encode(), project.encode(), b"12:34:56", b"Nov 21 2026", idf.encode())
    return (head + elf).ljust(256, b"\0")


def image(segments, chip="esp32s3", hashed=True):
    """Header, segments, checksum, SHA-256."""
    header = struct.pack("<BBBBIB3xHBHH4xB", 0xE9, len(segments), 2, 0x3F, 0x40378000, 0xEE, CHIPS[chip], 0, 0, 0xFFFF, hashed)
    body = header + b"".join(struct.pack("<II", 0x3C000020 + at, len(data)) + data for at, data in enumerate(segments))
    folded = reduce(xor, (int.from_bytes(data, "big") for data in segments), 0)
    checksum = reduce(xor, folded.to_bytes(max(map(len, segments)), "big"), 0xEF)
    body += bytes(15 - len(body) % 16) + bytes([checksum])
    return body + hashlib.sha256(body).digest() if hashed else body


def app(version="2.4.2", project="xiaozhi", chip="esp32s3", size=600_000, hashed=True, elf=ELF_SHA256):
    """An app image of about that size."""
    return image([descriptor(version, project, elf) + bytes(512), b"\x5a\x01\x02\x03" * (size // 4)], chip, hashed)


def bootloader():
    return image([b"\x50\0\0\0" + bytes(92), b"boot" * 4000])


def merged(at=0):
    """The whole flash in one file: bootloader, partition table, app."""
    flash = (b"\xff" * at + bootloader()).ljust(0x8000, b"\xff") + b"\xaa\x50\x01\x02"
    return flash.ljust(0x10000, b"\xff") + app()
