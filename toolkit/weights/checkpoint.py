"""Loads networks from checkpoints strictly, with errors that name file and tensor."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from toolkit.errors import WeightsError
from toolkit.weights.reading import read_tensors

if TYPE_CHECKING:
    import torch
    from torch import Tensor

_WRONG_FILE = "The file may belong to another model, or be truncated."


class Checkpoint:
    """The tensors of a checkpoint by name.

    Args:
        label: The file, for messages.
        content: Tensors, or functions that read them, by name; other values are ignored.
    """

    def __init__(self, label: str, content: Mapping[str, Any]) -> None:
        self.label, self._content = label, content

    @classmethod
    def read(cls, *paths: Path) -> Checkpoint:
        """Opens one file or the parts of a sharded one; those of safetensors are read on demand.

        Raises:
            WeightsError: A file is missing, damaged, or contains more than plain data.
        """
        content: dict[str, Any] = {}
        for path in paths:
            content |= _lazily(path) if path.suffix == ".safetensors" else _mapping(path)
        return cls(", ".join(map(str, paths)), content)

    @property
    def names(self) -> list[str]:
        """The names of all tensors."""
        return [name for name, value in self._content.items() if callable(value) or _is(value)]

    def __getitem__(self, name: str) -> Tensor:
        """Reads a tensor onto the CPU, into memory of its own."""
        value = self._content[name]
        tensor: Tensor = value.clone() if _is(value) else value()
        return tensor

    def value(self, name: str) -> Any:
        """What the file says under a name, such as a number; None if nothing."""
        return self._content.get(name)

    def part(self, *names: str) -> Checkpoint:
        """The checkpoint nested under the first of some names.

        Raises:
            WeightsError: There is none.
        """
        for name in names:
            if isinstance(self._content.get(name), Mapping):
                return Checkpoint(self.label, self._content[name])
        raise WeightsError(f"{self.label} lacks {' or '.join(names)}.", _WRONG_FILE)

    def unwrapped(self, *wrappers: str) -> Checkpoint:
        """Without an outer dictionary, such as `state_dict`, and without leading `module.`."""
        for name in wrappers or ("state_dict",):
            if isinstance(self._content.get(name), Mapping):
                return self.part(name).unwrapped(*wrappers)
        content = {name.removeprefix("module."): each for name, each in self._content.items()}
        return Checkpoint(self.label, content)

    def renamed(self, rename: Callable[[str], str | None]) -> Checkpoint:
        """With other names; tensors for which `rename` returns None are left out."""
        content = {new: self._content[name] for name in self.names if (new := rename(name))}
        return Checkpoint(self.label, content)


def _is(value: object) -> bool:
    import torch

    return isinstance(value, torch.Tensor)


def fill(
    tensors: Mapping[str, Tensor],
    checkpoint: Checkpoint,
    names: Callable[[str], Iterable[str]] | None = None,
    prefix: str = "",
    precision: torch.dtype | None = None,
) -> dict[str, Tensor]:
    """Reads the values of a network's tensors; every one must be there, and no other.

    Args:
        tensors: The network's tensors by name; only their shapes are used.
        checkpoint: Supplies the values.
        names: Returns the possible names of a tensor in the checkpoint; None for its own.
        prefix: Prefix of the names in the checkpoint that belong to this network.
        precision: Data type of the result; None for that of the file.

    Returns:
        Values for `load_state_dict(..., assign=True)`.

    Raises:
        WeightsError: A tensor is missing, unexpected, or of another shape.
    """
    label, left = checkpoint.label, set(checkpoint.names)
    values: dict[str, Tensor] = {}
    for name, tensor in tensors.items():
        candidates = list(dict.fromkeys(names(name))) if names else [name]
        stored = next((candidate for candidate in candidates if candidate in left), None)
        if stored is None:
            raise WeightsError(f"{label} lacks {' or '.join(candidates)}.", _WRONG_FILE)
        left.discard(stored)
        value = _fit(checkpoint[stored], tensor, stored, label)
        values[name] = value.to(precision or value.dtype)
    if unexpected := sorted(name for name in left if name.startswith(prefix)):
        raise WeightsError(
            f"{label} has {unexpected[0]}, which this model lacks"
            + (f", and {len(unexpected) - 1} more." if len(unexpected) > 1 else "."),
            _WRONG_FILE,
        )
    return values


def _fit(value: Tensor, tensor: Tensor, name: str, label: str) -> Tensor:
    # The original layout stores the autoencoder's attention as 1x1 convolutions.
    if value.dim() == 4 and tensor.dim() == 2 and value.shape[2:] == (1, 1):
        value = value[:, :, 0, 0]
    if value.shape != tensor.shape:
        raise WeightsError(
            f"{name} is {tuple(value.shape)} in {label}, but {tuple(tensor.shape)} in this model.",
            _WRONG_FILE,
        )
    return value


def _mapping(path: Path) -> Mapping[str, Any]:
    if path.is_dir():
        raise WeightsError(f"{path} is a folder, not a file of weights.", "Name a file in it.")
    if not path.is_file():
        raise WeightsError(f"There is no {path}.", "Is the download complete?")
    content = read_tensors(path)
    if not isinstance(content, Mapping):
        raise WeightsError(f"{path} holds no network, which is a dictionary of tensors.")
    return content


def _lazily(path: Path) -> dict[str, Callable[[], Tensor]]:
    from safetensors import SafetensorError, safe_open

    try:
        file: Any = safe_open(path, framework="pt")
        return {name: functools.partial(file.get_tensor, name) for name in file.keys()}  # noqa: SIM118
    except FileNotFoundError:
        raise WeightsError(f"There is no {path}.", "Is the download complete?") from None
    except (SafetensorError, OSError) as error:
        raise WeightsError(
            f"{path} is damaged or not a safetensors file ({error}).", "Download it again."
        ) from None
