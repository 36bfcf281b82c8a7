"""Plots as SVG: means with their intervals, curves over steps, and layers on each other."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from html import escape

from toolkit.reporting.axes import Axis, value_axis, written
from toolkit.reporting.curves import Points, Thinned, smoothed, thinned, usual_ends

COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#8c6d1f", "#808080")
"""Colours that colour-blind readers can tell apart (Okabe and Ito, 2008)."""

Interval = tuple[float, float]

_WIDTH, _LINE, _LEFT, _RIGHT = 560, 24, 150, 70
_CURVE_WIDTH, _CURVE_HEIGHT = 360, 190
_CURVE_LEFT, _CURVE_RIGHT, _TOP, _BOTTOM = 46, 352, 30, 166
"""Place of the curves in their plot, which is about as wide as a phone."""
_TITLE = 46
"""Number of characters that fit above it."""


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
    axis = Axis(low - margin, high + margin, _LEFT, _WIDTH - _RIGHT)
    parts = [_text(0, 15, title, "title")]
    for number, (label, mean, interval) in enumerate(rows):
        y, colour = _LINE * (number + 1.5), colours[label]
        parts.append(_text(_LEFT - 10, y + 4, label, "label", anchor="end"))
        parts.append(_path(f"M{_LEFT} {y:.1f}H{_WIDTH - _RIGHT}", "grid"))
        if interval:
            line = f"M{axis.place(interval[0]):.1f} {y:.1f}H{axis.place(interval[1]):.1f}"
            parts.append(_path(line, "bar", colour))
        parts.append(_dot(axis.place(mean), y, colour))
        parts.append(_text(_WIDTH - _RIGHT + 10, y + 4, f"{mean:.{decimals}f}", "figure"))
    return _svg(_WIDTH, _LINE * (len(rows) + 1) + 8, title, parts)


def curve_plot(
    title: str,
    curves: Mapping[str, Points],
    colours: Mapping[str, str],
    *,
    best: tuple[int, float] | None = None,
    dots: bool = False,
    zero: bool = False,
) -> str:
    """Draws curves over steps, thinned or smoothed.

    Behind a curve alone is what it was made from: the range of the values that each point stands
    for, or the values themselves. Values that are positive and far apart are drawn on a logarithmic
    scale.

    Args:
        title: What is drawn.
        curves: By label; those without a finite value are left out.
        colours: By label.
        best: The point to mark.
        dots: Whether to draw each point, too, and not to smooth, as for figures that are measured
            now and then.
        zero: Whether the values' axis begins at zero.
    """
    drawn = {label: few for label, points in curves.items() if (few := thinned(points))}
    if not drawn:
        return _svg(_CURVE_WIDTH, _TOP, title, [_title(title)])
    steps = [point.step for few in drawn.values() for point in few]
    alone = len(drawn) == 1
    means = [point.mean for few in drawn.values() for point in few]
    ends = usual_ends(next(iter(drawn.values()))) if alone else ()
    across, up = _step_axis(steps), value_axis(means, _BOTTOM, _TOP, zero=zero, beyond=ends)
    scale = " (logarithmic)" if up.logarithmic else ""
    parts = [_title(title, scale), *_frame(across, up)]

    def line(points: Sequence[Thinned], kind: str, colour: str) -> str:
        places = [f"{across.place(p.step):.1f} {up.place(p.mean):.1f}" for p in points]
        return _path("M" + "L".join(places), kind, colour)

    for label, few in drawn.items():
        if alone and any(point.low < point.high for point in few):
            parts.append(_band(few, across, up, colours[label]))
        elif alone and not dots:
            parts.append(line(few, "raw", colours[label]))
        shown = smoothed(few) if alone and not dots else few
        parts.append(line(shown, "curve", colours[label]))
        if dots or len(few) == 1:
            size = 4.0 if len(few) <= 20 else 2.5
            parts += [_dot(across.place(p.step), up.place(p.mean), colours[label], size)
                      for p in few]  # fmt: skip
    if best:
        x, y = across.place(best[0]), up.place(best[1])
        parts.append(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="7" class="best"/>')
    readings = [
        [round(across.place(p.step), 1), round(up.place(p.mean), 1), f"{label}: {p.mean:.4g}"
         if not alone else f"{p.mean:.4g}", p.step]
        for label, few in drawn.items() for p in few
    ]  # fmt: skip
    svg = _svg(_CURVE_WIDTH, _CURVE_HEIGHT, title, parts, readings)
    return svg if [*drawn] == [title] else svg + keys(drawn, colours)


def layer_plot(
    title: str,
    steps: Sequence[int],
    layers: Mapping[str, Sequence[float]],
    colours: Mapping[str, str],
) -> str:
    """Draws values over steps as areas on each other, such as the seconds of a step's phases.

    Args:
        title: What is drawn, and its unit.
        steps: At least one.
        layers: By label, a value for each step, not negative; the first is at the bottom.
        colours: By label.
    """
    totals = [sum(values) for values in zip(*layers.values(), strict=True)]
    across, up = _step_axis(steps), value_axis(totals, _BOTTOM, _TOP, zero=True)
    parts, below = [_title(title), *_frame(across, up)], [0.0] * len(steps)
    for label, values in layers.items():
        above = [low + value for low, value in zip(below, values, strict=True)]
        # A single step is drawn as a bar over the whole width.
        xs = [across.place(step) for step in steps] if len(steps) > 1 else [_CURVE_LEFT]
        upper = [f"{x:.1f} {up.place(y):.1f}" for x, y in zip(xs, above, strict=True)]
        lower = [f"{x:.1f} {up.place(y):.1f}" for x, y in zip(xs, below, strict=True)]
        if len(steps) == 1:
            upper.append(f"{_CURVE_RIGHT} {up.place(above[0]):.1f}")
            lower.append(f"{_CURVE_RIGHT} {up.place(below[0]):.1f}")
        line = "M" + "L".join([*upper, *reversed(lower)]) + "Z"
        parts.append(f'<path d="{line}" class="layer" style="fill:{colours[label]}"/>')
        below = above
    readings = [
        [round(across.place(step), 1), round(up.place(total), 1), f"{total:.3g}", step]
        for step, total in zip(steps, totals, strict=True)
    ]
    svg = _svg(_CURVE_WIDTH, _CURVE_HEIGHT, title, parts, readings)
    return svg + keys(reversed([*layers]), colours)


def keys(labels: Iterable[str], colours: Mapping[str, str]) -> str:
    """Returns the key of a plot as HTML: each label beside its colour."""
    items = "".join(
        f'<span><i style="background:{colours[label]}"></i>{escape(label)}</span>'
        for label in labels
    )
    return f'<p class="keys">{items}</p>'


def _step_axis(steps: Sequence[int]) -> Axis:
    first, last = min(steps), max(steps)
    return Axis(first, last, _CURVE_LEFT, _CURVE_RIGHT) if first < last else Axis(
        first - 1, last + 1, _CURVE_LEFT, _CURVE_RIGHT
    )  # fmt: skip


def _frame(across: Axis, up: Axis) -> list[str]:
    """Draws lines at the ticks of the values, and labels for both axes."""
    values = up.ticks() if len(up.ticks()) > 1 else [up.low, up.high]
    parts = [_path(f"M{_CURVE_LEFT} {up.place(v):.1f}H{_CURVE_RIGHT}", "grid") for v in values]
    parts += [_text(_CURVE_LEFT - 6, up.place(value) + 4, written(value), "label", anchor="end")
              for value in values]  # fmt: skip
    for step in (tick for tick in across.ticks() if tick == round(tick)):
        x = across.place(step)
        anchor = "end" if x > _CURVE_RIGHT - 12 else "middle"
        parts.append(_text(x, _CURVE_HEIGHT - 6, written(step), "label", anchor=anchor))
    return parts


def _band(few: Sequence[Thinned], across: Axis, up: Axis, colour: str) -> str:
    above = [f"{across.place(p.step):.1f} {up.clipped(p.high):.1f}" for p in few]
    below = [f"{across.place(p.step):.1f} {up.clipped(p.low):.1f}" for p in reversed(few)]
    line = "M" + "L".join([*above, *below]) + "Z"
    return f'<path d="{line}" class="band" style="fill:{colour}"/>'


def _svg(
    width: int, height: float, title: str, parts: Sequence[str], readings: Sequence[object] = ()
) -> str:
    """Returns the SVG; `readings`, of (x, y, value, step), are what the page shows on hovering."""
    box = f"0 0 {width} {height:.0f}"
    data = f' data-readings="{escape(json.dumps(readings))}"' if readings else ""
    return (
        f'<svg viewBox="{box}" role="img" aria-label="{escape(title)}"{data}>{"".join(parts)}</svg>'
    )


def _title(title: str, scale: str = "") -> str:
    """Draws the title of a plot of curves, which is cut if it is too wide."""
    cut = title if len(title + scale) <= _TITLE else f"{title[: _TITLE - len(scale) - 1]}…"
    return _text(0, 15, cut + scale, "title")


def _text(x: float, y: float, text: str, kind: str, anchor: str = "start") -> str:
    return (
        f'<text x="{x:.1f}" y="{y:.1f}" class="{kind}" text-anchor="{anchor}">{escape(text)}</text>'
    )


def _dot(x: float, y: float, colour: str, size: float = 4.0) -> str:
    return f'<circle cx="{x:.1f}" cy="{y:.1f}" r="{size:g}" fill="{colour}"/>'


def _path(line: str, kind: str, colour: str = "") -> str:
    stroke = f' stroke="{colour}"' if colour else ""
    return f'<path d="{line}" class="{kind}"{stroke}/>'
