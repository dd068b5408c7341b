"""Makes the runner's modules importable as the package runner, and offers what stands for the gateway."""

from __future__ import annotations

import struct
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
sys.dont_write_bytecode = True

HEADER = struct.Struct("<IBBHQIHH")


class Sent(SimpleNamespace):
    """A frame, taken apart as the gateway does."""


def parse(frame: bytes) -> Sent:
    size, kind, flags, status, number, block, count, held = HEADER.unpack_from(frame)
    rest = frame[HEADER.size :]
    assert len(rest) == size, "a frame says %d bytes and has %d" % (size, len(rest))
    fields = rest[:block].split(b"\n") if block else []
    return Sent(
        kind=kind, flags=flags, status=status, number=number, fields=fields, count=count, held=held, body=rest[block:]
    )


class Gateway:
    """What a request's answer is sent to: a link for threads, a carrier for coroutines."""

    gone = False
    known = congested = closing = False
    grace = 0.0

    def __init__(self):
        self.exchanges: dict = {}
        self.frames: list[Sent] = []
        self.files: list[int] = []

    def send(self, parts, fd: int = -1) -> None:
        self.frames.append(parse(b"".join(bytes(p) for p in parts)))
        self.files.append(fd)

    def post(self, frame: bytes, fd: int = -1) -> None:
        self.send([frame], fd)

    def post_frame(self, frame: bytes) -> None:
        self.send([frame])

    def poll(self) -> None: ...

    def wait(self, ready, number: int) -> None:
        raise AssertionError("it waits for a gateway that takes everything")


@pytest.fixture
def gateway() -> Gateway:
    return Gateway()


@pytest.fixture
def app_folder(tmp_path, monkeypatch):
    """A folder to import from, whose modules are forgotten afterwards."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    before = set(sys.modules)
    yield tmp_path
    for name in set(sys.modules) - before:
        del sys.modules[name]
