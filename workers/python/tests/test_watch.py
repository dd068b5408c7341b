"""When everything is shown by Python, and when C code has shown it already."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
from runner import watch
from runner.settings import Settings
from runner.slot import PULSE

SECOND = 1_000_000_000


@pytest.fixture
def looker(monkeypatch):
    """A Watch at 100 s, and what sets its clock."""
    clock = SimpleNamespace(now=100 * SECOND)
    monkeypatch.setattr(watch, "monotonic_ns", lambda: clock.now)
    made = watch.Watch({PULSE: clock.now}, Settings(), lambda: (), lambda: 0)
    yield made, clock


def test_python_shows_what_runs_python(looker):
    made, clock = looker
    assert not made.shown()
    clock.now += made.tick * 1_000_000 + watch.HELD - 1
    assert not made.shown()


def test_c_code_has_shown_what_holds_the_gil(looker):
    made, clock = looker
    clock.now += made.tick * 1_000_000 + watch.HELD
    assert made.shown()


def test_c_code_has_shown_what_held_it_until_now(looker):
    made, clock = looker
    made.stood = made.slot[PULSE] = clock.now  # the thread runs again
    assert made.shown()
    clock.now += watch.JUST
    made.slot[PULSE] = clock.now
    assert not made.shown()
