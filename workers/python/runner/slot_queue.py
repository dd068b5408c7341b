"""Which of a loop's long answers gets the next large slot in shared memory."""

from __future__ import annotations

from collections import deque

from .link import NAP
from .plane import IMPATIENT, PATIENT, Plane


class SlotQueue:
    """Parts of a loop's answers that wait for a slot of a plane, in the order in which they are to be sent.

    No event says that the gateway has read a slot, so the queue looks for some again and again. If none becomes free
    for long, all that wait give up: see plane.PATIENT.
    """

    def __init__(self, loop, plane: Plane, longest: float = 2 * NAP):
        """Makes a queue whose looks are at most so many seconds apart."""
        self.loop = loop
        self.plane = plane
        self.longest = longest
        self.waiters: deque = deque()  # futures; the result says whether there is a slot
        self.promised = 0  # slots of those that were told, and have not written yet
        self.looking = False

    def free(self) -> bool:
        """Tells whether a part may be written now. Those that wait come first."""
        if self.waiters:
            return False
        return self.plane.rooms() > self.promised if self.promised else self.plane.room()

    async def wait(self, begun: bool) -> None:
        """Waits for a slot, or until there is no hope of one. An answer that has begun comes before others."""
        waiter = self.loop.create_future()
        if begun:
            self.waiters.appendleft(waiter)
        else:
            self.waiters.append(waiter)
        if not self.looking:
            self.looking = True
            self.loop.call_later(NAP, self.look, self.loop.time(), NAP)
        try:
            await waiter
        finally:
            if waiter.done() and not waiter.cancelled() and waiter.result():
                self.promised -= 1

    def look(self, since: float, nap: float) -> None:
        """Gives slots to those that wait. There was one at `since`, or nobody waited."""
        plane, now = self.plane, self.loop.time()
        rooms = plane.rooms() - self.promised
        if rooms > 0:
            since, nap, plane.patience = now, NAP, PATIENT
            self.wake(rooms, True)
        elif now - since >= plane.patience:
            plane.patience = IMPATIENT
            self.wake(len(self.waiters), False)
        self.looking = bool(self.waiters)
        if self.looking:
            nap = min(2 * nap, self.longest)
            self.loop.call_later(nap, self.look, since, nap)

    def wake(self, most: int, slot: bool) -> None:
        """Tells the first that wait whether there is a slot for them."""
        waiters = self.waiters
        while waiters and most > 0:
            waiter = waiters.popleft()
            if not waiter.done():  # its task was not cancelled
                most -= 1
                self.promised += slot
                waiter.set_result(slot)
