"""A queue consumer as a worker of gonicorn: it has no socket and is supervised only.

The queue is a folder: a job is a file whose name does not begin with a dot. Whoever
renames a job owns it, so that any number of workers can share the folder.
"""

from __future__ import annotations

import os
import signal
import socket
import sys
import time
from pathlib import Path
from types import FrameType

IDLE = 0.2  # seconds between two looks at an empty queue

stopping = False


def stop(_signal: int, _frame: FrameType | None) -> None:
    """Let the job in flight end."""
    global stopping
    stopping = True


def notify(state: str) -> None:
    """Tell gonicorn something, as sd_notify(3) does."""
    address = os.environ.get("NOTIFY_SOCKET")
    if address:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender:
            sender.sendto(state.encode(), address.replace("@", "\0", 1) if address[0] == "@" else address)


def take(queue: Path) -> Path | None:
    """Claim the oldest job, or none."""
    for job in sorted(queue.glob("[!.]*")):
        claimed = job.with_name(f".{job.name}.{os.getpid()}")
        try:
            return job.rename(claimed)
        except FileNotFoundError:
            continue  # another worker was faster
    return None


def work(job: Path) -> None:
    """Do a job; a real one would take longer."""
    print(f"done: {job.read_text(encoding='utf-8', errors='replace').strip()!r}", flush=True)
    job.unlink()


def main() -> None:
    """Consume jobs until told to stop."""
    signal.signal(signal.SIGTERM, stop)
    queue = Path(sys.argv[1])
    queue.mkdir(mode=0o700, parents=True, exist_ok=True)
    notify("READY=1")
    while not stopping:
        notify("WATCHDOG=1")
        job = take(queue)
        if job:
            work(job)
        else:
            time.sleep(IDLE)
    notify("STOPPING=1")


if __name__ == "__main__":
    main()
