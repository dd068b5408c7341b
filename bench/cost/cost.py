"""What a request costs under gonicorn and its peers: CPU microseconds of a server's whole process tree, and requests/s.

    cost.py GONICORN [--rounds N] [--seconds S] [--only TEXT]

All servers of one work run in turns, round after round, so that a machine's moods hit all of them. CPU a request hardly
depends on what else runs; requests/s does. Printed are medians and, in brackets, the lowest and the highest round.
Needs wrk, h2load and openssl, and granian, uvicorn and gunicorn on the PATH (make .venv-bench).
"""

from __future__ import annotations

import argparse
import os
import re
import signal
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from dataclasses import dataclass
from pathlib import Path

APPS = Path(__file__).parent / "apps"
ADDRESS = "127.0.0.1:18471"
TICK = os.sysconf("SC_CLK_TCK")
BOOT = 20.0  # seconds that a server may take to answer

GRANIAN = "granian --host 127.0.0.1 --port 18471 --no-access-log"
GUNICORN = "gunicorn -b " + ADDRESS
UVICORN = "uvicorn --port 18471 --no-access-log"


@dataclass
class Work:
    """What servers are asked to do, and their commands by name."""

    name: str
    connections: int
    servers: dict[str, str]
    streams: int = 0  # at once on a connection, over HTTP/2; 0 is HTTP/1.1
    tls: bool = False

    def url(self) -> str:
        return ("https://" if self.tls else "http://") + ADDRESS


def works(gonicorn: str, certificate: Path) -> list[Work]:
    ours = gonicorn + " -b " + ADDRESS
    rows: list[Work] = []
    for workers in (1, 2):
        for connections in (1, 32, 256):
            w = " -w %d" % workers
            many = " --workers %d" % workers
            rows.append(
                Work(
                    "WSGI hello, %d worker%s, %d connection%s"
                    % (workers, "s" * (workers > 1), connections, "s" * (connections > 1)),
                    connections,
                    {
                        "gonicorn": ours + w + " -k sync hello_wsgi:app",
                        "granian": GRANIAN + many + " --interface wsgi hello_wsgi:app",
                        "gunicorn gthread": GUNICORN + w + " -k gthread --threads 4 hello_wsgi:app",
                    },
                )
            )
            rows.append(
                Work(
                    "ASGI hello, %d worker%s, %d connection%s"
                    % (workers, "s" * (workers > 1), connections, "s" * (connections > 1)),
                    connections,
                    {
                        "gonicorn": ours + w + " hello_asgi:app",
                        "granian": GRANIAN + many + " --interface asgi --loop uvloop hello_asgi:app",
                        "uvicorn": UVICORN + many + " hello_asgi:app",
                    },
                )
            )
    rows.append(
        Work(
            "FastAPI JSON, 2 workers, 32 connections",
            32,
            {
                "gonicorn": ours + " -w 2 json_fastapi:app",
                "granian": GRANIAN + " --workers 2 --interface asgi --loop uvloop json_fastapi:app",
                "uvicorn": UVICORN + " --workers 2 json_fastapi:app",
            },
        )
    )
    rows.append(
        Work(
            "WSGI, 1 MiB from memory, 2 workers, 32 connections",
            32,
            {
                "gonicorn": ours + " -w 2 -k sync big_wsgi:app",
                "granian": GRANIAN + " --workers 2 --interface wsgi big_wsgi:app",
                "gunicorn sync": GUNICORN + " -w 2 big_wsgi:app",
            },
        )
    )
    key = certificate.with_suffix(".key")
    for tls in (False, True):
        mine = " --http2-cleartext"
        if tls:
            mine = " --certfile %s --keyfile %s --http-protocols h2,h1" % (certificate, key)
        theirs = " --http 2" + (" --ssl-certificate %s --ssl-keyfile %s" % (certificate, key) if tls else "")
        for streams in (1, 10):
            rows.append(
                Work(
                    "HTTP/2 %s, ASGI hello, 2 workers, 32 connections of %d stream%s"
                    % ("over TLS" if tls else "clear", streams, "s" * (streams > 1)),
                    32,
                    {
                        "gonicorn": ours + " -w 2 hello_asgi:app" + mine,
                        "granian": GRANIAN + " --workers 2 --interface asgi --loop uvloop hello_asgi:app" + theirs,
                    },
                    streams,
                    tls,
                )
            )
    return rows


def certify(folder: str) -> Path:
    """Makes a certificate, and its key beside it."""
    path = Path(folder) / "localhost.pem"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2"]
        + ["-subj", "/CN=localhost", "-keyout", str(path.with_suffix(".key")), "-out", str(path)],
        check=True,
        capture_output=True,
    )
    return path


def tree(pid: int) -> list[int]:
    """A process and all below it."""
    found = [pid]
    try:
        for task in os.listdir("/proc/%d/task" % pid):
            with open("/proc/%d/task/%s/children" % (pid, task)) as f:
                for child in f.read().split():
                    found += tree(int(child))
    except OSError:
        pass  # it has ended
    return found


def cpu(pids: list[int]) -> float:
    """Seconds of CPU that processes have used."""
    total = 0
    for pid in pids:
        try:
            with open("/proc/%d/stat" % pid) as f:
                fields = f.read().rpartition(")")[2].split()
        except OSError:
            continue
        total += int(fields[11]) + int(fields[12])
    return total / TICK


def answers(server: subprocess.Popen, work: Work) -> bool:
    """Waits until the server answers."""
    end = time.monotonic() + BOOT
    while time.monotonic() < end and server.poll() is None:
        try:
            if work.streams:
                if " 1 succeeded" in run(["h2load", "-n1", "-c1", work.url()]):
                    return True
                raise OSError("no answer")
            with urllib.request.urlopen("http://" + ADDRESS, timeout=2) as response:
                return bool(response.read())
        except OSError:
            time.sleep(0.05)
    return False


def measure(command: str, work: Work, seconds: int) -> tuple[float, float] | None:
    """CPU microseconds a request, and requests/s; None if the server does not answer."""
    server = subprocess.Popen(
        command.split(), cwd=APPS, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True
    )
    try:
        if not answers(server, work):
            return None
        load(work, 1)
        pids = tree(server.pid)
        before = cpu(pids)
        requests, rate = load(work, seconds)
        return (cpu(pids) - before) / max(requests, 1) * 1e6, rate
    finally:
        try:
            os.killpg(server.pid, signal.SIGTERM)
            server.wait(10)
        except (OSError, subprocess.TimeoutExpired):
            os.killpg(server.pid, signal.SIGKILL)
            server.wait()


def run(args: list[str]) -> str:
    return subprocess.run(args, capture_output=True, text=True, check=True).stdout


def load(work: Work, seconds: int) -> tuple[int, float]:
    """Has wrk or h2load make requests; returns how many were answered, and how many a second."""
    if work.streams:
        text = run(["h2load", "-c%d" % work.connections, "-m%d" % work.streams, "-D%d" % seconds, work.url()])
        found = re.search(r"(\d+) succeeded", text)
        rate = re.search(r"([\d.]+) req/s", text)
    else:
        text = run(["wrk", "-t1", "-c%d" % work.connections, "-d%ds" % seconds, work.url()])
        found = re.search(r"(\d+) requests in", text)
        rate = re.search(r"Requests/sec:\s+([\d.]+)", text)
    if found is None or rate is None:
        raise RuntimeError("no figures in: " + text)
    return int(found[1]), float(rate[1])


def spread(values: list[float], form: str) -> str:
    return "%s (%s to %s)" % tuple(form.format(v) for v in (statistics.median(values), min(values), max(values)))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("gonicorn")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=int, default=3)
    parser.add_argument("--only", default="")
    chosen = parser.parse_args()
    print("| work | server | CPU a request, µs | requests/s | CPU / best peer |\n|---|---|---|---|---|")
    with tempfile.TemporaryDirectory() as folder:
        table(chosen, works(os.path.abspath(chosen.gonicorn), certify(folder)))


def table(chosen: argparse.Namespace, all_works: list[Work]) -> None:
    for work in all_works:
        if chosen.only not in work.name:
            continue
        got: dict[str, list[tuple[float, float]]] = {server: [] for server in work.servers}
        for _ in range(chosen.rounds):
            for server, command in work.servers.items():
                figures = measure(command, work, chosen.seconds)
                if figures is None:
                    print("%s does not answer: %s" % (server, command), file=sys.stderr)
                else:
                    got[server].append(figures)
        peers = [statistics.median(c for c, _ in all_) for server, all_ in got.items() if all_ and server != "gonicorn"]
        for server, all_ in got.items():
            if not all_:
                continue
            costs = [c for c, _ in all_]
            ratio = "%.2f" % (statistics.median(costs) / min(peers)) if server == "gonicorn" and peers else ""
            rates = spread([r for _, r in all_], "{:,.0f}")
            print("| %s | %s | %s | %s | %s |" % (work.name, server, spread(costs, "{:.1f}"), rates, ratio), flush=True)


if __name__ == "__main__":
    main()
