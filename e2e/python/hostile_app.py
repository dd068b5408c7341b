"""An app that does what a worker could do to the others: for hostile_test.go.

POST / with {"attack": name, ...} as JSON carries an attack out and answers with what it achieved, as JSON.
"""

import asyncio
import ctypes
import json
import mmap
import os
import random
import signal
import socket
import stat
import struct
import sys


def memory(order):
    """Writes to every shared mapping and every memfd that can be written."""
    patterns = [b"\xff" * 8] + [struct.pack("<q", n) for n in order["numbers"]] + [random.randbytes(8)]
    written = 0
    spans = []
    with open("/proc/self/maps") as maps:
        for line in maps:
            fields = line.split()
            if fields[1] == "rw-s" and len(fields) > 5:
                spans.append(tuple(int(end, 16) for end in fields[0].split("-")))
    for pattern in patterns:
        for start, end in spans:
            ctypes.memmove(start, pattern * ((end - start) // 8), end - start)
            written += 1
        for fd in descriptors():
            try:
                again = os.open("/proc/self/fd/%d" % fd, os.O_RDWR)
            except OSError:
                continue
            try:
                if stat.S_ISREG(os.fstat(again).st_mode):
                    with mmap.mmap(again, 0) as area:
                        area[:] = (pattern * (len(area) // 8 + 1))[: len(area)]
                        written += 1
            except (OSError, ValueError):
                pass
            finally:
                os.close(again)
    return {"written": written}


def signals(order):
    """Signals processes and their groups."""
    reached = []
    for pid in order["pids"]:
        for target in (pid, -pid) if pid != os.getpid() else ():
            for number in (signal.SIGKILL, signal.SIGSTOP, signal.SIGTERM, signal.SIGABRT):
                try:
                    os.kill(target, number)
                    reached.append("%d by %d" % (target, number))
                except OSError:
                    pass
    return {"reached": reached}


def inspect(order):
    """Reads and writes what /proc has of processes, and looks for secrets wherever it can."""
    reached = []
    for pid in order["pids"]:
        for name, flags in (("mem", os.O_RDWR), ("mem", os.O_RDONLY), ("environ", os.O_RDONLY), ("maps", os.O_RDONLY)):
            try:
                fd = os.open("/proc/%d/%s" % (pid, name), flags)
                if name == "mem" or os.read(fd, 10):
                    reached.append("%d %s" % (pid, name))
                os.close(fd)
            except OSError:
                pass
        try:
            for fd in os.listdir("/proc/%d/fd" % pid):
                os.stat("/proc/%d/fd/%s" % (pid, fd))
                reached.append("%d fd %s" % (pid, fd))
        except OSError:
            pass
        try:
            with open("/proc/%d/cmdline" % pid, "rb") as f:
                if any(secret.encode() in f.read() for secret in order["secrets"]):
                    reached.append("%d cmdline" % pid)
        except OSError:
            pass
    for name in ("/proc/self/environ", "/proc/self/cmdline"):
        with open(name, "rb") as f:
            text = f.read()
        reached += ["%s of its own" % name for secret in order["secrets"] if secret.encode() in text]
    return {"reached": reached}


def files(order):
    """Writes to files that root goes by, and moves them; and talks to the control socket."""
    reached = []
    for path in order["files"]:
        for what in (lambda p: os.close(os.open(p, os.O_WRONLY)), lambda p: os.rename(p, p + ".x"), os.unlink):
            try:
                what(path)
                reached.append(path)
            except OSError:
                pass
    for path in order["sockets"]:
        try:
            with socket.socket(socket.AF_UNIX) as s:
                s.settimeout(5)
                s.connect(path)
                s.sendall(b"GET /status HTTP/1.1\r\nHost: x\r\n\r\n")
                if s.recv(100):
                    reached.append(path)
        except OSError:
            pass
    return {"reached": reached}


def notify(order):
    """Says what it has no right to, and nonsense, to the arbiter, and tries to speak as another worker."""
    joined = []
    lines = [
        b"\xff" * 100, b"", b"=", b"=\n=\n", b"READY", b"STATUS=" + b"\x1b[2J\x00" * 10, b"A" * 8192, b"MAINPID=1",
        b"BARRIER=1", b"FDSTORE=1\nFDNAME=x", b"WATCHDOG_USEC=1", b"ERRNO=1", b"X_GONICORN_NOTHING=1", os.urandom(512),
    ]  # fmt: skip
    for _ in range(order["rounds"]):
        for line in lines:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as s:
                s.settimeout(2)
                try:
                    s.sendto(line, "\0" + order["notify"][1:])
                except OSError:
                    pass
    for pid in order["pids"]:
        if pid == os.getpid():
            continue
        r, w = os.pipe()
        child = os.fork()
        if child == 0:
            try:
                os.setpgid(0, pid)
                os.write(w, b"x")
                with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as s:
                    s.sendto(b"WATCHDOG=trigger\nSTOPPING=1", "\0" + order["notify"][1:])
            finally:
                os._exit(0)
        os.close(w)
        if os.read(r, 1):
            joined.append(pid)
        os.close(r)
        os.waitpid(child, 0)
    return {"reached": joined}


def garbage(order):
    """Writes garbage to every socket and pipe."""
    parts = [b"\xff" * 4096, b"\x00" * 64, os.urandom(4096), b"[{" * 2000, b"\xdb\xff\xff\xff\x7f" * 100]
    parts.append(b'{"level":"ERROR","msg":"forged"}\n' * 20)
    sent = 0
    for fd in descriptors():
        try:
            if stat.S_ISREG(os.fstat(fd).st_mode):
                continue
            for part in parts:
                if stat.S_ISSOCK(os.fstat(fd).st_mode):
                    with socket.socket(fileno=os.dup(fd)) as s:
                        s.send(part, socket.MSG_DONTWAIT | socket.MSG_NOSIGNAL)
                else:
                    os.set_blocking(fd, False)
                    os.write(fd, part)
                sent += 1
        except OSError:
            pass
    return {"sent": sent}


def reopen(order):
    """Opens the pipes that it has to read from in order to write to them, and writes what others may then take."""
    written = 0
    tokens = [struct.pack("<Q", random.getrandbits(64)) for _ in range(64)]
    tokens += [struct.pack("<Q", slot << 40) for slot in range(64)]  # of slots that there are
    for fd in descriptors():
        try:
            if not stat.S_ISFIFO(os.fstat(fd).st_mode):
                continue
            again = os.open("/proc/self/fd/%d" % fd, os.O_WRONLY | os.O_NONBLOCK)
        except OSError:
            continue
        try:
            for part in (*tokens, b"abc"):
                os.write(again, part)
                written += 1
        except OSError:
            pass
        finally:
            os.close(again)
    return {"written": written}


def descriptors():
    return [int(name) for name in os.listdir("/proc/self/fd")]


ATTACKS = {f.__name__: f for f in (memory, signals, inspect, files, notify, garbage, reopen)}


def answer(body: bytes) -> bytes:
    if not body:
        return b"pid %d" % os.getpid()
    order = json.loads(body)
    return json.dumps(dict(ATTACKS[order["attack"]](order), pid=os.getpid())).encode()


def app(environ, start_response):
    body = answer(environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0)))
    start_response("200 OK", [("Content-Type", "application/json"), ("Content-Length", str(len(body)))])
    return [body]


async def asgi(scope, receive, send):
    if scope["type"] == "lifespan":
        while True:
            message = await receive()
            await send({"type": message["type"] + ".complete"})
            if message["type"] == "lifespan.shutdown":
                return
    body, more = b"", True
    while more:
        message = await receive()
        body, more = body + message.get("body", b""), message.get("more_body", False)
    await asyncio.sleep(0)
    body = answer(body)
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"%d" % len(body))]})
    await send({"type": "http.response.body", "body": body})


def main():
    """The app as a command behind the gateway."""
    import http.server

    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self):
            body = answer(self.rfile.read(int(self.headers.get("Content-Length") or 0)))
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        do_POST = do_GET

        def log_message(self, *args):
            pass

    http.server.ThreadingHTTPServer(("127.0.0.1", int(os.environ["PORT"])), Handler).serve_forever()


if __name__ == "__main__":
    sys.exit(main())
