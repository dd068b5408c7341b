"""The table of what is measured: works, the servers that do them, and the goals of each."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import servers
from goals import Goal, best, of, value
from load import Client, H2Load, Idle, Load, Paced, Wrk
from servers import APPS, GRANIAN_TLS, OURS_TLS, UVICORN_TLS, Server

WORKERS = (1, 2, 4)
CONNECTIONS = (1, 32, 256)


@dataclass(frozen=True)
class Work:
    """What servers are asked to do: a row of the table for each of them."""

    name: str
    load: Load
    goals: tuple[Goal, ...] = ()
    extras: bool = False  # whether peers that are extra do it, too


@dataclass(frozen=True)
class Bench:
    """Servers that run in turns; each does all the works while it runs."""

    group: str  # the heading of its rows
    servers: dict[str, Server]
    works: tuple[Work, ...]
    program: str = ""  # what stands behind proxies: two processes, which read PORT

    def only(self, chosen: list[Work]) -> Bench:
        return Bench(self.group, self.servers, tuple(chosen), self.program)


def benches(folder: Path, client: str, sketch: str) -> Iterator[Bench]:
    yield from hello(sketch)
    yield from threads()
    yield from frameworks()
    yield from bodies()
    yield from streams(client)
    yield from encrypted()
    yield from proxies(folder, client)
    yield from tail(client)
    yield from idle(client)


def count(number: int, noun: str) -> str:
    return "%d %s%s" % (number, noun, "s" * (number > 1))


WSGI_GOALS = (
    of("cpu", "<=", 0.85, "granian"),
    of("rate", ">=", 1.1, "granian"),
    of("rate", ">=", 5, "gunicorn gthread"),
    of("cpu", "<=", 1.4, "sketch"),
)
ASGI_GOALS = (
    of("cpu", "<=", 0.8, "uvicorn"),
    of("cpu", "<=", 0.9, "granian"),
    of("rate", ">=", 1.3, "uvicorn"),
    of("rate", ">=", 1.1, "granian"),
    of("cpu", "<=", 1.4, "sketch"),
)
QUICK = of("p50", "<=", 1, "granian")


def hello(sketch: str) -> Iterator[Bench]:
    for name, app, start, goals, alone in (
        ("WSGI", "hello_wsgi", servers.wsgi, WSGI_GOALS, (*WSGI_GOALS, QUICK)),
        ("ASGI", "hello_asgi", servers.asgi, ASGI_GOALS, ASGI_GOALS),
    ):
        for workers in WORKERS:
            group = "%s hello" % name
            works = tuple(
                Work(
                    "%s, %s, %s" % (group, count(workers, "worker"), count(connections, "connection")),
                    Wrk(connections),
                    alone if connections == 1 else goals,
                    extras=workers == 2 and connections == 32,
                )
                for connections in CONNECTIONS
            )
            run = start(app + ":app", workers)
            if sketch and workers <= 2:
                run["sketch"] = servers.sketch(name, app, workers)
            yield Bench(group, run, works)


def threads() -> Iterator[Bench]:
    for workers in (1, 2):
        for number in (4, 16):
            name = "WSGI hello, %s of %d threads, 32 connections" % (count(workers, "worker"), number)
            work = Work(name, Wrk(), (of("cpu", "<=", 0.85, "granian"),))
            yield Bench("Threads", servers.threaded("hello_wsgi:app", workers, number), (work,))


def frameworks() -> Iterator[Bench]:
    for name, app, start in (
        ("FastAPI", "json_fastapi", servers.asgi),
        ("Flask", "json_flask", servers.wsgi),
        ("Django", "json_django", servers.wsgi),
    ):
        work = Work("%s JSON, 2 workers, 32 connections" % name, Wrk(), (best("cpu", "<=", 0.95),), extras=True)
        yield Bench("Frameworks", start(app + ":app", 2), (work,))


def bodies() -> Iterator[Bench]:
    faster = of("rate", ">=", 1, "granian")
    sync, gthread = (of("rate", ">=", 1.5, peer) for peer in ("gunicorn sync", "gunicorn gthread"))
    cheap = (of("cpu", "<=", 0.9, "granian"), of("cpu", "<=", 0.9, "gunicorn sync"), best("rate", ">=", 1))
    for name, start, goals in (("WSGI", servers.wsgi, (faster, sync, gthread)), ("ASGI", servers.asgi, (faster,))):
        kind = name.lower()
        yield Bench(
            "Bodies",
            regulars(start("body_%s:app" % kind, 2), "gunicorn sync"),
            (
                Work(name + ", echo of 10 KiB, 2 workers, 32 connections", Wrk(path="/echo", body=10 << 10), goals),
                Work(name + ", POST of 1 MiB, 2 workers, 32 connections", Wrk(body=1 << 20), goals),
            ),
        )
        yield Bench(
            "Bodies",
            regulars(start("long_%s:app" % kind, 2), "gunicorn sync"),
            (
                Work(name + ", 1 MiB from memory, 2 workers, 32 connections", Wrk(), cheap),
                Work(name + ", 10 MiB from memory, 2 workers, 8 connections", Wrk(8, "/ten"), cheap),
            ),
        )


def regulars(run: dict[str, Server], *names: str) -> dict[str, Server]:
    """The servers that are no extra peers, and those named, as regular ones."""
    return {name: Server(s.command) for name, s in run.items() if not s.extra or name in names}


def streams(client: str) -> Iterator[Bench]:
    quick, busy = (of("p50", "<=", 1.1, "uvicorn"),), (of("rate", ">=", 1.1, "uvicorn"),)
    yield Bench(
        "Streams and WebSockets",
        regulars(servers.asgi("stream_asgi:app", 2)),
        (
            Work("SSE until the first byte, 2 workers, 1 client", Client(1, mode="events", program=client), quick),
            Work("SSE until the first byte, 2 workers, 32 clients", Client(32, mode="events", program=client), quick),
            Work("WebSocket echo, 2 workers, 1 client", Client(1, mode="socket", program=client), busy),
            Work("WebSocket echo, 2 workers, 32 clients", Client(32, mode="socket", program=client), busy),
        ),
    )


def encrypted() -> Iterator[Bench]:
    app = servers.asgi("hello_asgi:app", 2)
    ours, granian, uvicorn = (app[name].command for name in ("gonicorn", "granian", "uvicorn"))
    group = "TLS and HTTP/2"
    yield Bench(
        group,
        {
            "gonicorn": Server(ours + OURS_TLS),
            "granian": Server(granian + GRANIAN_TLS),
            "uvicorn": Server(uvicorn + UVICORN_TLS),
        },
        (
            Work(
                "HTTP/1 over TLS, ASGI hello, 2 workers, 32 connections",
                Wrk(tls=True),
                (of("cpu", "<=", 0.9, "granian"), of("cpu", "<=", 0.75, "uvicorn")),
            ),
        ),
    )
    for name, mine, theirs in (
        ("clear", " --http2-cleartext", " --http 2"),
        ("over TLS", OURS_TLS + " --http-protocols h2,h1", " --http 2" + GRANIAN_TLS),
    ):
        works = tuple(
            Work(
                "HTTP/2 %s, ASGI hello, 2 workers, 32 connections of %s" % (name, count(number, "stream")),
                H2Load(tls=name != "clear", streams=number),
                (of("cpu", "<=", 0.7, "granian"), of("rate", ">=", 1.3, "granian")),
            )
            for number in (1, 10)
        )
        yield Bench(group, {"gonicorn": Server(ours + mine), "granian": Server(granian + theirs)}, works)


def proxies(folder: Path, client: str) -> Iterator[Bench]:
    goals = tuple(
        of(figure, how, factor, peer)
        for figure, how, factor in (("cpu", "<=", 1.1), ("rate", ">=", 1))
        for peer in ("nginx", "HAProxy")
    )
    late = (of("p99", "<=", 1.2, "nginx"), of("p99", "<=", 1.2, "HAProxy"))
    go = folder / "hello_go"
    subprocess.run(["go", "build", "-o", str(go), str(APPS / "hello.go")], check=True)
    for name, program in (("Go", str(go)), ("node", "node %s/hello_node.js" % APPS)):
        if not found(program):
            continue
        run = servers.behind(program)
        for peer in [peer for peer, server in run.items() if server.config and not found(server.command)]:
            del run[peer]
        yield Bench(
            "In front of programs",
            run,
            (
                Work("in front of %s, 2 processes, 32 connections" % name, Wrk(), goals),
                Work(
                    "in front of %s, 2 processes, half of nginx's most requests/s" % name,
                    Paced(64, program=client, half_of="nginx"),
                    late,
                ),
            ),
            program,
        )


def found(command: str) -> bool:
    return shutil.which(command.split()[0]) is not None


def tail(client: str) -> Iterator[Bench]:
    """Ten workers of one request each, of which every fifth takes 200 ms, under 60 % of what they can do."""
    workers, slow, used = 10, 0.2, 0.6
    load = Paced(512, program=client, rate=used * workers / (slow * 0.2), slow=slow, longer=3)
    wsgi, asgi = servers.wsgi("slow_wsgi:app", workers), servers.asgi("slow_asgi:app", workers)
    run = regulars(wsgi, "gunicorn sync", "granian, 1 thread")
    del run["granian"], run["gunicorn gthread"]
    run["gunicorn gthread, 1 thread"] = Server(
        servers.threaded("slow_wsgi:app", workers, 1)["gunicorn gthread"].command
    )
    run["uvicorn"] = asgi["uvicorn"]
    name = "fast requests beside slow ones: 10 workers, every fifth request 200 ms, 60 % of what they can do"
    yield Bench("Fast requests beside slow ones", run, (Work(name, load, (of("p99", "<=", 1, "gunicorn sync"),)),))


def idle(client: str) -> Iterator[Bench]:
    ours = servers.wsgi("hello_wsgi:app", 2)["gonicorn"].command + " --keep-alive 600"
    goals = (value("memory", "<=", 2),)
    for name, flags, load, wanted in (
        ("HTTP/1", "", Idle(10000, program=client), goals),
        ("HTTP/1 over TLS", OURS_TLS, Idle(2000, tls=True, program=client), ()),
        ("HTTP/2", " --http2-cleartext", Idle(2000, http2=True, program=client), ()),
    ):
        work = Work("idle connections, {:,}, {}".format(load.connections, name), load, wanted)
        yield Bench("Idle connections", {"gonicorn": Server(ours + flags)}, (work,))
