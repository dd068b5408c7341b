"""Slots for parts of long answers: who gets the next one."""

from __future__ import annotations

import asyncio
import os

import pytest
from runner.plane import CONTROL, IMPATIENT, PATIENT, Plane
from runner.slot_queue import SlotQueue

SIZE, LARGE_SIZE = 64, 256


@pytest.fixture
def plane(tmp_path):
    """A plane with two small slots and three large ones. The test is the gateway."""
    files = [os.open(tmp_path / name, os.O_RDWR | os.O_CREAT) for name in ("requests", "answers")]
    os.ftruncate(files[0], SIZE)
    os.ftruncate(files[1], CONTROL + 2 * SIZE + 3 * LARGE_SIZE)
    made = Plane(1, SIZE, 2, SIZE, 3, LARGE_SIZE, 0, [*files, *os.pipe()])
    yield made
    made.close()


def put(plane: Plane) -> int:
    """Writes a part into a large slot and returns the slot, -1 if there is none."""
    told = plane.put(0, b"h" * SIZE, b"d")
    return int.from_bytes(told, "little") >> 52 if told else -1


def give(plane: Plane, slot: int) -> None:
    plane.control[slot] = 0


def test_a_slot_that_is_still_read_hides_no_other(plane):
    slots = [put(plane) for _ in range(3)]
    assert put(plane) == -1 and not plane.room()
    give(plane, slots[2])
    assert plane.room() and plane.rooms() == 1
    assert put(plane) == slots[2]  # the first two are of clients that read slowly
    assert put(plane) == -1


async def waiting(queue: SlotQueue, name: str, begun: bool, order: list) -> None:
    await queue.wait(begun)
    order.append((name, put(queue.plane) >= 0))


def test_parts_get_slots_in_their_turn(plane):
    slots = [put(plane) for _ in range(3)]
    order: list = []

    async def scenario() -> None:
        queue = SlotQueue(asyncio.get_running_loop(), plane)
        assert not queue.free()
        names = ("first", False), ("second", False), ("cancelled", False), ("begun", True)
        tasks = {name: asyncio.ensure_future(waiting(queue, name, begun, order)) for name, begun in names}
        await asyncio.sleep(0)
        tasks["cancelled"].cancel()
        for slot in slots:
            give(plane, slot)
        queue.look(queue.loop.time(), 1)
        assert queue.promised == 3 and not queue.free()  # who comes now gets no slot of theirs
        await asyncio.gather(*tasks.values(), return_exceptions=True)
        assert queue.promised == 0

    asyncio.run(scenario())
    assert order == [("begun", True), ("first", True), ("second", True)]


def test_a_cancelled_task_gives_its_promise_back(plane):
    slots = [put(plane) for _ in range(3)]

    async def scenario() -> None:
        queue = SlotQueue(asyncio.get_running_loop(), plane)
        task = asyncio.ensure_future(queue.wait(False))
        await asyncio.sleep(0)
        give(plane, slots[0])
        queue.look(queue.loop.time(), 1)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        assert queue.promised == 0 and queue.free()

    asyncio.run(scenario())


def test_without_hope_nobody_waits(plane):
    slots = [put(plane) for _ in range(3)]
    order: list = []

    async def scenario() -> None:
        queue = SlotQueue(asyncio.get_running_loop(), plane)
        tasks = [asyncio.ensure_future(waiting(queue, name, False, order)) for name in ("first", "second")]
        await asyncio.sleep(0)
        queue.look(queue.loop.time() - PATIENT, 1)
        await asyncio.gather(*tasks)
        assert plane.patience == IMPATIENT and queue.promised == 0

        task = asyncio.ensure_future(waiting(queue, "third", False, order))
        await asyncio.sleep(0)
        give(plane, slots[1])
        queue.look(queue.loop.time(), 1)
        await task
        assert plane.patience == PATIENT

    asyncio.run(scenario())
    assert order == [("first", False), ("second", False), ("third", True)]
