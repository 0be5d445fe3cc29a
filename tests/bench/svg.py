"""Small line charts as SVG, written by hand: no library, nothing but rectangles, lines and text."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from xml.sax.saxutils import escape

from msgspec import Struct

from tests.bench.plan import QUICK

WIDTH, HEIGHT = 380, 260
LEFT, TOP, RIGHT, BOTTOM = 62, 34, 14, 44
COLOURS = ("#1f5fa8", "#c2571a", "#3b8132")

Point = tuple[float, float]


class Panel(Struct, frozen=True, kw_only=True):
    """One chart: lines by name, over the same axes. The y axis begins at nothing."""

    title: str
    x: str
    lines: dict[str, list[Point]]
    log_x: bool = False


def write(file: Path, panels: Sequence[Panel]) -> None:
    """Write the panels side by side; not with QUICK=1, which leaves the documents alone."""
    if QUICK:
        return
    file.parent.mkdir(parents=True, exist_ok=True)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH * len(panels)}" height="{HEIGHT}" '
        'font-family="sans-serif" font-size="11">',
        '<rect width="100%" height="100%" fill="white"/>',
    ]
    for number, panel in enumerate(panels):
        parts += [f'<g transform="translate({number * WIDTH},0)">', *_panel(panel), "</g>"]
    file.write_text("\n".join([*parts, "</svg>"]) + "\n")


def _panel(panel: Panel) -> Iterable[str]:
    points = [point for line in panel.lines.values() for point in line]
    xs, top = sorted({x for x, _ in points}), max((y for _, y in points), default=1) * 1.1 or 1
    yield _text(WIDTH / 2, 18, panel.title, anchor="middle", weight="bold")
    yield _text(LEFT + _inner(WIDTH, LEFT, RIGHT) / 2, HEIGHT - 8, panel.x, anchor="middle")
    for step in range(5):
        y = _y(top * step / 4, top)
        yield f'<line x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y:.1f}" y2="{y:.1f}" stroke="#ddd"/>'
        yield _text(LEFT - 6, y + 4, _short(top * step / 4), anchor="end")
    for x in xs:
        yield _text(_x(x, xs, panel.log_x), HEIGHT - BOTTOM + 16, _short(x), anchor="middle")
    for number, (name, line) in enumerate(panel.lines.items()):
        yield from _line(name, line, COLOURS[number % len(COLOURS)], number, (xs, top, panel.log_x))


def _line(
    name: str, line: list[Point], colour: str, number: int, axes: tuple[list[float], float, bool]
) -> Iterable[str]:
    xs, top, log_x = axes
    places = [(_x(x, xs, log_x), _y(y, top)) for x, y in line]
    path = " ".join(f"{x:.1f},{y:.1f}" for x, y in places)
    yield f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2"/>'
    for x, y in places:
        yield f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3" fill="{colour}"/>'
    yield _text(LEFT + 8, TOP + 12 + 14 * number, name, colour=colour)


def _x(value: float, xs: list[float], log_x: bool) -> float:
    """Where a value stands: in proportion, or, for sizes that multiply, one step each."""
    width = _inner(WIDTH, LEFT, RIGHT) - 20
    if log_x or xs[-1] == xs[0]:
        return LEFT + 10 + width * xs.index(value) / max(1, len(xs) - 1)
    return LEFT + 10 + width * (value - xs[0]) / (xs[-1] - xs[0])


def _y(value: float, top: float) -> float:
    return HEIGHT - BOTTOM - _inner(HEIGHT, TOP, BOTTOM) * value / top


def _inner(whole: int, before: int, after: int) -> int:
    return whole - before - after


def _short(value: float) -> str:
    for limit, sign in ((1e6, "M"), (1e3, "k")):
        if value >= limit:
            return f"{value / limit:.3g}{sign}"
    return f"{value:.3g}"


def _text(
    x: float, y: float, text: str, *, anchor: str = "start", weight: str = "normal", colour: str = "#333"
) -> str:
    return (
        f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" font-weight="{weight}" fill="{colour}">'
        f"{escape(text)}</text>"
    )
