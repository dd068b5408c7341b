"""The servers that are measured: how each is started, what it costs, how it ends."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

APPS = Path(__file__).parent / "apps"
HOST = "127.0.0.1"
TICK = os.sysconf("SC_CLK_TCK")

BOOT = 30.0  # seconds that a server may take until it is ready
POLL = 0.05
STILL = 4  # polls without any CPU after which all workers of a server have started
END = 3.0  # seconds that a server may take to end


@dataclass(frozen=True)
class Server:
    """A command, with places that the run fills in: {gonicorn}, {address}, {host}, {port} and others."""

    command: str
    config: str = ""  # the text of a file, with places as well, which the command calls {config}
    extra: bool = False  # a peer in those works alone that ask for extra peers


NGINX = Server(
    "nginx -e {folder}/nginx.log -p {folder} -c {config}",
    """daemon off; worker_processes 2; pid {folder}/nginx.pid; error_log {folder}/nginx.log;
events {{ worker_connections 16384; }}
http {{ access_log off; client_body_temp_path {folder}/b; proxy_temp_path {folder}/p; fastcgi_temp_path {folder}/f;
uwsgi_temp_path {folder}/u; scgi_temp_path {folder}/s; keepalive_requests 1000000000;
upstream app {{ server {behind[0]}; server {behind[1]}; keepalive 256; keepalive_requests 1000000000; }}
server {{ listen {address} backlog=2048; location / {{ proxy_pass http://app; proxy_http_version 1.1;
proxy_set_header Connection ""; proxy_set_header Host $host;
proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for; proxy_set_header X-Request-ID $request_id; }} }} }}
""",
)

HAPROXY = Server(
    "haproxy -db -f {config}",
    """global
  nbthread 2
  maxconn 4000
defaults
  mode http
  timeout connect 5s
  timeout client 60s
  timeout server 60s
  option forwardfor
  http-reuse always
frontend f
  bind {address}
  unique-id-format %[uuid()]
  http-request set-header X-Request-ID %[unique-id]
  default_backend b
backend b
  balance leastconn
  server a {behind[0]} pool-max-conn 256
  server b {behind[1]} pool-max-conn 256
""",
)

GONICORN = "{gonicorn} -b {address} -w %d"
GUNICORN = "gunicorn -b {address} -w %d"
UVICORN = "uvicorn --host {host} --port {port} --no-access-log --workers %d"
GRANIAN = "granian --host {host} --port {port} --no-access-log --workers %d"
HYPERCORN = "hypercorn -b {address} -w %d"
UWSGI = (
    "uwsgi --master --http {address} --http-keepalive=60 --so-keepalive --add-header Connection:Keep-Alive"
    " --processes %d --threads 4 --disable-logging --pythonpath {apps} --module %s"
)
SKETCH = "{sketches}/%s {port} %d python3 {sketch}/%s/worker.py %s"

OURS_TLS = " --certfile {certificate} --keyfile {key}"
GRANIAN_TLS = " --ssl-certificate {certificate} --ssl-keyfile {key}"
UVICORN_TLS = " --ssl-certfile {certificate} --ssl-keyfile {key}"


def wsgi(app: str, workers: int) -> dict[str, Server]:
    """Servers with workers of one thread; gthread's four are what Gunicorn's documents advise."""
    return {
        "gonicorn": Server(GONICORN % workers + " -k sync " + app),
        "granian": Server(GRANIAN % workers + " --interface wsgi " + app),
        "granian, 1 thread": Server(GRANIAN % workers + " --interface wsgi --blocking-threads 1 " + app, extra=True),
        "gunicorn sync": Server(GUNICORN % workers + " -k sync " + app, extra=True),
        "gunicorn gthread": Server(GUNICORN % workers + " -k gthread --threads 4 " + app),
        "uWSGI": Server(UWSGI % (workers, app), extra=True),
    }


def threaded(app: str, workers: int, threads: int) -> dict[str, Server]:
    return {
        "gonicorn": Server(GONICORN % workers + " -k gthread --threads %d " % threads + app),
        "granian": Server(GRANIAN % workers + " --interface wsgi --blocking-threads %d " % threads + app),
        "gunicorn gthread": Server(GUNICORN % workers + " -k gthread --threads %d " % threads + app, extra=True),
    }


def asgi(app: str, workers: int) -> dict[str, Server]:
    return {
        "gonicorn": Server(GONICORN % workers + " " + app),
        "granian": Server(GRANIAN % workers + " --interface asgi --loop uvloop " + app),
        "uvicorn": Server(UVICORN % workers + " " + app),
        "gunicorn uvicorn": Server(GUNICORN % workers + " -k uvicorn_worker.UvicornWorker " + app, extra=True),
        "hypercorn": Server(HYPERCORN % workers + " " + app, extra=True),
    }


def behind(proxied: str) -> dict[str, Server]:
    """What can stand in front of two processes of a program."""
    return {
        "gonicorn": Server(GONICORN % 2 + " -k event-loop -- " + proxied),
        "nginx": NGINX,
        "HAProxy": HAPROXY,
    }


def stat(pid: int) -> list[str]:
    """The fields of a process after its name; nothing if it has ended."""
    try:
        return Path("/proc/%d/stat" % pid).read_text().rpartition(")")[2].split()
    except OSError:
        return []


def tree(pid: int) -> list[int]:
    """A process and all below it."""
    found = [pid]
    try:
        for task in os.listdir("/proc/%d/task" % pid):
            for child in Path("/proc/%d/task/%s/children" % (pid, task)).read_text().split():
                found += tree(int(child))
    except OSError:
        pass  # it has ended
    return found


def cpu(pids: Iterable[int]) -> float:
    """Seconds of CPU that processes have used."""
    return sum(int(fields[11]) + int(fields[12]) for fields in map(stat, pids) if fields) / TICK


def free_port() -> int:
    """A port below those of outgoing connections that nobody uses."""
    for port in range(18400, 32000):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((HOST, port))
                return port
            except OSError:
                continue
    raise OSError("no port is free")


def connects(port: int) -> bool:
    try:
        socket.create_connection((HOST, port), timeout=1).close()
        return True
    except OSError:
        return False


class Running:
    """A server that was started, with all processes below it; its programs behind it cost nothing."""

    def __init__(self, server: Server, places: dict[str, object], beside: str = ""):
        self.port = free_port()
        self.address = "%s:%d" % (HOST, self.port)
        self.beside = beside.split()
        places = {**places, "host": HOST, "port": self.port, "address": self.address, "apps": APPS}
        self.folder = Path(str(places["folder"]))
        if server.config:
            file = self.folder / "config"
            file.write_text(server.config.format(**places))
            places["config"] = file
        self.log = self.folder / ("%d.log" % self.port)
        environ = {"PYTHONPATH": str(APPS), "PYTHONDONTWRITEBYTECODE": "1", "PORT": str(self.port)}
        with open(self.log, "wb") as log:
            self.process = subprocess.Popen(
                server.command.format(**places).split(),
                cwd=APPS,
                env={**os.environ, **environ},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def __enter__(self) -> Running:
        return self

    def ready(self) -> Running:
        """Waits until the server listens, and then until none of its processes has anything to do: all have started."""
        end = time.monotonic() + BOOT
        still, used = 0, -1.0
        while still < STILL:
            if self.process.poll() is not None or time.monotonic() > end:
                raise RuntimeError("not ready: %s\n%s" % (self.process.args, self.log.read_text()[-2000:]))
            pids = tree(self.process.pid)
            before, used = used, cpu(pids)
            busy = used != before or any(stat(pid)[:1] == ["R"] for pid in pids) or not connects(self.port)
            still = 0 if busy else still + 1
            time.sleep(POLL)
        return self

    def counted(self) -> list[int]:
        """The processes whose CPU and memory are the server's."""
        return [pid for pid in tree(self.process.pid) if not self.beside or arguments(pid) != self.beside]

    def __exit__(self, *_: object) -> None:
        pids = tree(self.process.pid)
        self.process.terminate()
        try:
            self.process.wait(END)
        except subprocess.TimeoutExpired:
            pass
        for pid in pids:
            try:
                os.kill(pid, signal.SIGKILL)
            except OSError:
                pass  # it has ended
        self.process.wait()


def arguments(pid: int) -> list[str]:
    try:
        return Path("/proc/%d/cmdline" % pid).read_text().rstrip("\0").split("\0")
    except OSError:
        return []


def memory(pids: Iterable[int]) -> float:
    """KiB that processes have, shared memory divided among those that share it."""
    total = 0
    for pid in pids:
        try:
            lines = Path("/proc/%d/smaps_rollup" % pid).read_text().splitlines()
        except OSError:
            continue
        total += sum(int(line.split()[1]) for line in lines if line.startswith("Pss:"))
    return float(total)


def sketch(kind: str, app: str, workers: int) -> Server:
    """A sketch of a gateway and a runner, in a folder of its own: KIND PORT WORKERS COMMAND..."""
    kind = kind.lower()
    return Server(SKETCH % (kind, workers, kind, app + (" uvloop" if kind == "asgi" else "")))
