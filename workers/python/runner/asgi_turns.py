"""Who sends, of those who want to send parts of one answer or messages of one WebSocket."""

from __future__ import annotations

import asyncio
from collections import deque


class Turns:
    """One sends at a time, in the order in which they came, as the gateway takes it.

    An Exchange is one. It has the carrier and the window (how many bytes the gateway takes now), and says whether the
    client is gone.
    """

    sending = False  # somebody has the turn to send
    turns = ()  # those who wait for it, in the order in which they came
    writer = None  # who has the turn waits on it for the gateway

    async def turn(self) -> None:
        """Waits until nobody else sends; who came first goes first."""
        if not self.sending:
            self.sending = True
            return
        if not self.turns:
            self.turns = deque()
        waiter = self.carrier.loop.create_future()
        self.turns.append(waiter)
        try:
            await waiter
        except asyncio.CancelledError:
            if waiter.done() and not waiter.cancelled():
                self.pass_turn()
            raise

    def pass_turn(self) -> None:
        """Gives the turn to who waits for it first."""
        while self.turns:
            waiter = self.turns.popleft()
            if not waiter.done():
                waiter.set_result(None)
                return
        self.sending = False

    async def room(self) -> None:
        """Waits until the gateway wants more, or nothing any more. Only who has the turn may."""
        while (self.window <= 0 or self.carrier.congested) and not self.gone:
            self.writer = self.carrier.loop.create_future()
            await self.writer
