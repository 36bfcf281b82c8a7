"""Sizes of results."""

from __future__ import annotations

import math
from dataclasses import dataclass, fields

from toolkit.errors import ImageError, UsageError


@dataclass(frozen=True)
class Size:
    """The size that results shall have; by default, the restorer's scale decides.

    `width` and `height` together are a box in which the result just fits. Proportions are kept.

    Attributes:
        scale: Factor for both sides, above 0.
        width: In pixels.
        height: In pixels.
        max_side: Limits the longer side, whatever the others say.

    Example:
        >>> Size(width=300).of(100, 200, largest=4)
        (150, 300)
        >>> Size(max_side=500).of(100, 200, largest=4)
        (250, 500)
    """

    scale: float | None = None
    width: int | None = None
    height: int | None = None
    max_side: int | None = None

    def check(self, largest: float, name: str) -> None:
        """Checks what can be checked without an image.

        Args:
            largest: Scale of the restorer.
            name: Its name, for the message.

        Raises:
            UsageError: A value is not positive, more than one size is given, or `scale` is beyond
                that of the restorer.
        """
        for field in fields(self):
            value = getattr(self, field.name)
            option = f"--{field.name.replace('_', '-')}"
            if value is not None and not 0 < value < math.inf:
                raise UsageError(f"{option} {value} is no size.", f"Name a number, as {option} 2")
        if self.scale is None:
            return
        if self.width or self.height:
            raise UsageError(
                "--scale and --width or --height contradict each other.", "Leave one of them out."
            )
        if self.scale > largest:
            raise UsageError(
                f"--scale {self.scale:g}: {name} enlarges {largest:g} times at most.",
                f"Use --scale {largest:g}, or less. For more, restore the result once more.",
            )

    def of(self, height: int, width: int, largest: float) -> tuple[int, int]:
        """Returns height and width of an image's result.

        Raises:
            ImageError: It is larger than `largest` times the image.
        """
        asked = [(self.width, width), (self.height, height)]
        factor = min((want / have for want, have in asked if want), default=self.scale or largest)
        if self.max_side:
            factor = min(factor, self.max_side / max(height, width))
        if factor > largest * (1 + 1e-9):
            raise ImageError(
                f"Its {width}x{height} pixels would be enlarged {factor:.2g} times, and the "
                f"restorer enlarges {largest:g} times at most",
                f"Use --width {int(width * largest)}, or less",
            )
        return max(1, round(height * factor)), max(1, round(width * factor))

    @property
    def mark(self) -> str:
        """What is appended to the names of results, as `_x2`; empty for the restorer's scale."""
        if self.width or self.height:
            return f"_{self.width or ''}x{self.height or ''}"
        scale = "" if self.scale is None else f"_x{self.scale:g}"
        return scale + (f"_max{self.max_side}" if self.max_side else "")
