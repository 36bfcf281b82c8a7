"""Checkpoints: one safetensors file each, whole or not there at all, and checked when read.

A checkpoint holds parts ("generator", "generator.optimizer", …), each a dictionary of tensors. Its
header carries a SHA-256 of every part, so a torn or altered file is told apart from a good one.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from toolkit.errors import CheckpointError
from toolkit.weights import write_atomically

if TYPE_CHECKING:
    from torch import Tensor

Parts = Mapping[str, Mapping[str, "Tensor"]]

_NAME = re.compile(r"step-(\d+)\.safetensors")
_SEPARATOR = "/"


def save_checkpoint(path: Path, parts: Parts, metadata: Mapping[str, str]) -> None:
    """Writes parts atomically; an interrupted write leaves nothing under `path`."""
    from safetensors.torch import save

    tensors = {
        f"{part}{_SEPARATOR}{name}": tensor.detach().cpu().contiguous()
        for part, content in parts.items()
        for name, tensor in content.items()
    }
    digests = {part: _digest(part, tensors) for part in parts}
    write_atomically(path, save(tensors, {**metadata, "sha256": json.dumps(digests)}))


def load_part(path: Path, part: str) -> dict[str, Tensor]:
    """Reads one part and leaves the rest of the file alone.

    Raises:
        CheckpointError: The file is torn, altered, no checkpoint, or has no such part.
    """
    prefix = f"{part}{_SEPARATOR}"
    expected = json.loads(read_metadata(path).get("sha256", "{}")).get(part)
    if expected is None:
        raise CheckpointError(f"{path} is no checkpoint with a part {part!r}.")
    with _open(path) as stream:
        tensors = {name: stream.get_tensor(name) for name in stream.keys() if name.startswith(prefix)}  # noqa: SIM118
    if _digest(part, tensors) != expected:
        raise CheckpointError(
            f"{path} was altered after it was written: {part} has another SHA-256.",
            "Delete it; the run goes on from the checkpoint before it.",
        )
    return {name.removeprefix(prefix): tensor for name, tensor in tensors.items()}


def read_metadata(path: Path) -> dict[str, str]:
    """What was saved beside the tensors."""
    with _open(path) as stream:
        return stream.metadata() or {}


def checkpoints(folder: Path) -> list[Path]:
    """The checkpoints of a folder, oldest first."""
    found = [(int(m[1]), path) for path in folder.glob("*") if (m := _NAME.fullmatch(path.name))]
    return [path for _, path in sorted(found)]


def checkpoint_path(folder: Path, step: int) -> Path:
    """Where the checkpoint of a step lies."""
    return folder / f"step-{step:07d}.safetensors"


class _open:  # noqa: N801 - used as a function
    """`safe_open`, with errors that name the file and what to do."""

    def __init__(self, path: Path) -> None:
        from safetensors import SafetensorError, safe_open

        try:
            self._stream = safe_open(path, framework="pt")
        except FileNotFoundError:
            raise CheckpointError(f"There is no checkpoint {path}.") from None
        except (SafetensorError, OSError) as error:
            raise CheckpointError(
                f"{path} is torn, or is no safetensors file ({error}).",
                "Delete it; a run goes on from the checkpoint before it.",
            ) from None

    def __enter__(self):  # type: ignore[no-untyped-def]  # noqa: ANN204 - safetensors has no types
        return self._stream.__enter__()

    def __exit__(self, *error: object) -> None:
        self._stream.__exit__(*error)


def _digest(part: str, tensors: Mapping[str, Tensor]) -> str:
    """SHA-256 over the names, types, shapes and bytes of a part's tensors."""
    import torch

    digest = hashlib.sha256()
    for name in sorted(tensors):
        if name.startswith(f"{part}{_SEPARATOR}"):
            tensor = tensors[name]
            digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}\n".encode())
            digest.update(tensor.reshape(-1).view(torch.uint8).numpy().data)
    return digest.hexdigest()
