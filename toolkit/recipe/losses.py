"""The losses of a recipe: a table of named terms, each a component with a weight.

    [loss.mse]
    weight = 1.0

    [loss.ea-dists]
    weight = 1.0
    edges = "grey"

A term's name is its component's, unless the term has a `use` of its own. A single name, as in
`loss = "ea-dists"`, stands for eq. 8: the mean squared error plus that loss.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from pydantic import BaseModel, ConfigDict, Field, model_serializer, model_validator

from toolkit import defaults
from toolkit.component import TERM_OPTIONS
from toolkit.errors import UsageError
from toolkit.specs import Selection

Table = dict[str, Any]
NONE = "none"
"""Given instead of a loss's name for no loss between images."""


class LossTerm(BaseModel):
    """One term of the objective."""

    model_config: ClassVar[ConfigDict] = ConfigDict(
        frozen=True, extra="forbid", allow_inf_nan=False, use_attribute_docstrings=True
    )

    selection: Selection
    """The loss and its options."""
    weight: float = Field(default=1.0, ge=0)
    """Weight in the objective. With 0, the loss is computed and logged, but not trained on."""
    crop: int = Field(default=0, ge=0)
    """Side in pixels of a random square of prediction and target to compare, which saves time; 0
    for whole images (paper: whole)."""

    @model_validator(mode="before")
    @classmethod
    def _read(cls, value: Any) -> Any:
        if not isinstance(value, Mapping) or "selection" in value:
            return value
        options = dict(value)
        settings = {name: options.pop(name) for name in TERM_OPTIONS if name in options}
        return {"selection": options, **settings}

    @model_serializer
    def _write(self) -> Table:
        crop = {"crop": self.crop} if self.crop else {}
        return {
            "use": self.selection.use, "weight": self.weight, **crop, **self.selection.options
        }  # fmt: skip


def loss_tables(value: Any) -> dict[str, Table]:
    """Converts any notation of losses to a table of terms.

    Args:
        value: `"ea-dists"`, `["mse", "lattice=20"]`, `{"lattice": 20}`, `{"lattice": {…}}`, or a
            single loss with options, `{"use": "ea-dists", "edges": "colour"}`.

    Example:
        >>> loss_tables("ea-dists=2")
        {'mse': {'use': 'mse'}, 'ea-dists': {'use': 'ea-dists', 'weight': 2.0}}
        >>> loss_tables(["lpips:alex", "lattice=20"])
        {'lpips:alex': {'use': 'lpips:alex'}, 'lattice': {'use': 'lattice', 'weight': 20.0}}

    Raises:
        UsageError: A weight is not a number, or a term is not a table.
    """
    if isinstance(value, str):
        value = [value]
    if isinstance(value, Mapping):
        if isinstance(value.get("use"), str):
            return _joined(value["use"], dict(value))
        return {str(name): _term(str(name), term) for name, term in value.items()}
    if not isinstance(value, Sequence) or not all(isinstance(text, str) for text in value):
        raise UsageError(f"loss: {value!r} is not a loss.", "For example: --loss ea-dists")
    named = dict(_parsed(text) for text in value if text != NONE)
    if len(named) == len(value) == 1:
        return _joined(*next(iter(named.items())))
    return named


def _joined(name: str, term: Table) -> dict[str, Table]:
    """Adds the pixel loss to a single loss, as in eq. 8."""
    pixels = defaults.PIXEL_LOSS
    return {name: term} if name == pixels else {pixels: {"use": pixels}, name: term}


def _parsed(text: str) -> tuple[str, Table]:
    """Parses a term written as NAME or NAME=WEIGHT."""
    name, equals, weight = text.partition("=")
    if not equals:
        return name, {"use": name}
    try:
        return name, {"use": name, "weight": float(weight)}
    except ValueError:
        raise UsageError(
            f"--loss {text}: the weight {weight!r} is not a number.",
            f"For example: --loss {name}=2",
        ) from None


def _term(name: str, value: Any) -> Table:
    if isinstance(value, int | float) and not isinstance(value, bool):
        return {"use": name, "weight": value}
    if isinstance(value, LossTerm):
        return dict(value.model_dump())
    if not isinstance(value, Mapping):
        raise UsageError(
            f"loss.{name} is {value!r}, which is neither a weight nor a table.",
            "An option of a loss is set by the loss's name: --set loss.ea-dists.edges=colour",
        )
    return {"use": name, **value}
