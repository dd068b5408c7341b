"""The template: a process that has loaded the app, serves nothing, and is copied into workers by fork(2).

It talks to the arbiter over a message socket. An order is one JSON object with the new worker's descriptors
(SCM_RIGHTS): its socket to the gateway; its page of the scoreboard; if the order has "output", where its output goes;
if it has "promote_after", the socket where the worker itself takes orders once it is a template. The answer is one JSON
object with the worker's pid.
"""

from __future__ import annotations

import dataclasses
import gc
import json
import os
import signal
import socket
import sys
from os import close, fork, waitpid  # before gevent patches them
from select import POLLIN
from select import poll as make_poll

from . import classes, inheritance, loader
from .link import passed
from .packets import wrap
from .settings import Settings

MESSAGE = 16 << 10
ANCILLARY = socket.CMSG_SPACE(5 * 4)


def serve(interface: str, chosen: Settings) -> Settings:
    """Forks a worker for each order. It returns in the workers, with their settings."""
    warn_of_threads()
    warn_of_sockets(chosen)
    classes.named(chosen.worker_class).preload(interface, chosen)
    gc.collect()
    gc.freeze()  # the collector never touches these objects again, so their pages stay shared
    sock = wrap(chosen.template_fd)
    tell_files(sock, chosen, None)
    send(sock, {"ready": True, "class": chosen.worker_class, "pid": os.getpid(), "settings": chosen.gateway_settings})
    poll = make_poll()
    poll.register(sock, POLLIN)
    if chosen.lifeline_fd >= 0:
        poll.register(chosen.lifeline_fd, POLLIN)
    while True:
        if any(fd == chosen.lifeline_fd for fd, _ in poll.poll()):
            os._exit(0)  # the arbiter is gone
        order, fds = receive(sock)
        if order is None:
            os._exit(0)
        sys.stdout.flush()
        sys.stderr.flush()
        try:
            pid = fork_apart()
        except OSError as e:
            send(sock, {"number": order["number"], "error": "fork: %s" % e})
            pid = -1
        if pid == 0:
            sock.close()
            forked(chosen)
            return become_worker(chosen, order, fds)
        for fd in fds:
            close(fd)
        if pid > 0:
            send(sock, {"number": order["number"], "pid": pid})


def receive(sock) -> tuple[dict | None, list[int]]:
    """Receives an order and its descriptors. None means that there will be no more."""
    data, ancillary, _, _ = sock.recvmsg(MESSAGE, ANCILLARY)
    return (json.loads(data) if data else None), passed(ancillary)


def fail(chosen: Settings, why: str, failed: bool) -> None:
    """Reports why there will be no template, and exits."""
    sys.stdout.flush()
    sys.stderr.flush()
    send(wrap(chosen.template_fd), {"error": why, "failed": failed})
    os._exit(1)


def send(sock, message: dict) -> None:
    try:
        sock.send(json.dumps(message).encode())
    except OSError:
        os._exit(0)  # nobody listens any more


def tell_files(sock, chosen: Settings, error: BaseException | None) -> None:
    """Reports the app's source files, if they are watched for changes."""
    if not chosen.develop:
        return
    part: list[str] = []
    for name in loader.own_files(error):
        if part and sum(map(len, part)) + len(name) > MESSAGE // 2:
            send(sock, {"files": part})
            part = []
        part.append(name)
    send(sock, {"files": part})


def fork_apart() -> int:
    """Forks a process that is not a child of this one: its parent ends at once, and the arbiter adopts it.

    Returns its pid, and 0 in the new process.
    """
    r, w = os.pipe()
    child = fork()
    if child == 0:
        pid = -1
        try:
            pid = fork()
            if pid == 0:
                os.setsid()  # from another session, no worker can join its process group
                os.write(w, b"%d" % os.getpid())
                close(r)
                close(w)
                return 0
        finally:
            if pid != 0:
                os._exit(0)
    close(w)
    text = b""
    while True:
        part = os.read(r, 32)
        if not part:
            break
        text += part
    close(r)
    waitpid(child, 0)
    pid = int(text or b"-1")
    if pid <= 0:
        raise OSError("no process could be made")
    return pid


def become_worker(chosen: Settings, order: dict, fds: list[int]) -> Settings:
    """Takes over a worker's own descriptors, environment and CPUs."""
    template_output = os.dup(2) if order.get("promote_after") else -1
    if order["output"]:
        os.dup2(fds[2], 1)
        os.dup2(fds[2], 2)
        close(fds[2])
    for fd in fds[:2]:
        os.set_inheritable(fd, False)
    os.environ.update(order["environ"])
    if order.get("cpus") and hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, order["cpus"])
    chosen = dataclasses.replace(
        chosen, slot_fd=fds[1], age=order["age"], conn_fd=fds[0], template_fd=-1, template_output=-1
    )
    chosen.inherited_sockets = inheritance.open_sockets()
    if not order.get("promote_after"):
        return chosen
    return dataclasses.replace(
        chosen, promote_fd=fds[-1], promote_after=order["promote_after"], template_output=template_output
    )


def promoted(chosen: Settings) -> bool:
    """Tells whether this worker, which has finished, was told to become the template, and can."""
    if chosen.promote_fd < 0:
        return False
    sock = wrap(os.dup(chosen.promote_fd))
    try:
        if not sock.recv(MESSAGE, socket.MSG_DONTWAIT):
            return False
        objection = inheritance.objection(chosen)
        if not objection:
            return True
        sock.send(json.dumps({"refused": True, "error": objection}).encode())
    except OSError:
        pass  # it was not told to, or the arbiter is gone
    finally:
        sock.close()
    return False


def promote(chosen: Settings) -> Settings:
    """Leaves a copy of this worker, which has finished, as the template of all later workers.

    Returns in the copy. The worker itself exits.
    """
    sys.stdout.flush()
    sys.stderr.flush()
    r, w = os.pipe()
    if fork():
        close(w)
        os.read(r, 1)  # wait until the copy has left the process group: that is killed when this process ends
        os._exit(0)
    os.setsid()
    close(r)
    close(w)
    forked(chosen)
    for signum in (signal.SIGTERM, signal.SIGINT, signal.SIGQUIT, signal.SIGUSR1, signal.SIGABRT, signal.SIGUSR2):
        signal.signal(signum, signal.SIG_DFL)
    if chosen.template_output >= 0:
        os.dup2(chosen.template_output, 1)
        os.dup2(chosen.template_output, 2)
        close(chosen.template_output)
    return dataclasses.replace(
        chosen, template_fd=chosen.promote_fd, promote_fd=-1, promote_after=0, template_output=-1
    )


def forked(chosen: Settings) -> None:
    """Restores what does not survive a fork."""
    if classes.patched_by(chosen.worker_class):
        classes.named(chosen.worker_class).load().after_fork()


def warn_of_threads() -> None:
    """Warns of threads: they do not survive a fork, and their locks stay locked."""
    names = inheritance.other_threads()
    if names:
        sys.stderr.write(
            "warning: the app starts threads while it is imported, which the workers forked from it do not have: %s\n"
            % ", ".join(names)
        )


def warn_of_sockets(chosen: Settings) -> None:
    """Warns of open sockets: all forked workers would share them."""
    ours = (chosen.template_fd, chosen.conn_fd, chosen.promote_fd)
    names = inheritance.describe(inheritance.open_sockets(ours))
    if names:
        sys.stderr.write(
            "warning: the app opens sockets while it is imported, which all workers forked from it share;"
            " open them in the hook post_fork: %s\n" % ", ".join(names)
        )
