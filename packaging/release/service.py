"""Installs packages below a separate root, and starts gonicorn there as systemd and a container runtime do."""

from __future__ import annotations

import os
import platform
import re
import shlex
import shutil
import signal
import socket
import subprocess
import tarfile
import tempfile
import time
import urllib.request
from pathlib import Path

import binary
import inspect_archives
import inspect_packages
from finding import Findings

UNIT = "usr/lib/systemd/system/gonicorn@.service"
PATH = "/usr/sbin:/usr/bin:/sbin:/bin"
WAIT = 60  # seconds that a step may take on a busy machine

# A root with this system's files. Only this process and its children see changes there: the overlay ends with them.
ROOTED = """set -e
mount --make-rprivate /
mount -t tmpfs tmpfs "$0"
mkdir "$0/upper" "$0/work" "$0/root"
mount -t overlay overlay -o "lowerdir=/,upperdir=$0/upper,workdir=$0/work" "$0/root"
mount -t tmpfs tmpfs "$0/root/tmp"
mount --rbind /dev "$0/root/dev"
exec "$@"
"""


def look(findings: Findings, folder: Path) -> None:
    if platform.system() != "Linux" or os.getuid() != 0 or not shutil.which("unshare"):
        findings.skip("packages and image as they run", "that takes Linux, root and unshare")
        return
    machine = binary.host().split("/")[1]
    for kind, path in (
        ("dpkg", inspect_packages.deb(folder, findings.version, machine)),
        ("rpm", inspect_packages.rpm(folder, findings.version, machine)),
    ):
        if not shutil.which(kind):
            findings.skip("%s as it runs" % path.name, "no " + kind)
            continue
        installed(findings, kind, path)
    contained(findings, folder / ("gonicorn_%s_linux_%s_image.tar" % (findings.version, machine)))


APP = """
def app(environ, start_response):
    start_response("200 OK", [("Content-Length", "2")])
    return [b"hi"]
"""


class Manager:
    """Plays systemd for a service of Type=notify."""

    def __init__(self, path: Path) -> None:
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(str(path))
        path.chmod(0o777)
        self.socket.settimeout(WAIT)
        self.said: list[str] = []

    def await_word(self, word: str) -> bool:
        end = time.monotonic() + WAIT
        while word not in self.said and time.monotonic() < end:
            try:
                self.said += self.socket.recv(4096).decode().splitlines()
            except TimeoutError:
                break
        return word in self.said


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as s:
        return s.getsockname()[1]


def fetch(port: int) -> int:
    with urllib.request.urlopen("http://127.0.0.1:%d/" % port, timeout=WAIT) as answer:
        answer.read()
        return answer.status


class Root:
    """A process that keeps a separate root mounted. Programs are started in it with nsenter(1)."""

    def __init__(self, scratch: Path) -> None:
        self.path = scratch / "root"
        command = ["unshare", "--mount", "sh", "-c", ROOTED, str(scratch), "sh", "-c", "echo ready; exec cat"]
        self.keeper = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        assert self.keeper.stdout is not None
        if self.keeper.stdout.readline() != "ready\n":
            raise SystemExit("no root of its own: overlayfs is needed")

    def command(self, *words: str) -> list[str]:
        return ["nsenter", "--mount", "--target", str(self.keeper.pid), *words]

    def run(self, *words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(self.command(*words), capture_output=True, text=True, timeout=WAIT)

    def read(self, name: str) -> str:
        return self.run("cat", str(self.path / name)).stdout

    def has(self, name: str) -> bool:
        return self.run("test", "-e", str(self.path / name)).returncode == 0

    def write(self, name: str, text: str) -> None:
        subprocess.run(
            self.command("tee", str(self.path / name)), input=text, text=True, check=True, stdout=subprocess.DEVNULL
        )

    def close(self) -> None:
        assert self.keeper.stdin is not None
        self.keeper.stdin.close()
        self.keeper.wait()


def installed(findings: Findings, kind: str, path: Path) -> None:
    with tempfile.TemporaryDirectory() as folder:
        root = Root(Path(folder))
        try:
            if kind == "dpkg":
                done = root.run("dpkg", "--root=" + str(root.path), "--install", str(path))
            else:
                done = root.run("rpm", "--root", str(root.path), "--nodeps", "--nosignature", "--install", str(path))
            findings.true(path.name + " installs", done.returncode == 0, done.stdout + done.stderr)
            if done.returncode == 0:
                starts(findings, path.name, root)
                removed(findings, kind, path.name, root)
        finally:
            root.close()


def starts(findings: Findings, name: str, root: Root) -> None:
    """Runs the unit's ExecStart below the root, as an unprivileged user, with a manager that reads its messages."""
    unit = root.read(UNIT)
    if shutil.which("systemd-analyze"):
        verified = root.run("chroot", str(root.path), "systemd-analyze", "verify", "/%s" % UNIT.replace("@", "@app"))
        wrong = [line for line in verified.stderr.splitlines() if "gonicorn" in line]
        findings.true(name + ": systemd-analyze verify has nothing to say", not wrong, wrong)
    started = re.search(r"^ExecStart=(.*)$", unit, re.M)
    if started is None:
        findings.true(name + ": the unit has an ExecStart", False, unit)
        return
    environment = dict(
        pair.split("=", 1) for pair in re.findall(r"^Environment=(.*)$", unit.replace("%i", "app"), re.M)
    )
    port = free_port()
    root.run("mkdir", str(root.path / "srv/app"))
    root.write("srv/app/main.py", APP)
    config = 'wsgi_app = "main:app"\nchdir = "/srv/app"\nbind = ["127.0.0.1:%d"]\nworkers = 2\n' % port
    root.write("etc/gonicorn/app.toml", config)
    root.run("install", "-d", "-o", "65534", str(root.path / "run/gonicorn-app"))
    root.run("mount", "-t", "proc", "proc", str(root.path / "proc"))
    # The manager's socket is outside the root and bind-mounted into it.
    with tempfile.TemporaryDirectory() as folder:
        manager = Manager(Path(folder) / "notify")
        root.write("tmp/notify", "")
        root.run("mount", "--bind", folder + "/notify", str(root.path / "tmp/notify"))
        words = ["chroot", "--userspec=65534:65534", str(root.path), *shlex.split(started[1].replace("%i", "app"))]
        service = subprocess.Popen(
            root.command(*words),
            env={"PATH": PATH, "NOTIFY_SOCKET": "/tmp/notify", "WATCHDOG_USEC": "10000000", **environment},
            stderr=subprocess.PIPE,
            text=True,
        )
        try:
            findings.true(name + ": READY=1", manager.await_word("READY=1"), manager.said)
            findings.equal(name + ": answers", fetch(port), 200)
            findings.true(name + ": feeds the watchdog", manager.await_word("WATCHDOG=1"), manager.said)
            reload = re.search(r"^ExecReload=(.*)$", unit, re.M)
            if reload is not None:
                done = root.run(
                    "chroot", "--userspec=65534:65534", str(root.path), *shlex.split(reload[1].replace("%i", "app"))
                )
                findings.true(name + ": ExecReload", done.returncode == 0, done.stdout + done.stderr)
            service.send_signal(signal.SIGTERM)
            findings.true(name + ": STOPPING=1", manager.await_word("STOPPING=1"), manager.said)
            findings.equal(name + ": ends", service.wait(WAIT), 0)
        except (OSError, subprocess.TimeoutExpired) as error:
            service.kill()
            findings.true(name + ": starts as a service", False, "%s\n%s" % (error, service.communicate()[1]))


def removed(findings: Findings, kind: str, name: str, root: Root) -> None:
    if kind == "dpkg":
        done = root.run("dpkg", "--root=" + str(root.path), "--purge", "gonicorn")
    else:
        done = root.run("rpm", "--root", str(root.path), "--nodeps", "--erase", "gonicorn")
    findings.true(name + " can be removed", done.returncode == 0, done.stdout + done.stderr)
    left = [file for file in inspect_packages.expected() if root.has(file.lstrip("/"))]
    findings.equal(name + ": what its removal leaves", left, [])


CONTAINED = """set -e
mount --make-rprivate /
mkdir "$0/proc" "$0/dev"
mount -t proc proc "$0/proc"
mount --rbind /dev "$0/dev"
exec chroot "$@"
"""


def contained(findings: Findings, path: Path) -> None:
    """Starts the image: its files are the whole root, and its entry point is PID 1 with the image's user."""
    config, files = inspect_archives.unpacked(findings, path)
    says = config["config"]
    with tempfile.TemporaryDirectory() as folder:
        os.chmod(folder, 0o755)
        with tarfile.open(path) as archive:
            layers = [m for m in archive if m.name.startswith("blobs/") and m.size > 1 << 20]
            with tarfile.open(fileobj=archive.extractfile(layers[0])) as layer:
                layer.extractall(folder)
        port = free_port()
        words = [*says["Entrypoint"], *[w.replace("0.0.0.0:8000", "127.0.0.1:%d" % port) for w in says["Cmd"]]]
        command = ["unshare", "--mount", "--pid", "--fork", "--kill-child", "sh", "-c", CONTAINED, folder]
        process = subprocess.Popen(
            [*command, "--userspec=" + says["User"], folder, *words],
            env={"PATH": PATH},
            stderr=subprocess.PIPE,
            text=True,
        )
        try:
            assert process.stderr is not None
            said = ""
            for line in process.stderr:
                said += line
                if "ready" in line and "all" in line or "listening" in line:
                    break
            end = time.monotonic() + WAIT
            status = 0
            while status == 0 and time.monotonic() < end:
                try:
                    status = fetch(port)
                except OSError:
                    time.sleep(0.1)
            findings.true(path.name + ": answers as PID 1", status == 200, said)
            if process.poll() is not None:
                return
            first = subprocess.run(["pgrep", "-P", str(process.pid)], capture_output=True, text=True).stdout.split()
            findings.equal(path.name + ": one process below unshare", len(first), 1)
            os.kill(int(first[0]), signal.SIGTERM)
            said += process.stderr.read()
            findings.equal(path.name + ": ends", process.wait(WAIT), 0)
        finally:
            if process.poll() is None:
                process.kill()
                process.wait()
