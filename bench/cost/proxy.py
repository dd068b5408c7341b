"""What a request costs gonicorn's gateway, nginx and HAProxy in front of the same two processes of a program.

    proxy.py GONICORN [--rounds N] [--seconds S] [--only TEXT]

As cost.py, but the program's own CPU does not count: what is printed is the proxy's part. Needs wrk, go, node, nginx
and haproxy on the PATH; what is missing is left out.
"""

from __future__ import annotations

import argparse
import os
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from cost import ADDRESS, APPS, Work, answers, cpu, load, spread, tree

PORTS = (18472, 18473)

NGINX = """daemon off; worker_processes 2; pid {dir}/pid; error_log {dir}/error.log;
events {{ worker_connections 16384; }}
http {{ access_log off; client_body_temp_path {dir}/b; proxy_temp_path {dir}/p; fastcgi_temp_path {dir}/f;
uwsgi_temp_path {dir}/u; scgi_temp_path {dir}/s; keepalive_requests 1000000000;
upstream app {{ server 127.0.0.1:{a}; server 127.0.0.1:{b}; keepalive 256; keepalive_requests 1000000000; }}
server {{ listen {address} backlog=2048; location / {{ proxy_pass http://app; proxy_http_version 1.1;
proxy_set_header Connection ""; proxy_set_header Host $host;
proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for; proxy_set_header X-Request-ID $request_id; }} }} }}
"""

HAPROXY = """global
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
  server a 127.0.0.1:{a} pool-max-conn 256
  server b 127.0.0.1:{b} pool-max-conn 256
"""


def programs(folder: str) -> dict[str, str]:
    """Commands of the programs that stand behind the proxies."""
    found = {}
    if shutil.which("go"):
        binary = folder + "/hello_go"
        subprocess.run(["go", "build", "-o", binary, str(APPS / "hello.go")], check=True)
        found["Go"] = binary
    if shutil.which("node"):
        found["node"] = "node " + str(APPS / "hello_node.js")
    return found


def peers(folder: str) -> dict[str, str]:
    """Commands of the proxies that need the programs to be started."""
    found = {}
    for name, config, command in (
        ("nginx", NGINX, "nginx -e {dir}/error.log -p {dir} -c {file}"),
        ("haproxy", HAPROXY, "haproxy -db -f {file}"),
    ):
        if shutil.which(name):
            file = "%s/%s.conf" % (folder, name)
            Path(file).write_text(config.format(dir=folder, address=ADDRESS, a=PORTS[0], b=PORTS[1]))
            found[name] = command.format(dir=folder, file=file)
    return found


def end(started: subprocess.Popen) -> None:
    try:
        os.killpg(started.pid, signal.SIGTERM)
        started.wait(10)
    except (OSError, subprocess.TimeoutExpired):
        os.killpg(started.pid, signal.SIGKILL)
        started.wait()


def start(command: str, **env: str) -> subprocess.Popen:
    return subprocess.Popen(
        command.split(),
        env={**os.environ, **env},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )


def is_program(pid: int, program: str) -> bool:
    """Whether a process is the program itself, which is no part of the proxy."""
    try:
        arguments = Path("/proc/%d/cmdline" % pid).read_bytes().rstrip(b"\0").split(b"\0")
    except OSError:
        return False
    return arguments == [a.encode() for a in program.split()]


def measure(command: str, program: str, work: Work, seconds: int) -> tuple[float, float] | None:
    """CPU microseconds a request of the proxy, and requests/s; None if it does not answer."""
    server = start(command)
    try:
        if not answers(server, work):
            return None
        load(work, 1)
        pids = [pid for pid in tree(server.pid) if not is_program(pid, program)]
        before = cpu(pids)
        requests, rate = load(work, seconds)
        return (cpu(pids) - before) / max(requests, 1) * 1e6, rate
    finally:
        end(server)


def compare(work: Work, program: str, chosen: argparse.Namespace) -> None:
    """Measures the servers in turns, and prints a row for each."""
    got: dict[str, list[tuple[float, float]]] = {server: [] for server in work.servers}
    for _ in range(chosen.rounds):
        for server, command in work.servers.items():
            figures = measure(command, program, work, chosen.seconds)
            if figures is None:
                print("%s does not answer: %s" % (server, command), file=sys.stderr)
            else:
                got[server].append(figures)
    best = [statistics.median(c for c, _ in all_) for server, all_ in got.items() if all_ and server != "gonicorn"]
    for server, all_ in got.items():
        if not all_:
            continue
        costs = [c for c, _ in all_]
        ratio = "%.2f" % (statistics.median(costs) / min(best)) if server == "gonicorn" and best else ""
        rates = spread([r for _, r in all_], "{:,.0f}")
        print("| %s | %s | %s | %s | %s |" % (work.name, server, spread(costs, "{:.1f}"), rates, ratio), flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("gonicorn")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=int, default=3)
    parser.add_argument("--only", default="")
    chosen = parser.parse_args()
    print("| in front of | proxy | CPU a request, µs | requests/s | CPU / best peer |\n|---|---|---|---|---|")
    with tempfile.TemporaryDirectory() as folder:
        for name, program in programs(folder).items():
            behind = [start(program, PORT=str(port)) for port in PORTS]
            time.sleep(1)
            try:
                ours = "%s -b %s -w 2 -k event-loop -- %s" % (os.path.abspath(chosen.gonicorn), ADDRESS, program)
                servers = {"gonicorn": ours, **peers(folder)}
                for connections in (1, 32, 256):
                    row = "%s, 2 processes, %d connection%s" % (name, connections, "s" * (connections > 1))
                    if chosen.only in row:
                        compare(Work(row, connections, servers), program, chosen)
            finally:
                for started in behind:
                    end(started)


if __name__ == "__main__":
    main()
