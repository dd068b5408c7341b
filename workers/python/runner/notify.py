"""sd_notify(3) to the arbiter."""

from __future__ import annotations

import os
from socket import AF_UNIX, SOCK_DGRAM, socket

address = ""


def take_environment() -> None:
    """Remembers NOTIFY_SOCKET and hides it from the app."""
    global address
    address = os.environ.pop("NOTIFY_SOCKET", "")


def notify(line: str) -> None:
    """Sends one KEY=VALUE line; without a NOTIFY_SOCKET, or when nobody listens, nothing."""
    if not address:
        return
    name = "\0" + address[1:] if address[0] == "@" else address
    with socket(AF_UNIX, SOCK_DGRAM) as s:
        s.settimeout(1)
        try:
            s.sendto(line.encode("utf-8", "replace"), name)
        except OSError:
            pass  # the arbiter is gone, which the sockets tell soon
