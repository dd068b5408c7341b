"""What a request costs under gonicorn and its peers: CPU microseconds of a server's whole process tree, and requests/s.

    cost.py GONICORN [--rounds N] [--seconds S] [--only TEXT]

All servers of one work run in turns, round after round, so that a machine's moods hit all of them. CPU a request hardly
depends on what else runs; requests/s does. Printed are medians and, in brackets, the lowest and the highest round.
Needs wrk, and granian, uvicorn and gunicorn on the PATH (make .venv-bench).
"""

from __future__ import annotations

import argparse
import os
import re
import signal
import statistics
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

APPS = Path(__file__).parent / "apps"
ADDRESS = "127.0.0.1:18471"
TICK = os.sysconf("SC_CLK_TCK")
BOOT = 20.0  # seconds that a server may take to answer

GRANIAN = "granian --host 127.0.0.1 --port 18471 --no-access-log"
GUNICORN = "gunicorn -b " + ADDRESS
UVICORN = "uvicorn --port 18471 --no-access-log"


def works(gonicorn: str) -> list[tuple[str, int, dict[str, str]]]:
    """Name, connections, and the servers' commands."""
    ours = gonicorn + " -b " + ADDRESS
    rows: list[tuple[str, int, dict[str, str]]] = []
    for workers in (1, 2):
        for connections in (1, 32, 256):
            w = " -w %d" % workers
            many = " --workers %d" % workers
            rows.append(
                (
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
                (
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
        (
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
        (
            "WSGI, 1 MiB from memory, 2 workers, 32 connections",
            32,
            {
                "gonicorn": ours + " -w 2 -k sync big_wsgi:app",
                "granian": GRANIAN + " --workers 2 --interface wsgi big_wsgi:app",
                "gunicorn sync": GUNICORN + " -w 2 big_wsgi:app",
            },
        )
    )
    return rows


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


def answers(server: subprocess.Popen) -> bool:
    """Waits until the server answers."""
    end = time.monotonic() + BOOT
    while time.monotonic() < end and server.poll() is None:
        try:
            with urllib.request.urlopen("http://" + ADDRESS, timeout=2) as response:
                return bool(response.read())
        except OSError:
            time.sleep(0.05)
    return False


def measure(command: str, connections: int, seconds: int) -> tuple[float, float] | None:
    """CPU microseconds a request, and requests/s; None if the server does not answer."""
    server = subprocess.Popen(
        command.split(), cwd=APPS, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True
    )
    try:
        if not answers(server):
            return None
        load(connections, 1)
        pids = tree(server.pid)
        before = cpu(pids)
        requests, rate = load(connections, seconds)
        return (cpu(pids) - before) / max(requests, 1) * 1e6, rate
    finally:
        try:
            os.killpg(server.pid, signal.SIGTERM)
            server.wait(10)
        except (OSError, subprocess.TimeoutExpired):
            os.killpg(server.pid, signal.SIGKILL)
            server.wait()


def load(connections: int, seconds: int) -> tuple[int, float]:
    """Has wrk make requests; returns how many were answered, and how many a second."""
    args = ["wrk", "-t1", "-c%d" % connections, "-d%ds" % seconds, "http://" + ADDRESS]
    text = subprocess.run(args, capture_output=True, text=True, check=True).stdout
    found = re.search(r"(\d+) requests in", text)
    rate = re.search(r"Requests/sec:\s+([\d.]+)", text)
    if found is None or rate is None:
        raise RuntimeError("wrk said: " + text)
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
    for name, connections, servers in works(os.path.abspath(chosen.gonicorn)):
        if chosen.only not in name:
            continue
        got: dict[str, list[tuple[float, float]]] = {server: [] for server in servers}
        for _ in range(chosen.rounds):
            for server, command in servers.items():
                figures = measure(command, connections, chosen.seconds)
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
            print("| %s | %s | %s | %s | %s |" % (name, server, spread(costs, "{:.1f}"), rates, ratio), flush=True)


if __name__ == "__main__":
    main()
