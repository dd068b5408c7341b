"""What makes a process unfit to be copied by fork(2): locks held by other threads, and open sockets."""

from __future__ import annotations

import faulthandler
import gc
import os
import socket
import threading
from collections.abc import Iterable
from time import monotonic, sleep

from .settings import Settings

OWN_THREADS = "gonicorn-"  # prefix of the runner's own threads, which start again in each copy
ENDING = 2.0  # seconds that threads get to end by themselves


def objection(chosen: Settings) -> str:
    """Says why this worker, which has finished, must not be copied. Empty if it may be."""
    faulthandler.cancel_dump_traceback_later()  # its thread is the runner's
    end = monotonic() + ENDING
    while other_threads() and monotonic() < end:
        sleep(0.01)
    names = other_threads()
    if names:
        why = "threads live in it that its copies would not have, and what they hold would stay held"
        return "%s: %s" % (why, ", ".join(names))
    if chosen.refork_sockets:
        return ""
    gc.collect()
    opened = {inode: fd for inode, fd in open_sockets().items() if inode not in chosen.inherited_sockets}
    if opened:
        return (
            "it has sockets open, which all its copies would share: %s; open them again in the hook post_fork"
            " and set refork_open_sockets" % ", ".join(describe(opened))
        )
    return ""


def other_threads() -> list[str]:
    """Names the threads other than the main one and the runner's own."""
    live = threading.enumerate()
    names = [t.name for t in live if t is not threading.main_thread() and not t.name.startswith(OWN_THREADS)]
    try:
        native = len(os.listdir("/proc/self/task")) - len(live)
    except OSError:
        native = 0
    if native > 0:
        names.append("%d that Python knows nothing of" % native)
    return names


def open_sockets(without: Iterable[int] = ()) -> dict[str, int]:
    """Returns the open sockets, with one descriptor for each."""
    found: dict[str, int] = {}
    try:
        fds = [int(name) for name in os.listdir("/proc/self/fd")]
    except OSError:
        return found
    for fd in fds:
        try:
            name = os.readlink("/proc/self/fd/%d" % fd)
        except OSError:
            continue  # it was the descriptor of the listing itself
        if name.startswith("socket:") and fd not in without:
            found.setdefault(name, fd)
    return found


def describe(sockets: dict[str, int]) -> list[str]:
    """Describes sockets for a log line."""
    return [describe_one(fd) for fd in sockets.values()]


def describe_one(fd: int) -> str:
    copy = socket.socket(fileno=os.dup(fd))
    try:
        kind = {socket.AF_UNIX: "unix", socket.AF_INET: "tcp", socket.AF_INET6: "tcp"}.get(copy.family, "socket")
        if kind == "tcp" and copy.type & socket.SOCK_DGRAM == socket.SOCK_DGRAM:
            kind = "udp"
        for address, form in ((copy.getpeername, "%s to %s"), (copy.getsockname, "%s at %s")):
            try:
                found = address()
            except OSError:
                continue
            if isinstance(found, tuple):
                return "fd %d, %s" % (fd, form % (kind, "%s:%d" % found[:2]))
            if found:
                name = found if isinstance(found, str) else "@" + found[1:].decode("latin-1")
                return "fd %d, %s" % (fd, form % (kind, name))
        return "fd %d, %s without an address" % (fd, kind)
    finally:
        copy.close()
