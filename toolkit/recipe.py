"""A recipe: the whole of a run as data. The same recipe gives the same run.

Defaults < `--config FILE.toml` < flags < `--set SLOT.OPTION=VALUE`. A resolved recipe names every
option of every component, so that it repeats the run whatever later defaults are.
"""

from __future__ import annotations

import copy
import tomllib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from pydantic import BaseModel, Field

from toolkit.component import NAME, Component, Kind, Options
from toolkit.errors import DataError, UsageError, did_you_mean
from toolkit.paths import user_path
from toolkit.provenance import Made, provenance
from toolkit.registry import Registry, validate
from toolkit.settings import Objective, Training
from toolkit.specs import Selection, parse_override
from toolkit.weights import write_atomically

SLOTS: dict[str, Kind] = {
    "backbone": "backbone",
    "gen": "generator",
    "disc": "discriminator",
    "loss": "loss",
    "degradation": "degradation",
    "data": "dataset",
}
"""What a recipe chooses, in the order in which it is resolved."""


class Recipe(Options):
    """What a run is made of."""

    backbone: Selection = Selection(use="pocket")
    gen: Selection = Selection(use="one-step")
    disc: Selection = Selection(use="nad")
    loss: Selection = Selection(use="ea-dists")
    degradation: Selection = Selection(use="realesrgan")
    data: Selection = Selection(use="photos")
    objective: Objective = Objective()
    train: Training = Training()
    provenance: dict[str, Made] = Field(default_factory=dict)
    """Which code it was resolved with, by distribution: a record, which sets nothing."""

    def selection(self, slot: str) -> Selection:
        """The component in a slot."""
        chosen: Selection = getattr(self, slot)
        return chosen

    def parts(self) -> list[tuple[Kind, Selection]]:
        """All that it is made of, further losses too."""
        parts = [(kind, self.selection(slot)) for slot, kind in SLOTS.items()]
        return parts + [("loss", Selection(use=name)) for name in self.objective.further]

    def toml(self) -> str:
        """The text that reads back as this recipe."""
        import tomli_w

        return tomli_w.dumps(self.model_dump(mode="json", exclude_none=True))

    def save(self, path: Path) -> None:
        """Writes the recipe, whole or not at all.

        Raises:
            UsageError: A name in it, such as that of a folder, is no text, which TOML cannot hold.
        """
        try:
            text = self.toml().encode()
        except UnicodeEncodeError as error:
            name = error.object[max(0, error.start - 40) : error.end + 40].splitlines()[0]
            raise UsageError(
                f"A recipe cannot hold a name that is no text: …{name}…",
                "Rename that folder, or link to it under another name: ln -s",
            ) from None
        write_atomically(path, text)


def read_recipe(path: Path) -> dict[str, Any]:
    """The tables of a recipe file, not yet validated.

    Raises:
        UsageError: There is no such file, or it is no TOML.
    """
    try:
        return tomllib.loads(path.read_text(encoding="utf-8-sig"))
    except OSError as error:
        raise UsageError(f"Cannot read the recipe {path}: {error.strerror}.") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UsageError(f"The recipe {path} is no valid TOML: {error}.") from None


def compose(
    base: Mapping[str, Any], flags: Mapping[str, Any], overrides: Iterable[str]
) -> dict[str, Any]:
    """Lays flags (`{"disc": "nad", "train.steps": 9}`) and overrides over the tables of a file."""
    tables = {key: _table(key, value) for key, value in copy.deepcopy(dict(base)).items()}
    tables.pop("provenance", None)
    for slot in SLOTS:
        # A part on the recipe's own backbone follows it, wherever the recipe goes.
        table = tables.get(slot)
        if isinstance(table, dict) and table.get("backbone", "") == base.get("backbone"):
            del table["backbone"]
    for key, value in flags.items():
        section, _, option = key.partition(".")
        if option:
            _section(tables, section, f"--{option}")[option] = value
        else:
            tables[section] = _table(section, value)
    for text in overrides:
        keys, value = parse_override(text)
        _check_section(keys[0], f"--set {text}")
        table = _section(tables, keys[0], f"--set {text}")
        for key in keys[1:-1]:
            if key == "backbone":
                table[key] = _table(key, table.get(key, tables.get(key, Recipe().backbone.use)))
            table = table.setdefault(key, {})
            if not isinstance(table, dict):
                raise UsageError(f"--set {text}: {key!r} is no table, it has no {keys[-1]!r}.")
        table[keys[-1]] = value
    return tables


def layered(below: Mapping[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    """Lays the sections of a recipe over those of another.

    Options lie over options of the same component, or of a section; another component is itself.

    Example:
        >>> layered({"train": {"steps": 1, "lr": 2}, "disc": "nad"}, {"train": {"lr": 3}})
        {'train': {'steps': 1, 'lr': 3}, 'disc': 'nad'}
    """
    return {**below, **{name: _over(below.get(name), value) for name, value in above.items()}}


def _over(old: Any, new: Any) -> Any:
    if isinstance(old, Mapping) and isinstance(new, Mapping) and new.get("use", "") in (
        "", old.get("use", "")
    ):  # fmt: skip
        return {**old, **new}
    return new


def resolve(tables: Mapping[str, Any], registry: Registry) -> Recipe:
    """Validates the tables, finds every component, and fills in every option.

    Raises:
        UnknownComponentError: A slot names a component that there is not.
        OptionsError: An option is unknown, ill-typed or out of range.
        UsageError: A slot itself is unknown.
    """
    for section in tables:
        _check_section(section, "The recipe")
    recipe = validate(Recipe, tables, "The recipe")
    assert isinstance(recipe, Recipe)
    full: dict[str, Selection] = {}
    for slot, kind in SLOTS.items():
        selection = registry.expand(kind, recipe.selection(slot))
        component = registry.find(kind, selection.name)
        options = registry.options(kind, selection)
        if "backbone" in component.options.model_fields:
            own = "backbone" in options.model_fields_set
            backbone = _full(registry, "backbone", options.backbone) if own else full["backbone"]  # type: ignore[attr-defined]
            options = options.model_copy(update={"backbone": backbone})
        full[slot] = _named(component, options)
    _check_further(recipe, registry)
    recipe = recipe.model_copy(update=full)
    return recipe.model_copy(update={"provenance": provenance(registry, recipe.parts())})


def _check_further(recipe: Recipe, registry: Registry) -> None:
    weighted = {recipe.loss.use: "perceptual", "mse": "pixel"}
    for name in recipe.objective.further:
        registry.options("loss", Selection(use=name))
        if name in weighted:
            raise UsageError(
                f"objective.further: {name!r} has a weight already.",
                f"Set it: --set objective.{weighted[name]}=…",
            )


def _full(registry: Registry, kind: Kind, selection: Selection) -> Selection:
    """The selection with every option filled in."""
    selection = registry.expand(kind, selection)
    return _named(registry.find(kind, selection.name), registry.options(kind, selection))


def _named(component: Component, options: BaseModel) -> Selection:
    """The selection, its paths absolute: a run can be resumed from any folder."""
    values = options.model_dump(mode="json", exclude_none=True)
    for name, value in options:
        if isinstance(value, Path):
            values[name] = str(user_path(value).absolute())
    return Selection(use=component.name, options=values)


_MAY_CHANGE = {"steps", "device", "prefetch", "sample_every", "checkpoint_every", "keep"}
"""Of `train`: what a resumed run may change and still be the same run."""


def difference(first: Recipe, second: Recipe) -> list[str]:
    """What makes two recipes different runs, as `slot.option`, or `slot` for another component.

    The same data at another place is the same run.
    """
    found = []
    for section in (name for name in Recipe.model_fields if name != "provenance"):
        one, other = _plain(first, section), _plain(second, section)
        keys = [key for key in {**one, **other} if one.get(key) != other.get(key)]
        if "use" in keys:
            found.append(section)
        elif section == "train":
            # Along a cosine every rate depends on where the end is.
            fixed = {"steps"} if first.train.schedule == "cosine" else set()
            found += [f"train.{key}" for key in keys if key not in _MAY_CHANGE - fixed]
        else:
            moved = section == "data" and all(
                _is_place(each.get(key)) for each in (one, other) for key in keys
            )
            found += [] if moved else [f"{section}.{key}" for key in keys]
    return found


def _is_place(value: Any) -> bool:
    return isinstance(value, str) and Path(value).is_absolute()


def _plain(recipe: Recipe, section: str) -> dict[str, Any]:
    dumped = recipe.model_dump(mode="json")[section]
    return {"use": dumped} if isinstance(dumped, str) else dict(dumped)


def data_selection(text: str) -> str | dict[str, str]:
    """What `--data` means: a folder where there is one or a path is written, else a dataset.

    Example:
        >>> data_selection("photos:heldout")
        'photos:heldout'
        >>> data_selection("pairs:./realsr")
        'pairs:./realsr'
        >>> data_selection("./holiday")
        {'use': 'folder', 'folder': './holiday'}
    """
    path = user_path(text)
    name, colon, _ = text.partition(":")
    if colon and len(name) > 1 and NAME.fullmatch(name) and not path.exists():
        return text  # a letter alone is a drive
    if path.is_dir() or "/" in text or "\\" in text:
        return {"use": "folder", "folder": text}
    if path.exists():
        raise DataError(f"--data {text} is a file.", "Name a folder of photographs, or a dataset.")
    return text


def _table(key: str, value: Any) -> Any:
    """A selection written as text becomes a table, so that options can be laid over it."""
    if key in SLOTS and isinstance(value, str):
        return {"use": value}
    return dict(value) if isinstance(value, Mapping) else value


def _section(tables: dict[str, Any], section: str, where: str) -> dict[str, Any]:
    """A section's table to lay something over; made where there is none."""
    table = tables.setdefault(section, _default_table(section))
    if not isinstance(table, dict):
        raise UsageError(f"{where}: the recipe's {section!r} is {table!r}, which is no table.")
    return table


def _default_table(section: str) -> dict[str, Any]:
    return {"use": Recipe().selection(section).use} if section in SLOTS else {}


def _check_section(section: str, where: str) -> None:
    known = list(Recipe.model_fields)
    if section not in known:
        meant = did_you_mean(section, known)
        raise UsageError(
            f"{where}: there is no section {section!r}.{meant}", f"Sections: {', '.join(known)}."
        )
