"""What was measured, kept as JSON and shown as Markdown."""

from __future__ import annotations

import json
import statistics
from pathlib import Path

from goals import OURS, Verdict
from load import Figures
from works import Bench, Work, count

# Figures, in the order of their columns: heading, short name, form.
FIGURES = {
    "cpu": ("CPU a request, µs", "CPU", "{:.1f}"),
    "rate": ("requests/s", "requests/s", "{:,.0f}"),
    "p50": ("p50, ms", "p50", "{:.2f}"),
    "p99": ("p99, ms", "p99", "{:.2f}"),
    "memory": ("KiB each", "KiB", "{:.2f}"),
}
SHORT = {figure: short for figure, (_, short, _) in FIGURES.items()}


class Results:
    """The figures of each round, by work and server."""

    def __init__(self, file: str):
        self.file = Path(file) if file else None
        self.rounds: dict[str, dict[str, list[Figures]]] = {}
        if self.file and self.file.exists():
            self.rounds = json.loads(self.file.read_text())

    def add(self, work: Work, server: str, figures: Figures) -> None:
        self.rounds.setdefault(work.name, {}).setdefault(server, []).append(figures)

    def save(self) -> None:
        if self.file:
            self.file.write_text(json.dumps(self.rounds, indent=1) + "\n")

    def of(self, work: Work) -> dict[str, list[Figures]]:
        return self.rounds.get(work.name, {})

    def medians(self, work: Work) -> dict[str, dict[str, float]]:
        return {
            server: {figure: statistics.median(found) for figure in FIGURES if (found := values(rounds, figure))}
            for server, rounds in self.of(work).items()
        }

    def verdicts(self, work: Work) -> list[Verdict]:
        medians = self.medians(work)
        return [verdict for goal in work.goals if (verdict := goal.judge(medians))]


def values(rounds: list[Figures], figure: str) -> list[float]:
    return [figures[figure] for figures in rounds if figure in figures]


def spread(found: list[float], form: str) -> str:
    if not found:
        return ""
    median = form.format(statistics.median(found))
    if len(found) == 1:
        return median
    return "%s (%s to %s)" % (median, form.format(min(found)), form.format(max(found)))


class Page:
    """Prints the rows of benches as they are done, below a heading for each group."""

    def __init__(self, results: Results):
        self.results = results
        self.group = ""
        self.columns: list[str] = []

    def show(self, bench: Bench) -> None:
        rows = [row for work in bench.works for row in self.rows(work, bench)]
        if rows:
            print("\n".join(rows), flush=True)

    def head(self, bench: Bench, columns: list[str]) -> list[str]:
        """The heading, where a group begins."""
        if (bench.group, columns) == (self.group, self.columns):
            return []
        title = ["", "### " + bench.group] if bench.group != self.group else []
        self.group, self.columns = bench.group, columns
        headings = ["work", "server", *(FIGURES[figure][0] for figure in columns), "goals"]
        return [*title, "", "| %s |" % " | ".join(headings), "|---" * len(headings) + "|"]

    def rows(self, work: Work, bench: Bench) -> list[str]:
        of_servers = self.results.of(work)
        columns = [f for f in FIGURES if any(values(rounds, f) for rounds in of_servers.values())]
        goals = "; ".join(verdict.text(SHORT) for verdict in self.results.verdicts(work))
        lines = self.head(bench, columns) if of_servers else []
        for server, rounds in of_servers.items():
            cells = [spread(values(rounds, figure), FIGURES[figure][2]) for figure in columns]
            lines.append("| %s |" % " | ".join([work.name, server, *cells, goals if server == OURS else ""]))
        return lines

    def rounds(self, works: list[Work]) -> str:
        counts = {len(rounds) for work in works for rounds in self.results.of(work).values()} or {0}
        return "%d to %d rounds" % (min(counts), max(counts)) if len(counts) > 1 else count(min(counts), "round")

    def summary(self, works: list[Work]) -> None:
        """How many goals are met, and which are not."""
        verdicts = [(work, verdict) for work in works for verdict in self.results.verdicts(work)]
        met = sum(verdict.met for _, verdict in verdicts)
        print("\n### Goals\n\n%d of %d goals are met, by medians of %s." % (met, len(verdicts), self.rounds(works)))
        if met < len(verdicts):
            print("\n| work | goal that is not met |\n|---|---|")
        for work, verdict in verdicts:
            if not verdict.met:
                print("| %s | %s |" % (work.name, verdict.text(SHORT).partition(": ")[0]))
