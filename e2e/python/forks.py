"""Apps that fork: what the child has of the worker."""

import asyncio
import json
import multiprocessing
import os
import signal
import time

APP_SIGNALS = []
signal.signal(signal.SIGHUP, lambda *_: APP_SIGNALS.append("HUP"))  # the app's own
fork = multiprocessing.get_context("fork")


def rest(begun):
    os.write(begun, b"b")
    time.sleep(60)


def tell(pipe):
    names = ("SIGTERM", "SIGINT", "SIGQUIT", "SIGUSR1", "SIGUSR2", "SIGABRT", "SIGHUP")
    found = {n: signal.getsignal(getattr(signal, n)) for n in names}
    handlers = {n: getattr(h, "__qualname__", repr(h)) for n, h in found.items()}
    pipe.send({"handlers": handlers, "fds": descriptors(), "own": pipe.fileno()})


def descriptors():
    """The sockets, pipes and the like of this process, by number."""
    found = {}
    for fd in os.listdir("/proc/self/fd"):
        try:
            found[fd] = os.readlink("/proc/self/fd/" + fd)
        except OSError:
            pass
    return found


def terminated():
    """How a child ends that is terminated."""
    begins, begun = os.pipe()
    p = fork.Process(target=rest, args=(begun,))
    p.start()
    os.read(begins, 1)  # past its at-fork handlers
    os.close(begins)
    os.close(begun)
    p.terminate()
    p.join(20)
    code = p.exitcode
    if code is None:
        p.kill()
    return code


def asked():
    """What a child says of itself."""
    before = descriptors()
    mine, its = fork.Pipe()
    p = fork.Process(target=tell, args=(its,))
    p.start()
    said = mine.recv()
    p.join(5)
    said["worker"] = before
    return said


def cpu():
    t = os.times()
    return t.user + t.system


def answer(path):
    if path == "/terminated":
        return {"exitcode": terminated(), "pid": os.getpid()}
    if path == "/asked":
        return asked()
    return {"pid": os.getpid(), "cpu": cpu()}


def wsgi(environ, start_response):
    body = json.dumps(answer(environ["PATH_INFO"])).encode()
    start_response("200 OK", [("Content-Type", "application/json"), ("Content-Length", str(len(body)))])
    return [body]


async def asgi(scope, receive, send):
    if scope["type"] != "http":
        return
    if scope["path"] == "/thread":  # forked from another thread than the main one
        result = await asyncio.get_running_loop().run_in_executor(None, answer, "/terminated")
    else:
        result = answer(scope["path"])
    body = json.dumps(result).encode()
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"application/json")]})
    await send({"type": "http.response.body", "body": body})
