"""Plots as SVG: means with their intervals, and curves of a training."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from html import escape

from toolkit.evaluation.statistics import Interval

COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#8c6d1f", "#666666")
"""Colours that colour-blind readers can tell apart (Okabe and Ito, 2008)."""

_WIDTH, _LINE, _LEFT, _RIGHT = 560, 24, 150, 70
_CURVE_HEIGHT = 200
_POINTS = 120
"""Number of points of a curve; each is the mean of several steps."""


def colours_of(labels: Iterable[str]) -> dict[str, str]:
    """A colour for each label, the same in every plot of a page."""
    return {label: COLOURS[n % len(COLOURS)] for n, label in enumerate(dict.fromkeys(labels))}


def interval_plot(
    title: str,
    rows: Sequence[tuple[str, float, Interval | None]],
    colours: Mapping[str, str],
    decimals: int,
) -> str:
    """Draws a line for each row: a dot at the mean, a bar over its interval, and the figure.

    Args:
        title: The metric, and which direction is better.
        rows: Label, mean, and interval where there is one.
        colours: By label.
        decimals: Of the figures.
    """
    ends: list[float] = [each for _, mean, interval in rows for each in (mean, *(interval or ()))]
    low, high = min(ends), max(ends)
    margin = (high - low) * 0.05 or abs(high) * 0.05 or 1.0
    low, high = low - margin, high + margin

    def x(value: float) -> float:
        return _LEFT + (value - low) / (high - low) * (_WIDTH - _LEFT - _RIGHT)

    height = _LINE * (len(rows) + 1)
    parts = [_text(0, 15, title, "title")]
    for number, (label, mean, interval) in enumerate(rows):
        y, colour = _LINE * (number + 1.5), colours[label]
        parts.append(_text(_LEFT - 10, y + 4, label, "label", anchor="end"))
        parts.append(_path(f"M{_LEFT} {y:.1f}H{_WIDTH - _RIGHT}", "grid"))
        if interval:
            line = f"M{x(interval[0]):.1f} {y:.1f}H{x(interval[1]):.1f}"
            parts.append(_path(line, "bar", colour))
        parts.append(f'<circle cx="{x(mean):.1f}" cy="{y:.1f}" r="4" fill="{colour}"/>')
        parts.append(_text(_WIDTH - _RIGHT + 10, y + 4, f"{mean:.{decimals}f}", "figure"))
    return _svg(height + 8, title, parts)


def curve_plot(
    title: str, curves: Mapping[str, Sequence[tuple[int, float]]], colours: Mapping[str, str]
) -> str:
    """Draws smoothed curves over the steps of a training.

    Args:
        title: What is drawn.
        curves: By label, (step, value).
        colours: By label.
    """
    smoothed = {label: _smoothed(points) for label, points in curves.items() if points}
    steps = [step for points in smoothed.values() for step, _ in points]
    values = [value for points in smoothed.values() for _, value in points]
    first, last, low, high = min(steps), max(steps), min(values), max(values)
    top, bottom, left, right = 26, _CURVE_HEIGHT - 20, 50, _WIDTH - 10

    def place(step: float, value: float) -> str:
        across = (step - first) / (last - first or 1)
        up = (value - low) / (high - low or 1)
        return f"{left + across * (right - left):.1f} {bottom - up * (bottom - top):.1f}"

    parts = [_text(0, 15, title, "title")]
    parts += [_path(f"M{left} {y}H{right}", "grid") for y in (top, bottom)]
    parts += [_text(left - 6, y + 4, f"{value:.3g}", "label", anchor="end")
              for y, value in ((top, high), (bottom, low))]  # fmt: skip
    parts += [_text(left, _CURVE_HEIGHT - 4, f"step {first}", "label"),
              _text(right, _CURVE_HEIGHT - 4, f"{last}", "label", anchor="end")]  # fmt: skip
    for label, points in smoothed.items():
        line = "M" + "L".join(place(step, value) for step, value in points)
        parts.append(_path(line, "curve", colours[label]))
    keys = "".join(
        f'<span><i style="background:{colours[label]}"></i>{escape(label)}</span>'
        for label in smoothed
    )
    return f'{_svg(_CURVE_HEIGHT, title, parts)}<p class="keys">{keys}</p>'


def _smoothed(points: Sequence[tuple[int, float]]) -> list[tuple[int, float]]:
    size = max(1, len(points) // _POINTS)
    groups = [points[k : k + size] for k in range(0, len(points), size)]
    return [(each[-1][0], sum(value for _, value in each) / len(each)) for each in groups]


def _svg(height: float, title: str, parts: Sequence[str]) -> str:
    box = f"0 0 {_WIDTH} {height:.0f}"
    return f'<svg viewBox="{box}" role="img" aria-label="{escape(title)}">{"".join(parts)}</svg>'


def _text(x: float, y: float, text: str, kind: str, anchor: str = "start") -> str:
    return (
        f'<text x="{x:.1f}" y="{y:.1f}" class="{kind}" text-anchor="{anchor}">{escape(text)}</text>'
    )


def _path(line: str, kind: str, colour: str = "") -> str:
    stroke = f' stroke="{colour}"' if colour else ""
    return f'<path d="{line}" class="{kind}"{stroke}/>'
