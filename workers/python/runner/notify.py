"""sd_notify(3) to the arbiter."""

from __future__ import annotations

import os
from array import array
from os import close
from select import poll
from socket import AF_UNIX, SCM_RIGHTS, SOCK_DGRAM, SOL_SOCKET, socket

address = ""


def take_environment() -> None:
    """Remembers NOTIFY_SOCKET and hides it from the app."""
    global address
    address = os.environ.pop("NOTIFY_SOCKET", "")


HEARD = 5  # seconds that the arbiter has to read the messages


def notify(line: str) -> None:
    """Sends one KEY=VALUE line. Does nothing without a NOTIFY_SOCKET, or if nobody listens."""
    if not address:
        return
    name = "\0" + address[1:] if address[0] == "@" else address
    with socket(AF_UNIX, SOCK_DGRAM) as s:
        s.settimeout(1)
        try:
            s.sendto(line.encode("utf-8", "replace"), name)
        except OSError:
            pass  # the arbiter is gone; the other sockets will show it


def await_hearing() -> None:
    """Waits until the arbiter has read all messages (sd_notify_barrier(3)): it might see the exit before them."""
    if not address:
        return
    name = "\0" + address[1:] if address[0] == "@" else address
    theirs, ours = os.pipe()
    try:
        with socket(AF_UNIX, SOCK_DGRAM) as s:
            s.settimeout(1)
            s.sendmsg([b"BARRIER=1"], [(SOL_SOCKET, SCM_RIGHTS, array("i", [ours]))], 0, name)
        close(ours)
        waiter = poll()
        waiter.register(theirs, 0)  # its other end is closed
        waiter.poll(HEARD * 1000)
    except OSError:
        pass  # the arbiter is gone
