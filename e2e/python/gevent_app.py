"""What a WSGI app sees of gevent."""

import json
import os
import signal
import socket
import sys
import threading
import time

import gevent
from gevent import monkey

AT_IMPORT = monkey.is_module_patched("socket")
BARRIERS: dict = {}


def barrier(n):
    return BARRIERS.setdefault(n, threading.Barrier(n))


def facts(environ):
    import psycopg2.extensions

    return {
        "patched at import": AT_IMPORT,
        "thread": threading.Thread.__module__,
        "socket": socket.socket.__module__,
        "greenlet": isinstance(gevent.getcurrent(), gevent.Greenlet),
        "psycopg waits by": getattr(psycopg2.extensions.get_wait_callback(), "__name__", None),
        "multithread": environ["wsgi.multithread"],
    }


def child():
    """A process that is forked, and asked to end, ends alone."""
    r, w = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.write(w, b"x")
        time.sleep(30)
        os._exit(7)
    os.read(r, 1)
    os.kill(pid, signal.SIGTERM)
    _, status = os.waitpid(pid, 0)
    return "killed by %d" % os.WTERMSIG(status) if os.WIFSIGNALED(status) else "exit %d" % os.WEXITSTATUS(status)


def app(environ, start_response):
    path, query = environ["PATH_INFO"], environ["QUERY_STRING"]
    body = "ok"
    if path == "/facts":
        body = json.dumps(facts(environ), sort_keys=True)
    elif path == "/meet":
        barrier(int(query)).wait(20)  # all of them are in flight at once
    elif path == "/child":
        body = child()
    elif path == "/upload":
        body = str(len(environ["wsgi.input"].read()))
    elif path == "/exit":
        sys.exit(3)
    elif path == "/timeout":
        with gevent.Timeout(0.05, False):
            time.sleep(20)
            body = "late"
    elif path == "/stream":
        start_response("200 OK", [("Content-Type", "application/octet-stream")])
        return (b"x" * 50_000 for _ in range(20))
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [body.encode()]
