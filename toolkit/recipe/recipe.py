"""The recipe of a run: its components, losses and training settings."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Self

from pydantic import Field, field_serializer, field_validator, model_validator

from toolkit import defaults
from toolkit.component import Context, Kind, Options, Supply
from toolkit.errors import UsageError
from toolkit.files import write_atomically
from toolkit.provenance import Made
from toolkit.recipe.earlier import upgraded
from toolkit.recipe.losses import NONE, LossTerm, loss_tables
from toolkit.recipe.settings import Objective, Training
from toolkit.specs import Selection

SLOTS: dict[str, Kind] = {
    "backbone": "backbone",
    "gen": "generator",
    "disc": "discriminator",
    "degradation": "degradation",
    "data": "dataset",
}
"""The sections that select a component, in the order of resolving."""


def _default(slot: str) -> Any:
    return Field(default=Selection(use=defaults.RECIPE[slot]))


class Recipe(Options):
    """A complete description of a run: components, losses and training settings."""

    backbone: Selection = _default("backbone")
    gen: Selection = _default("gen")
    disc: Selection = _default("disc")
    loss: dict[str, LossTerm] = Field(default=defaults.RECIPE["loss"])
    """The losses between images, in order; see `toolkit.recipe.losses`."""
    degradation: Selection = _default("degradation")
    data: Selection = _default("data")
    objective: Objective = Objective()
    train: Training = Training()
    provenance: dict[str, Made] = Field(default_factory=dict)
    """The code that it was resolved with, by distribution; a record without effect."""

    @model_validator(mode="before")
    @classmethod
    def _from_earlier(cls, value: Any) -> Any:
        return upgraded(value) if isinstance(value, Mapping) else value

    @field_validator("loss", mode="before")
    @classmethod
    def _read_losses(cls, value: Any) -> Any:
        return loss_tables(value)

    @model_validator(mode="after")
    def _first_loss_counts(self) -> Self:
        first = next(iter(self.loss.values()), None)
        if self.objective.first_loss_steps and not (first and first.weight):
            raise ValueError("objective.first_loss_steps needs a first loss of a weight above 0")
        return self

    @field_serializer("loss")
    def _write_losses(self, loss: Mapping[str, LossTerm]) -> dict[str, dict[str, Any]]:
        tables = {name: term.model_dump(mode="json") for name, term in loss.items()}
        for name, table in tables.items():
            if table["use"] == name:
                del table["use"]
        return tables

    def selection(self, slot: str) -> Selection:
        """Returns the selection in a slot."""
        chosen: Selection = getattr(self, slot)
        return chosen

    def parts(self) -> list[tuple[Kind, Selection]]:
        """Returns all selections; separate backbones are among the options of their parts."""
        parts: list[tuple[Kind, Selection]] = [
            (kind, self.selection(slot)) for slot, kind in SLOTS.items()
        ]
        return parts + [("loss", term.selection) for term in self.loss.values()]

    def own_backbones(self) -> dict[str, Selection]:
        """Returns the backbones of parts that do not use the recipe's, by slot."""
        values = {slot: self.selection(slot).options.get("backbone") for slot in SLOTS}
        return {slot: Selection.model_validate(value) for slot, value in values.items() if value}

    def with_backbones(self, change: Callable[[Selection], Selection]) -> Recipe:
        """Returns a copy with `change` applied to each of its backbones."""
        update = {"backbone": change(self.backbone)}
        for slot, backbone in self.own_backbones().items():
            changed = change(backbone).model_dump(mode="json")
            update[slot] = self.selection(slot).over({"backbone": changed})
        return self.model_copy(update=update)

    def context(self, registry: Supply, *, read_weights: bool = True) -> Context:
        """Returns the context in which its components are built."""
        return Context(registry, self.backbone, read_weights)

    @property
    def losses(self) -> str:
        """Short name of the losses, for folders; the pixel loss is omitted if there are others.

        Example:
            >>> Recipe().losses, Recipe(loss="mse").losses, Recipe(loss=["l1", "lattice=9"]).losses
            ('ea-dists', 'mse', 'l1+lattice')
        """
        names = dict.fromkeys(term.selection.name for term in self.loss.values())
        others = [name for name in names if name != defaults.PIXEL_LOSS]
        return "+".join(others or names) or NONE

    def toml(self) -> str:
        """Serialises the recipe as TOML."""
        import tomli_w

        return tomli_w.dumps(self.model_dump(mode="json", exclude_none=True))

    def save(self, path: Path) -> None:
        """Writes the recipe to a TOML file atomically.

        Raises:
            UsageError: A name in it, such as that of a folder, is not valid Unicode.
        """
        try:
            text = self.toml().encode()
        except UnicodeEncodeError as error:
            name = error.object[max(0, error.start - 40) : error.end + 40].splitlines()[0]
            raise UsageError(
                f"A recipe cannot contain a name that is not valid Unicode: …{name}…",
                "Rename that folder, or link to it under another name: ln -s",
            ) from None
        write_atomically(path, text)
