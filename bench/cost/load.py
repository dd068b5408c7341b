"""What servers are asked to do: wrk, h2load, and for the rest the program in client/."""

from __future__ import annotations

import json
import re
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import servers
from servers import Running

WARM = 0.5  # seconds
SETTLE = 3.0  # seconds after which memory that is not needed has been given back

Figures = dict[str, float]  # by the names in table.FIGURES


@dataclass(frozen=True)
class Load:
    """A program that makes requests for some seconds."""

    connections: int = 32
    path: str = "/"
    tls: bool = False

    def url(self, running: Running) -> str:
        return ("https://" if self.tls else "http://") + running.address + self.path

    def command(self, running: Running, seconds: int) -> list[str]:
        raise NotImplementedError

    def read(self, text: str) -> Figures:
        """What the program has printed: requests, rate, and failed; p50 and p99 where it says so."""
        raise NotImplementedError

    def warm(self, running: Running) -> None:
        """The same load, which nobody measures."""
        quiet = subprocess.DEVNULL
        with subprocess.Popen(self.command(running, 30), stdout=quiet, stderr=quiet) as client:
            time.sleep(WARM)
            client.kill()

    def measure(self, running: Running, seconds: int) -> Figures:
        """Adds to the figures the CPU that a request has taken."""
        pids = running.counted()
        before = servers.cpu(pids)
        done = subprocess.run(self.command(running, seconds), capture_output=True, text=True)
        used = servers.cpu(pids) - before
        if done.returncode != 0:
            raise RuntimeError("%s: %s" % (done.args, done.stderr))
        figures = self.read(done.stdout)
        if not figures["requests"]:
            raise RuntimeError("%s: no request was answered: %s" % (done.args, done.stdout))
        return {**figures, "cpu": used / figures["requests"] * 1e6}


@dataclass(frozen=True)
class Wrk(Load):
    body: int = 0  # bytes to POST

    def command(self, running: Running, seconds: int) -> list[str]:
        script = []
        if self.body:
            file = running.folder / "post.lua"
            file.write_text('wrk.method = "POST"\nwrk.body = string.rep("x", %d)\n' % self.body)
            script = ["-s", str(file)]
        return ["wrk", "-t1", "-c%d" % self.connections, "-d%ds" % seconds, "--latency", *script, self.url(running)]

    def read(self, text: str) -> Figures:
        failed = [int(n) for n in re.findall(r"(?:responses:|connect|read|write|timeout) (\d+)", text)]
        return {
            "requests": number(r"(\d+) requests in", text),
            "rate": number(r"Requests/sec:\s+([\d.]+)", text),
            "failed": sum(failed),
            "p50": milliseconds("50%", text),
            "p99": milliseconds("99%", text),
        }


@dataclass(frozen=True)
class H2Load(Load):
    streams: int = 1  # at once on a connection

    def command(self, running: Running, seconds: int) -> list[str]:
        streams = "-m%d" % self.streams
        return ["h2load", "-c%d" % self.connections, streams, "-D%d" % seconds, self.url(running)]

    def read(self, text: str) -> Figures:
        return {
            "requests": number(r"(\d+) succeeded", text),
            "rate": number(r"([\d.]+) req/s", text),
            "failed": number(r"(\d+) failed", text),
        }


@dataclass(frozen=True)
class Client(Load):
    """The program in client/ in one of its modes, which prints JSON."""

    mode: str = ""
    program: str = ""  # where it was built to

    def command(self, running: Running, seconds: int) -> list[str]:
        flags = ["-connections", str(self.connections), "-length", "%ds" % seconds]
        return [self.program, self.mode, *flags, *self.flags(), self.url(running)]

    def flags(self) -> list[str]:
        return []

    def read(self, text: str) -> Figures:
        return json.loads(text)


@dataclass(frozen=True)
class Paced(Client):
    """Requests at a rate, whether the server keeps up or not; or at half of what a server does at most."""

    mode: str = "paced"
    rate: float = 0
    half_of: str = ""
    slow: float = 0  # the share of requests that go to /slow
    longer: int = 1  # times as long as other loads

    def command(self, running: Running, seconds: int) -> list[str]:
        return super().command(running, seconds * self.longer)

    def flags(self) -> list[str]:
        return ["-rate", "%.0f" % self.rate, "-slow", str(self.slow)]

    def at_half(self, fastest: Running) -> Paced:
        most = Wrk(connections=32).measure(fastest, 2)["rate"]
        return replace(self, rate=most / 2)


@dataclass(frozen=True)
class Idle(Client):
    """Connections with one request each, and then nothing: the memory that each takes."""

    mode: str = "idle"
    http2: bool = False

    def flags(self) -> list[str]:
        return ["-http2"] if self.http2 else []

    def warm(self, running: Running) -> None:
        with self.opened(running, 100):
            pass

    def measure(self, running: Running, seconds: int) -> Figures:
        pids = running.counted()
        before = servers.memory(pids)
        with self.opened(running, self.connections):
            time.sleep(SETTLE)
            return {"memory": (servers.memory(pids) - before) / self.connections}

    @contextmanager
    def opened(self, running: Running, connections: int) -> Iterator[None]:
        command = replace(self, connections=connections).command(running, 60)
        with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as client:
            assert client.stdout is not None
            if client.stdout.readline() != "open\n":
                raise RuntimeError("%s: not opened" % command)
            yield


def number(pattern: str, text: str) -> float:
    found = re.search(pattern, text)
    if found is None:
        raise RuntimeError("no %s in: %s" % (pattern, text))
    return float(found[1])


def milliseconds(which: str, text: str) -> float:
    """A line of wrk's such as "99%    1.23ms"."""
    found = re.search(r"\s%s\s+([\d.]+)(us|ms|s)\n" % which, text)
    if found is None:
        raise RuntimeError("no %s in: %s" % (which, text))
    return float(found[1]) * {"us": 0.001, "ms": 1, "s": 1000}[found[2]]


def build_client(folder: Path) -> str:
    program = folder / "client"
    subprocess.run(["go", "build", "-o", str(program), "./client"], cwd=Path(__file__).parent, check=True)
    return str(program)
