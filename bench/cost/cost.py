"""What a request costs under gonicorn and its peers: CPU of a server's whole process tree, requests/s, time.

    cost.py GONICORN [--rounds N] [--seconds S] [--only PATTERN] [--json FILE] [--svg FILE] [--sketch FOLDER]

The servers of one work run in turns, round after round, so that a machine's moods hit all of them. CPU a request hardly
depends on what else runs; requests/s and times do. Printed are medians and, in brackets, the lowest and the highest
round, as the tables of docs/benchmarks.md. Of a proxy the program behind it does not count.

Needs wrk, h2load, openssl and go; nginx, haproxy and node are left out where they are missing. The Python peers are
those beside the interpreter that runs this (make .venv-bench).
"""

from __future__ import annotations

import argparse
import os
import platform
import re
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack
from importlib import metadata
from pathlib import Path

from load import Paced, build_client
from plot import plot
from servers import Running, Server
from table import Page, Results
from works import Bench, Work, benches

PEERS = ("granian", "uvicorn", "gunicorn", "uvicorn-worker", "pyuwsgi", "hypercorn", "uvloop")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("gonicorn")
    parser.add_argument("--rounds", type=int, default=5, help="0 shows what is in --json")
    parser.add_argument("--seconds", type=int, default=2, help="of each measurement")
    parser.add_argument("--only", default="", help="a regular expression that a work's name has a match for")
    parser.add_argument("--json", default="", help="a file that each round's figures are added to, and shown from")
    parser.add_argument("--svg", default="", help="a file for a picture of requests/s with 2 workers")
    parser.add_argument("--sketch", default="", help="a folder with wsgi and asgi, sketches to compare the hellos with")
    chosen = parser.parse_args()
    os.environ["PATH"] = "%s:%s" % (Path(sys.executable).parent, os.environ["PATH"])
    with tempfile.TemporaryDirectory() as folder:
        run(chosen, Path(folder))


def run(chosen: argparse.Namespace, folder: Path) -> None:
    client = build_client(folder)
    places: dict[str, object] = {"gonicorn": os.path.abspath(chosen.gonicorn), "folder": folder, **certify(folder)}
    if chosen.sketch:
        places.update(sketch=os.path.abspath(chosen.sketch), sketches=folder)
        subprocess.run(["go", "build", "-o", str(folder) + "/", "./wsgi", "./asgi"], cwd=chosen.sketch, check=True)
    results = Results(chosen.json)
    page = Page(results)
    print(machine(chosen))
    done: list[Work] = []
    for bench in benches(folder, client, chosen.sketch):
        bench = bench.only([work for work in bench.works if re.search(chosen.only, work.name)])
        if bench.works:
            try:
                measure(bench, chosen, places, results)
            except RuntimeError as e:  # the other rows do not wait for this one
                print("%s: %s" % (bench.works[0].name, e), file=sys.stderr)
            page.show(bench)
            done += bench.works
    page.summary(done)
    if chosen.svg:
        drawn = [work for work in done if "2 workers" in work.name and work.load.connections == 32]
        Path(chosen.svg).write_text(plot(drawn, results))


def measure(bench: Bench, chosen: argparse.Namespace, places: dict[str, object], results: Results) -> None:
    """Has each server of a bench do its works, in turns."""
    if not chosen.rounds:
        return
    began = time.monotonic()
    with ExitStack() as beside:
        if bench.program:
            programs = [beside.enter_context(Running(Server(bench.program), places)).ready() for _ in range(2)]
            places = {**places, "behind": [program.address for program in programs]}
        works = [at_half(work, bench, places) for work in bench.works]
        for _ in range(chosen.rounds):
            for name, server in bench.servers.items():
                mine = [work for work in works if work.extras or not server.extra]
                if mine:
                    turn(name, server, mine, bench.program, chosen.seconds, places, results)
    results.save()
    print("%4.0f s: %s" % (time.monotonic() - began, bench.works[0].name), file=sys.stderr)


def turn(
    name: str, server: Server, works: list[Work], beside: str, seconds: int, places: dict[str, object], results: Results
) -> None:
    """One server's turn. One that fails has no row, and a line on stderr."""
    try:
        with Running(server, places, beside) as running:
            running.ready()
            works[0].load.warm(running)
            for work in works:
                figures = work.load.measure(running, seconds)
                results.add(work, name, figures)
                if figures.get("failed"):
                    print("%s, %s: %.0f requests failed" % (work.name, name, figures["failed"]), file=sys.stderr)
    except RuntimeError as e:
        print("%s, %s: %s" % (works[0].name, name, e), file=sys.stderr)


def at_half(work: Work, bench: Bench, places: dict[str, object]) -> Work:
    """The work, at a rate that is half of what one of the servers does at most, where it asks for that."""
    load = work.load
    if not isinstance(load, Paced) or not load.half_of:
        return work
    with Running(bench.servers[load.half_of], places, bench.program) as fastest:
        return Work(work.name, load.at_half(fastest.ready()), work.goals, work.extras)


def certify(folder: Path) -> dict[str, object]:
    """Makes a certificate and its key."""
    places: dict[str, object] = {"certificate": folder / "localhost.pem", "key": folder / "localhost.key"}
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2"]
        + ["-subj", "/CN=localhost", "-keyout", str(places["key"]), "-out", str(places["certificate"])],
        check=True,
        capture_output=True,
    )
    return places


def machine(chosen: argparse.Namespace) -> str:
    """The line above the tables: where, with what, how often."""
    cpu = re.search(r"model name\s*: (.*)", Path("/proc/cpuinfo").read_text())
    peers = ", ".join("%s %s" % (peer, version(peer)) for peer in PEERS)
    return "%d cores (%s), Linux %s, Python %s; %s. Medians of rounds of %d s, and the lowest and the highest." % (
        os.cpu_count() or 0,
        cpu[1] if cpu else platform.machine(),
        platform.release(),
        platform.python_version(),
        peers,
        chosen.seconds,
    )


def version(peer: str) -> str:
    try:
        return metadata.version(peer)
    except metadata.PackageNotFoundError:
        return "missing"


if __name__ == "__main__":
    main()
