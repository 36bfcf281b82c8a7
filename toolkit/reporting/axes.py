"""Axes of plots: scales, ticks and how numbers are written."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

_DECADES = 1.5
"""From so many powers of ten on, values are drawn on a logarithmic scale."""


@dataclass(frozen=True)
class Axis:
    """Places values between two ends in pixels.

    Attributes:
        low: The value at `start`.
        high: The value at `end`.
        start: Its place in pixels.
        end: Its place in pixels.
        logarithmic: Whether equal distances are equal ratios.
    """

    low: float
    high: float
    start: float
    end: float
    logarithmic: bool = False

    def place(self, value: float) -> float:
        """Returns the place of a value in pixels."""
        low, high, value = map(self._scaled, (self.low, self.high, value))
        return self.start + (value - low) / (high - low) * (self.end - self.start)

    def clipped(self, value: float) -> float:
        """Returns the place of a value, or the end that it lies beyond."""
        return self.place(min(max(value, self.low), self.high))

    def ticks(self) -> list[float]:
        """Returns a few round values between the ends.

        Example:
            >>> Axis(0, 0.9, 0, 100).ticks()
            [0.0, 0.2, 0.4, 0.6, 0.8]
            >>> Axis(0.02, 3, 0, 100, logarithmic=True).ticks()
            [0.03, 0.1, 0.3, 1.0, 3.0]
        """
        if self.logarithmic:
            first, last = math.floor(math.log10(self.low)), math.floor(math.log10(self.high))
            apart = max(1, -(-(last - first) // 4))
            digits = (1, 2, 5) if last - first < 2 else (1, 3) if last - first < 3 else (1,)
            found = [float(f"{digit}e{power}") for power in range(first, last + 1, apart)
                     for digit in digits]  # fmt: skip
            return [tick for tick in found if self.low <= tick <= self.high]
        step = _round_step((self.high - self.low) / 5)
        first, last = math.ceil(self.low / step - 1e-9), math.floor(self.high / step + 1e-9)
        return [round(number * step, 12) for number in range(first, last + 1)]

    def _scaled(self, value: float) -> float:
        return math.log10(value) if self.logarithmic else value


def value_axis(
    values: Sequence[float],
    start: float,
    end: float,
    *,
    zero: bool = False,
    beyond: Sequence[float] = (),
) -> Axis:
    """Returns an axis for values: logarithmic if they are positive and far apart.

    Args:
        values: At least one, finite.
        start: Place of the lowest in pixels.
        end: Place of the highest.
        zero: Whether the axis begins at zero, as for areas.
        beyond: Further values to show; they do not decide on the scale.
    """
    low, high = min(values), max(values)
    logarithmic = not zero and low > 0 and math.log10(high) - math.log10(low) > _DECADES
    low, high = min(low, *beyond, low), max(high, *beyond, high)
    if logarithmic and low > 0:
        return Axis(low, high, start, end, logarithmic=True)
    low = min(low, 0.0) if zero else low
    if high - low <= 1e-9 * max(abs(low), abs(high)):
        margin = abs(high) * 0.05 or 1.0
        low, high = (low if zero else low - margin), high + margin
    return Axis(low, high, start, end)


def _round_step(least: float) -> float:
    """Returns the smallest of 1, 2 and 5 times a power of ten that is not below `least`."""
    power = 10.0 ** math.floor(math.log10(least))
    return next(power * each for each in (1, 2, 5, 10) if power * each >= least * (1 - 1e-9))


def written(value: float) -> str:
    """Writes a number briefly.

    Example:
        >>> [written(value) for value in (0, 0.125, 2500, 40_000, 1_500_000, 3e-7)]
        ['0', '0.125', '2500', '40k', '1.5M', '3e-07']
    """
    for size, letter in ((1e9, "G"), (1e6, "M"), (1e4, "k")):
        if size <= abs(value) < 1e12:
            divisor = 1e3 if letter == "k" else size
            return f"{value / divisor:.4g}{letter}"
    return f"{value:.4g}" if abs(value) >= 1e-3 or value == 0 else f"{value:.0e}"
