"""Where a backbone's weights come from, part by part and only when asked.

- nothing named: what the authors published, pinned by SHA-256, from the first mirror that has it;
- `random`, `tiny`: the exact architecture, or the same one narrowed, with random weights;
- a folder in diffusers' layout, or one safetensors file in the original layout;
- `OWNER/NAME`: a repository of the model hub.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from toolkit import weights
from toolkit.errors import WeightsError
from toolkit.paths import user_path
from toolkit_backbones import hub
from toolkit_backbones.architecture import PARTS, Architecture, Part, check_same
from toolkit_backbones.files import fill, part_files, read_json
from toolkit_backbones.original import PREFIXES, original_name

if TYPE_CHECKING:
    import torch
    from torch import Tensor, nn

    from toolkit.component import WeightFile

_HUB_ID = re.compile(r"[\w-][\w.-]*/[\w-][\w.-]*")
_OLD_ATTENTION = {"to_q": "query", "to_k": "key", "to_v": "value", "to_out.0": "proj_attn"}
"""How diffusers called the autoencoder's attention when SD2.1 was published."""
_FILES = (".safetensors", ".ckpt")
"""Endings that no repository has."""
_NEEDED: Mapping[Part, tuple[str, ...]] = {
    "vae": ("block_out_channels", "latent_channels", "scaling_factor"),
    "unet": ("cross_attention_dim",),
}


class Source(Protocol):
    """Gives the weights of each part."""

    def files(self, part: Part) -> list[Path]:
        """All that decides a part's weights; fetched first where they are not here."""
        ...

    def read(self, part: Part, network: nn.Module, precision: torch.dtype) -> dict[str, Tensor]:
        """A tensor for each of the network's, none left over; raises `WeightsError`."""
        ...


@dataclass(frozen=True)
class Folder:
    """`vae` and `unet`, each with `config.json` and safetensors weights.

    Attributes:
        path: The folder.
        owner: The backbone's name.
        expected: What it must be made of; None for whatever its configurations say.
    """

    path: Path
    owner: str
    expected: Architecture | None = None

    def config(self, part: Part) -> dict[str, Any]:
        """The part's configuration."""
        return read_json(self.path / part / "config.json")

    def architecture(self) -> Architecture:
        """All its configurations; raises `WeightsError` where one lacks what a backbone needs."""
        found = {part: self.config(part) for part in PARTS}
        for part, names in _NEEDED.items():
            if lacking := [name for name in names if name not in found[part]]:
                raise WeightsError(
                    f"{self.path / part / 'config.json'} does not say its {lacking[0]}.",
                    "Name a folder of a latent diffusion model, with vae and unet in it.",
                )
        return found

    def files(self, part: Part) -> list[Path]:
        """The configuration, where it decides, and the weights."""
        found = [] if self.expected else [self.path / part / "config.json"]
        return [*found, *part_files(self.path / part, self.owner)]

    def read(self, part: Part, network: nn.Module, precision: torch.dtype) -> dict[str, Tensor]:
        """See `Source`."""
        if self.expected:
            check_same(self.owner, part, self.expected[part], self.config(part), self.path / part)
        self._check_prediction()
        found = part_files(self.path / part, self.owner)
        return fill(network.state_dict(), found, _diffusers_names, "", precision)

    def _check_prediction(self) -> None:
        schedule = self.path / hub.SCHEDULE
        if schedule.is_file():
            predicts = read_json(schedule).get("prediction_type", "epsilon")
            if predicts != "epsilon":
                raise WeightsError(
                    f"{self.path} predicts {predicts}, not the noise that eq. 1 needs.",
                    "SD2.1 comes in two kinds: take the one called base, trained at 512 px.",
                )


class Repository:
    """A folder in diffusers' layout on the model hub."""

    def __init__(self, name: str, owner: str, expected: Architecture) -> None:
        self.name = name
        self._owner, self._expected = owner, expected
        self._fetched: dict[Part, Folder] = {}

    def files(self, part: Part) -> list[Path]:
        """Downloads the part where the hub's own cache lacks it; checks it once, as it is large."""
        return self._folder(part).files(part)

    def read(self, part: Part, network: nn.Module, precision: torch.dtype) -> dict[str, Tensor]:
        """See `Source`."""
        return self._folder(part).read(part, network, precision)

    def _folder(self, part: Part) -> Folder:
        if part not in self._fetched:
            place = hub.fetch_part(self.name, part)
            self._fetched[part] = Folder(place, self._owner, self._expected)
        return self._fetched[part]


@dataclass(frozen=True)
class SingleFile:
    """One safetensors file in the original layout."""

    path: Path
    architecture: Architecture

    def files(self, part: Part) -> list[Path]:  # noqa: ARG002 - one file holds all
        """The file."""
        return [self.path]

    def read(self, part: Part, network: nn.Module, precision: torch.dtype) -> dict[str, Tensor]:
        """See `Source`."""

        def names(name: str) -> Iterable[str]:
            yield original_name(part, name, self.architecture[part])

        return fill(network.state_dict(), [self.path], names, PREFIXES[part], precision)


class Published:
    """Pinned files in diffusers' layout, one for each part."""

    def __init__(self, weight_files: Mapping[Part, WeightFile]) -> None:
        self._weight_files = weight_files
        self._fetched: dict[Part, Path] = {}

    def files(self, part: Part) -> list[Path]:
        """Fetches the part's file where the cache lacks it; checks it once, as it is large."""
        if part not in self._fetched:
            self._fetched[part] = weights.fetch(self._weight_files[part])
        return [self._fetched[part]]

    def read(self, part: Part, network: nn.Module, precision: torch.dtype) -> dict[str, Tensor]:
        """See `Source`."""
        return fill(network.state_dict(), self.files(part), _diffusers_names, "", precision)


def named_source(text: str, owner: str, architecture: Architecture) -> Source:
    """What a user means by the `weights` option.

    Raises:
        WeightsError: It is neither a folder nor a safetensors file nor a name on the hub.
    """
    path = look_up(text)
    if path.is_dir():
        return Folder(path, owner, architecture)
    if path.is_file():
        if path.suffix != ".safetensors":
            raise WeightsError(
                f"{path} is no safetensors file; other formats may run code when they are read.",
                "Convert it first, or take a safetensors file of the same model.",
            )
        return SingleFile(path, architecture)
    if _HUB_ID.fullmatch(text) and path.suffix not in _FILES:
        return Repository(text, owner, architecture)
    raise WeightsError(
        f"There is no folder and no file {text!r}, and it is no name on the model hub.",
        f"For example: {owner}:random, {owner}:~/models/folder, {owner}:OWNER/NAME",
    )


def look_up(text: str) -> Path:
    """The path that a user names; raises `WeightsError` where it cannot even be looked for."""
    try:
        path = user_path(text)
        path.exists()
    except (OSError, RuntimeError) as error:  # a name too long, a home of nobody
        raise WeightsError(f"{text!r} cannot be looked up: {error}") from None
    return path


def _diffusers_names(name: str) -> Iterable[str]:
    yield name
    for new, old in _OLD_ATTENTION.items():
        if f"mid_block.attentions.0.{new}." in name:
            yield name.replace(f".{new}.", f".{old}.")
