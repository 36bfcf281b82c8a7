"""Sources of a backbone's weights, read part by part on demand.

- Published files, pinned by SHA-256.
- A folder in diffusers' layout, or a checkpoint in the original layout.
- A repository on the model hub.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from toolkit import weights
from toolkit.plugin import LDM_PREFIXES, Checkpoint, WeightsError, fill, ldm_name, user_path
from toolkit_backbones import hub
from toolkit_backbones.architecture import PARTS, Architecture, Part, check_same
from toolkit_backbones.files import part_files, read_json

if TYPE_CHECKING:
    import torch
    from torch import Tensor, nn

    from toolkit.plugin import WeightFile

_HUB_ID = re.compile(r"[\w-][\w.-]*/[\w-][\w.-]*")
_OLD_ATTENTION = {"to_q": "query", "to_k": "key", "to_v": "value", "to_out.0": "proj_attn"}
"""Names of the autoencoder's attention in diffusers when SD2.1 was published."""
_FILE_SUFFIXES = (".safetensors", ".ckpt")
"""Names with these suffixes are meant as files, not repositories."""
_REQUIRED: Mapping[Part, tuple[str, ...]] = {
    "vae": ("block_out_channels", "latent_channels", "scaling_factor"),
    "unet": ("cross_attention_dim",),
}


class Source(Protocol):
    """A source of weights."""

    def files(self, part: Part) -> list[Path]:
        """Returns the files that determine a part's weights, after downloading missing ones."""
        ...

    def read(self, part: Part, network: nn.Module, precision: torch.dtype) -> dict[str, Tensor]:
        """Reads a state dict for a network; raises `WeightsError` on a mismatch."""
        ...


@dataclass(frozen=True)
class Folder:
    """A folder with `vae` and `unet`, each with `config.json` and safetensors weights.

    Attributes:
        path: Path of the folder.
        owner: Name of the backbone.
        expected: Required architecture; None to accept that of the folder.
    """

    path: Path
    owner: str
    expected: Architecture | None = None

    def part(self, part: Part) -> Path:
        """Returns the folder of a part."""
        return self.path / part

    def config(self, part: Part) -> dict[str, Any]:
        """Reads the part's configuration."""
        return read_json(self.part(part) / "config.json")

    def architecture(self) -> Architecture:
        """Reads both configurations; raises `WeightsError` if a required setting is missing."""
        architecture = {part: self.config(part) for part in PARTS}
        for part, names in _REQUIRED.items():
            if missing := [name for name in names if name not in architecture[part]]:
                raise WeightsError(
                    f"{self.path / part / 'config.json'} lacks {missing[0]}.",
                    "Pass a folder of a latent diffusion model, with vae and unet.",
                )
        return architecture

    def files(self, part: Part) -> list[Path]:
        """Returns the weight files, and the configuration unless the architecture is given."""
        config = [] if self.expected else [self.part(part) / "config.json"]
        return [*config, *part_files(self.part(part), self.owner)]

    def read(self, part: Part, network: nn.Module, precision: torch.dtype) -> dict[str, Tensor]:
        """See `Source`."""
        if self.expected:
            check_same(self.owner, part, self.expected[part], self.config(part), self.part(part))
        self._check_prediction()
        checkpoint = Checkpoint.read(*part_files(self.part(part), self.owner))
        wanted = self.wanted(network, checkpoint)
        return fill(wanted, checkpoint, _diffusers_names, precision=precision)

    def wanted(self, network: nn.Module, checkpoint: Checkpoint) -> dict[str, Tensor]:  # noqa: ARG002
        """Returns the tensors of a network that a checkpoint must have: all."""
        return network.state_dict()

    def _check_prediction(self) -> None:
        schedule = self.path / hub.SCHEDULE
        if schedule.is_file():
            prediction_type = read_json(schedule).get("prediction_type", "epsilon")
            if prediction_type != "epsilon":
                raise WeightsError(
                    f"{self.path} predicts {prediction_type}, not the noise that eq. 1 needs.",
                    "For SD2.1, use the base model, trained at 512 px.",
                )


class Repository:
    """A repository in diffusers' layout on the model hub."""

    def __init__(self, name: str, owner: str, expected: Architecture) -> None:
        self.name = name
        self._owner, self._expected = owner, expected
        self._fetched: dict[Part, Folder] = {}

    def files(self, part: Part) -> list[Path]:
        """Downloads a part if the hub's cache lacks it; verifies it once."""
        return self._folder(part).files(part)

    def read(self, part: Part, network: nn.Module, precision: torch.dtype) -> dict[str, Tensor]:
        """See `Source`."""
        return self._folder(part).read(part, network, precision)

    def _folder(self, part: Part) -> Folder:
        if part not in self._fetched:
            path = hub.fetch_part(self.name, part)
            self._fetched[part] = Folder(path, self._owner, self._expected)
        return self._fetched[part]


@dataclass(frozen=True)
class SingleFile:
    """A checkpoint in the original layout, `.safetensors` or `.ckpt`; no code of it runs."""

    path: Path
    architecture: Architecture

    def files(self, part: Part) -> list[Path]:  # noqa: ARG002 - contains all parts
        """Returns the file."""
        return [self.path]

    def read(self, part: Part, network: nn.Module, precision: torch.dtype) -> dict[str, Tensor]:
        """See `Source`."""

        def names(name: str) -> Iterable[str]:
            yield ldm_name(part, name, self.architecture[part])

        checkpoint = Checkpoint.read(self.path).unwrapped()
        return fill(network.state_dict(), checkpoint, names, LDM_PREFIXES[part], precision)


class Published:
    """Pinned files with diffusers' tensor names, one per part."""

    def __init__(self, weight_files: Mapping[Part, WeightFile]) -> None:
        self._weight_files = weight_files
        self._fetched: dict[Part, Path] = {}

    def files(self, part: Part) -> list[Path]:
        """Downloads a part's file if the cache lacks it; verifies it once."""
        if part not in self._fetched:
            self._fetched[part] = weights.fetch(self._weight_files[part])
        return [self._fetched[part]]

    def read(self, part: Part, network: nn.Module, precision: torch.dtype) -> dict[str, Tensor]:
        """See `Source`."""
        checkpoint = Checkpoint.read(*self.files(part))
        return fill(network.state_dict(), checkpoint, _diffusers_names, precision=precision)


def named_source(text: str, owner: str, architecture: Architecture) -> Source:
    """Returns the source for a value of the `weights` option.

    Raises:
        WeightsError: It is neither a folder nor a file nor a repository name.
    """
    path = look_up(text)
    if path.is_dir():
        return Folder(path, owner, architecture)
    if path.is_file():
        return SingleFile(path, architecture)
    if _HUB_ID.fullmatch(text) and path.suffix not in _FILE_SUFFIXES:
        return Repository(text, owner, architecture)
    raise WeightsError(
        f"There is no folder or file {text!r}, and it is not a repository name.",
        f"For example: {owner}:random, {owner}:~/models/folder, {owner}:OWNER/NAME",
    )


def look_up(text: str) -> Path:
    """Expands a user's path; raises `WeightsError` if it is invalid."""
    try:
        path = user_path(text)
        path.exists()
    except (OSError, RuntimeError) as error:  # name too long, unknown user
        raise WeightsError(f"{text!r} is not a valid path: {error}") from None
    return path


def _diffusers_names(name: str) -> Iterable[str]:
    yield name
    for new, old in _OLD_ATTENTION.items():
        if f"mid_block.attentions.0.{new}." in name:
            yield name.replace(f".{new}.", f".{old}.")
