"""Makes a figure by its number."""

from __future__ import annotations

from typing import TYPE_CHECKING

from toolkit.errors import UsageError
from toolkit.figures.drawing import check_library

if TYPE_CHECKING:
    from toolkit.figures.document import Figure
    from toolkit.figures.systems import Asked
    from toolkit.registry import Registry
    from toolkit.tables.quality import Tell

NUMBERS = ("1", "3", "4", "5", "6", "7", "8")
"""The figures that are made of results; Figure 2 is a diagram of the method."""
CROPS = "crops"
"""The name of a figure of a user's own images."""


def check_number(number: str) -> None:
    """Checks that there is such a figure.

    Raises:
        UsageError: There is not.
    """
    if number in (*NUMBERS, CROPS):
        return
    drawn = " Figure 2 is a diagram of the method: see docs/how/method.md." if number == "2" else ""
    raise UsageError(
        f"There is no figure {number!r}.{drawn}",
        f"Figures: {', '.join(NUMBERS)}, and {CROPS} for your own images. For example: "
        "toolkit figure 5",
    )


def make_figure(number: str, asked: Asked, registry: Registry, tell: Tell) -> Figure:
    """Makes a figure of the paper.

    Args:
        number: Its number.
        asked: What is asked of it.
        registry: Supplies the components.
        tell: Told of the progress of trainings and restorations.

    Raises:
        UsageError: There is no such figure, nothing that it shows can be made here, or a photograph
            or crop does not exist.
    """
    check_number(number)
    check_library()
    if number == "1":
        from toolkit.figures.cost import cost_figure

        return cost_figure(asked, registry, tell)
    if number == "3":
        from toolkit.figures.separability import separability_figure

        return separability_figure(asked, registry, tell)
    if number == "4":
        from toolkit.figures.feature_maps import feature_maps_figure

        return feature_maps_figure(asked, registry)
    from toolkit.figures.comparison import comparison_figure

    return comparison_figure(number, asked, registry, tell)
