"""WebSockets over a worker's own pipe: messages arrive in batches, and frames are sent many at once."""

from __future__ import annotations

from .frames import ROOM, Malformed

MOST = ROOM - 4  # bytes of frames that fit into a slot
RETRY = 0.001  # seconds until the worker looks for free slots again: no event says that the gateway has read one


class Batches:
    """The part of a worker's loop that carries WebSocket messages."""

    retrying = False  # it waits for a slot

    def open_batch(self, token: int) -> None:
        """Delivers the gateway's messages about WebSockets."""
        messages, told = self.plane.read_batch(token)
        exchanges = self.exchanges
        for message in messages:
            exchange = exchanges.get(message[1])
            if exchange is not None:
                exchange.hear(message)
        self.tell_soon(told)  # after the apps have run, so that their answers go along

    def post_frame(self, frame: bytes) -> None:
        """Sends a WebSocket frame together with all others of this turn of the loop."""
        if len(frame) > MOST:
            raise Malformed("headers of %d bytes" % len(frame))
        waiting = self.frames_out
        if waiting and len(waiting[-1]) + len(frame) <= MOST:
            waiting[-1] += frame
        else:
            waiting.append(bytearray(frame))
        if not self.flushing:
            self.flushing = True
            self.loop.call_soon(self.flush)

    def send_frames(self) -> bool:
        """Writes the waiting frames into slots. Returns false if there are not enough slots."""
        waiting = self.frames_out
        if self.plane is None:
            waiting.clear()  # there is no gateway any more
        while waiting:
            told = self.plane.put_frames(waiting[0])
            if not told:
                return False
            waiting.popleft()
            self.tokens.append(told)
        return True

    def tell_soon(self, token: bytes) -> None:
        self.tokens.append(token)
        if not self.flushing:
            self.flushing = True
            self.loop.call_soon(self.flush)

    def retry_later(self) -> None:
        if not self.retrying:
            self.retrying = True
            self.loop.call_later(RETRY, self.retry)

    def retry(self) -> None:
        self.retrying = False
        self.flush()
