"""Goals, and whether they are met."""

from __future__ import annotations

import operator
from collections.abc import Mapping
from dataclasses import dataclass

OURS = "gonicorn"
HOLDS = {"<=": operator.le, ">=": operator.ge}
SIGN = {"<=": "≤", ">=": "≥"}
BEST = {"<=": min, ">=": max}  # of the peers, by what is wanted of us


@dataclass(frozen=True)
class Goal:
    """A figure of ours is at most, or at least, so many times a peer's, or, if absolute, so much."""

    figure: str
    how: str
    factor: float
    peer: str  # "best" is the best of all
    absolute: bool = False

    def judge(self, medians: Mapping[str, Mapping[str, float]]) -> Verdict | None:
        """Compares medians, by server and figure; None if something was not measured."""
        ours = medians.get(OURS, {}).get(self.figure)
        theirs = 1.0 if self.absolute else self.base(medians)
        if ours is None or not theirs:
            return None
        share = ours / theirs
        return Verdict(self, share, HOLDS[self.how](share, self.factor))

    def base(self, medians: Mapping[str, Mapping[str, float]]) -> float | None:
        if self.peer != "best":
            return medians.get(self.peer, {}).get(self.figure)
        # The sketch carries out less than a server has to, and has a goal of its own.
        peers = [m[self.figure] for name, m in medians.items() if name not in (OURS, "sketch") and self.figure in m]
        return BEST[self.how](peers) if peers else None


@dataclass(frozen=True)
class Verdict:
    goal: Goal
    share: float
    met: bool

    def text(self, names: Mapping[str, str]) -> str:
        """As "CPU 0.82 × granian (≤ 0.85): met"; names are those of figures."""
        goal = self.goal
        share = "%.2f" % self.share
        if not goal.absolute:
            share += " × " + ("the best" if goal.peer == "best" else goal.peer)
        met = "met" if self.met else "**not met**"
        return "%s %s (%s %g): %s" % (names[goal.figure], share, SIGN[goal.how], goal.factor, met)


def of(figure: str, how: str, factor: float, peer: str) -> Goal:
    return Goal(figure, how, factor, peer)


def best(figure: str, how: str, factor: float) -> Goal:
    return Goal(figure, how, factor, "best")


def value(figure: str, how: str, bound: float) -> Goal:
    return Goal(figure, how, bound, "", absolute=True)
