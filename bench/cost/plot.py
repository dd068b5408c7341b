"""A picture of requests/s: bars for each server, work by work."""

from __future__ import annotations

from table import Results
from works import Work

WIDTH, LEFT, HEIGHT = 900, 220, 16
OURS, OTHERS = "#2f855a", "#9aa5b1"


def plot(works: list[Work], results: Results) -> str:
    parts: list[str] = []
    y = 30
    for work in works:
        rates = {server: m["rate"] for server, m in results.medians(work).items() if "rate" in m and server != "sketch"}
        if not rates:
            continue
        y += 18
        parts.append('<text x="10" y="%d" font-weight="bold">%s</text>' % (y, work.name))
        y += 8
        for server, rate in rates.items():
            parts.append(bar(server, rate, (WIDTH - LEFT - 90) * rate / max(rates.values()), y))
            y += HEIGHT
    size = 'width="%d" height="%d"' % (WIDTH, y + 20)
    head = '<svg xmlns="http://www.w3.org/2000/svg" %s font-family="sans-serif" font-size="12">' % size
    paper = '<rect width="100%" height="100%" fill="white"/>'
    title = paper + '<text x="10" y="20" font-size="15">requests per second</text>'
    return "\n".join([head, title, *parts, "</svg>", ""])


def bar(server: str, rate: float, length: float, y: int) -> str:
    name = '<text x="%d" y="%d" text-anchor="end">%s</text>' % (LEFT - 6, y + 12, server)
    color = OURS if server == "gonicorn" else OTHERS
    box = '<rect x="%d" y="%d" width="%.0f" height="%d" fill="%s"/>' % (LEFT, y, length, HEIGHT - 3, color)
    return name + box + '<text x="%.0f" y="%d">%s</text>' % (LEFT + length + 6, y + 12, "{:,.0f}".format(rate))
