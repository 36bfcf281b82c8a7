"""What ships with this distribution, checked by SHA-256 before it is used."""

from __future__ import annotations

import functools
from pathlib import Path
from typing import TYPE_CHECKING

from toolkit.errors import WeightsError
from toolkit.weights import digest, write_atomically
from toolkit_backbones.sources import Folder

if TYPE_CHECKING:
    import torch
    from torch import Tensor, nn

    from toolkit_backbones.architecture import Part

SUMS = "SHA256SUMS"


class Shipped(Folder):
    """A folder with a list of its files' SHA-256, all of which are checked once."""

    def read(self, part: Part, network: nn.Module, precision: torch.dtype) -> dict[str, Tensor]:
        """See `Source`."""
        check_sums(self.path)
        return super().read(part, network, precision)


@functools.cache
def check_sums(folder: Path) -> None:
    """Makes sure that a folder holds what is listed in it, once in a process.

    Raises:
        WeightsError: A file is missing or altered, or there is no list.
    """
    try:
        lines = (folder / SUMS).read_text(encoding="utf-8").splitlines()
        listed = [line.split(maxsplit=1) for line in lines]
        altered = [name for sha256, name in listed if digest(folder / name) != sha256]
    except (OSError, ValueError) as error:
        raise _unlike(folder, str(error)) from None
    if altered:
        raise _unlike(folder, f"{altered[0]} has another SHA-256")


def write_sums(folder: Path) -> None:
    """Lists the SHA-256 of all configurations, recipes and weights, as `sha256sum` does."""
    kinds = (".json", ".toml", ".safetensors")
    paths = sorted(path for path in folder.rglob("*") if path.suffix in kinds)
    lines = [f"{digest(path)}  {path.relative_to(folder).as_posix()}\n" for path in paths]
    write_atomically(folder / SUMS, "".join(lines).encode())


def _unlike(folder: Path, how: str) -> WeightsError:
    return WeightsError(
        f"{folder} is not as it was shipped: {how}.",
        "Install again what it came with: pip install --force-reinstall DISTRIBUTION",
    )
