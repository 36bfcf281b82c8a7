"""Reads what plugins' objects have beside their calls, and checks it as `contracts` does.

Errors name component and distribution. Objects that no registry made are not checked.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from toolkit.abilities import (
    Exportable,
    HasFiles,
    HasFrozenWeights,
    HasNetworks,
    HasStrength,
    Stepwise,
)
from toolkit.expectations import maps
from toolkit.makers import Maker, admit, border, described

if TYPE_CHECKING:
    from torch import Tensor, nn

    from toolkit.interfaces import Dataset, Restorer, Trainable


def trainable(part: Trainable) -> dict[str, nn.Parameter]:
    """Calls `part.trainable()`; checks that it returns parameters by name."""
    from torch import nn

    with border(part) as maker:
        parameters = part.trainable()
    if maker and not maps(parameters, str, nn.Parameter):
        raise maker.fault(
            f"returned {described(parameters)} as trainable(), not parameters by name."
        )
    return parameters


def state(part: Trainable) -> dict[str, Tensor]:
    """Calls `part.state()`; checks that it contains every trainable parameter."""
    from torch import Tensor

    with border(part) as maker:
        held = part.state()
    if maker:
        if not maps(held, str, Tensor):
            raise maker.fault(f"returned {described(held)} as state(), not tensors by name.")
        if lost := trainable(part).keys() - held.keys():
            raise maker.fault(f"returned a state() without its parameter {min(lost)}.")
    return held


def load_state(part: Trainable, held: Mapping[str, Tensor]) -> None:
    """Calls `part.load_state(held)`; checks the first time that it restores the state."""
    from torch import equal

    with border(part) as maker:
        part.load_state(held)
    if maker and maker.once("load_state"):
        for name, tensor in state(part).items():
            if name in held and not equal(tensor, held[name].to(tensor)):
                raise maker.fault(f"did not restore {name!r} in load_state().")


def identity(part: Any) -> str:
    """Returns the `fingerprint` of a backbone or generator; checks that it is a text."""
    with border(part) as maker:
        known = part.fingerprint
    if maker and not (isinstance(known, str) and known):
        raise maker.fault(f"has {described(known)} as its fingerprint, not a text.")
    return known  # type: ignore[no-any-return]


def networks(part: object) -> Mapping[str, nn.Module]:
    """Returns the networks of a part, modules by name; none of one that does not name them."""
    from torch import nn

    if not isinstance(part, HasNetworks):
        return {}
    with border(part) as maker:
        found = part.networks
    if maker and not maps(found, str, nn.Module):
        raise maker.fault(f"has {described(found)} as its networks, not modules by name.")
    return found


def length(dataset: Dataset) -> int:
    """Returns the number of photographs of a dataset."""
    with border(dataset):
        return len(dataset)  # which itself refuses what is no number


def skipped(dataset: Dataset) -> list[tuple[str, str]]:
    """Returns the files that a dataset has set aside; checks for pairs of name and reason."""
    with border(dataset) as maker:
        found = list(dataset.skipped)
    fits = all(
        isinstance(each, tuple) and [type(word) for word in each] == [str, str] for each in found
    )
    if maker and not fits:
        raise maker.fault("has something else in `skipped` than pairs of name and reason.")
    return found


def files(dataset: Dataset) -> Mapping[str, Path]:
    """Returns the files of a dataset by name; none of one that does not name them."""
    if not isinstance(dataset, HasFiles):
        return {}
    with border(dataset) as maker:
        found = dataset.files
    if maker and not maps(found, str, Path):
        raise maker.fault(f"has {described(found)} as its files, not paths by name.")
    return found


def frozen_bytes(loss: object, images: Tensor) -> int | None:
    """Returns the bytes of a loss's networks; None of one that does not tell."""
    if not isinstance(loss, HasFrozenWeights):
        return None
    with border(loss) as maker:
        found = loss.frozen_bytes(images)
    if maker and not isinstance(found, int):
        raise maker.fault(f"returned {described(found)} as frozen_bytes(), not a number of bytes.")
    return found


def with_strength(restorer: HasStrength, strength: float) -> Restorer:
    """Calls `restorer.with_strength(strength)`; the result has the same maker."""
    with border(restorer) as maker:
        weaker = restorer.with_strength(strength)
    return _heir(weaker, maker, "`with_strength`")


def with_steps(restorer: Stepwise, steps: int) -> Restorer:
    """Calls `restorer.with_steps(steps)`; the result has the same maker."""
    with border(restorer) as maker:
        shorter = restorer.with_steps(steps)
    return _heir(shorter, maker, "`with_steps`")


def _heir(made: Restorer, maker: Maker | None, source: str) -> Restorer:
    if maker:
        admit(made, Maker("restorer", maker.name, maker.distribution), source)
    return made


def export(generator: Exportable, folder: Path, form: str, keys: str, base: str) -> str:
    """Calls `generator.export(…)`; checks that it returns a model card's text."""
    with border(generator) as maker:
        text = generator.export(folder, form, keys, base)
    if maker and not isinstance(text, str):
        raise maker.fault(f"returned {described(text)} from export(), not a model card's text.")
    return text
