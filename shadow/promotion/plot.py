"""Cells as lines of an SVG: estimate and interval in units of the cell's own margin, so that all share one axis."""

from __future__ import annotations

from html import escape
from typing import Any, Final

LEAST, MOST = -2.0, 3.0
"""Multiples of the margin that fit; what lies beyond is cut, and gets an arrow."""

LEFT, WIDTH, ROW, TOP = 260, 900, 26, 24
COLOURS: Final = {"pass": "#1a7f37", "fail": "#b3261e", "collecting": "#7a5c00"}


def plot(cells: list[dict[str, Any]]) -> str:
    """One line per cell of a report, and the axis: 0 is production, 1 the margin."""
    height = TOP + ROW * len(cells) + 6
    lines = [_line(each, TOP + ROW * index + ROW / 2) for index, each in enumerate(cells)]
    return (
        f'<svg viewBox="0 0 {WIDTH} {height}" role="img" aria-label="Estimates and intervals in units of the margin">'
        f"{_rule(0, height, 'production', '#8c959f')}{_rule(1, height, 'margin', '#b3261e')}{''.join(lines)}</svg>"
    )


def _rule(value: float, height: float, label: str, colour: str) -> str:
    x = _x(value)
    return (
        f'<line x1="{x:.1f}" y1="{TOP - 6}" x2="{x:.1f}" y2="{height}" stroke="{colour}" stroke-dasharray="4 3"/>'
        f'<text x="{x:.1f}" y="12" text-anchor="middle" font-size="12" fill="{colour}">{label}</text>'
    )


def _line(cell: dict[str, Any], y: float) -> str:
    name = f'<text x="0" y="{y + 4:.1f}" font-size="13">{escape(cell["name"])}</text>'
    colour, margin, estimate = COLOURS[cell["state"]], cell["margin"], cell["estimate"]
    if estimate is None:
        return name + f'<text x="{LEFT}" y="{y + 4:.1f}" font-size="12" fill="#57606a">no data</text>'
    drawn = [name]
    if cell["lower"] is not None:
        low, high = cell["lower"] / margin, cell["upper"] / margin
        drawn.append(
            f'<line x1="{_x(low):.1f}" y1="{y:.1f}" x2="{_x(high):.1f}" y2="{y:.1f}" stroke="{colour}" '
            f'stroke-width="3"/>'
        )
        drawn += [_arrow(LEFT, y, -1, colour)] * (low < LEAST) + [_arrow(WIDTH, y, 1, colour)] * (high > MOST)
    drawn.append(f'<circle cx="{_x(estimate / margin):.1f}" cy="{y:.1f}" r="5" fill="{colour}"/>')
    return "".join(drawn)


def _arrow(x: float, y: float, way: int, colour: str) -> str:
    back = x - 8 * way
    return f'<path d="M{x} {y:.1f}L{back} {y - 6:.1f}L{back} {y + 6:.1f}z" fill="{colour}"/>'


def _x(value: float) -> float:
    return LEFT + (min(max(value, LEAST), MOST) - LEAST) / (MOST - LEAST) * (WIDTH - LEFT)
