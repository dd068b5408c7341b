"""A queue consumer: takes jobs until it is told to stop, and finishes the one in hand."""

import os
import signal
import socket
import threading


def notify(state: str) -> None:
    """Tell the arbiter how things are (sd_notify(3))."""
    address = os.environ.get("NOTIFY_SOCKET", "")
    if address:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as s:
            s.sendto(state.encode(), address.replace("@", "\0", 1))


stop = threading.Event()
signal.signal(signal.SIGTERM, lambda *_: stop.set())
notify("READY=1")

job = 0
while not stop.wait(1):
    job += 1
    print(f"job {job} is done", flush=True)
    notify(f"WATCHDOG=1\nSTATUS={job} jobs done")

notify("STOPPING=1")
print("the job in hand is finished", flush=True)
