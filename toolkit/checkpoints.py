"""Checkpoints: safetensors files, written atomically and checked when read.

A checkpoint holds parts ("generator", "generator.optimizer", …), each a dictionary of tensors. Its
header carries a SHA-256 of every part and one of itself, so a torn or altered file is told apart
from a good one.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path, PurePath
from typing import TYPE_CHECKING, Any

from toolkit.errors import CheckpointError
from toolkit.files import write_atomically

if TYPE_CHECKING:
    from torch import Tensor

Parts = Mapping[str, Mapping[str, "Tensor"]]

_NAME = re.compile(r"step-(\d+)\.safetensors")
_SEPARATOR = "/"


def save_checkpoint(path: Path, parts: Parts, metadata: Mapping[str, str]) -> None:
    """Writes a checkpoint atomically; an interrupted write leaves no file at `path`."""
    from safetensors.torch import save

    # Cloned, as safetensors takes no two tensors that share memory.
    tensors = {
        f"{part}{_SEPARATOR}{name}": tensor.detach().cpu().contiguous().clone()
        for part, content in parts.items()
        for name, tensor in content.items()
    }
    digests = {part: _digest(part, tensors) for part in parts}
    header = {**metadata, "parts": json.dumps(digests)}
    write_atomically(path, save(tensors, {**header, "sha256": _header_digest(header)}))


def load_part(path: Path, part: str) -> dict[str, Tensor]:
    """Reads one part of a checkpoint.

    Raises:
        CheckpointError: The file is damaged, altered, not a checkpoint, or lacks the part.
    """
    prefix = f"{part}{_SEPARATOR}"
    try:
        expected = json.loads(read_metadata(path)["parts"])[part]
    except (KeyError, TypeError, ValueError):
        raise CheckpointError(f"{path} is not a checkpoint with a part {part!r}.") from None
    with _open(path) as stream:
        names = [name for name in stream.keys() if name.startswith(prefix)]  # noqa: SIM118
        tensors = {name: stream.get_tensor(name) for name in names}
    if _digest(part, tensors) != expected:
        raise CheckpointError(
            f"{path} was altered after it was written: the SHA-256 of {part} differs.",
            "Delete it; the run resumes from the checkpoint before it.",
        )
    return {name.removeprefix(prefix): tensor for name, tensor in tensors.items()}


def verify(path: Path) -> None:
    """Reads a checkpoint whole and compares its hashes.

    Raises:
        CheckpointError: The file is damaged, altered, or not a checkpoint.
    """
    for part in json.loads(read_metadata(path)["parts"]):
        load_part(path, part)


def read_metadata(path: Path) -> dict[str, str]:
    """Returns the metadata of a checkpoint.

    Raises:
        CheckpointError: The file is damaged, altered, or not a checkpoint.
    """
    with _open(path) as stream:
        header: dict[str, str] = stream.metadata() or {}
    if header.pop("sha256", "") != _header_digest(header):
        raise CheckpointError(
            f"{path} is not a checkpoint, or its header was altered after it was written.",
            "Delete it; the run resumes from the checkpoint before it.",
        )
    return header


def checkpoints(folder: Path) -> list[Path]:
    """Returns the checkpoints of a folder, oldest first."""
    return sorted((path for path in folder.glob("*") if step_of(path) >= 0), key=step_of)


def step_of(path: PurePath) -> int:
    """Returns the step in the name of a checkpoint; -1 if it is named otherwise."""
    found = _NAME.fullmatch(path.name)
    return int(found[1]) if found else -1


def checkpoint_path(folder: Path, step: int) -> Path:
    """Returns the path of a step's checkpoint."""
    return folder / f"step-{step:07d}.safetensors"


def load_tensors(own: Mapping[str, Tensor], state: Mapping[str, Tensor], owner: str) -> None:
    """Copies a state into tensors of the same names and shapes.

    Raises:
        CheckpointError: A name is missing, unknown, or of another shape.
    """
    _refuse(own.keys() - state.keys(), f"The checkpoint lacks {owner}'s")
    _refuse(state.keys() - own.keys(), f"{owner} has no")
    for name, tensor in own.items():
        if tensor.shape != state[name].shape:
            raise CheckpointError(
                f"{owner}'s {name} is {tuple(tensor.shape)} here and "
                f"{tuple(state[name].shape)} in the checkpoint.",
                "Was it trained with other options, or on another backbone?",
            )
    import torch

    with torch.no_grad():
        for name, tensor in own.items():
            tensor.copy_(state[name])


def _refuse(names: Iterable[str], message: str) -> None:
    if first := sorted(names)[:1]:
        raise CheckpointError(
            f"{message} {first[0]}.", "Was it trained with other options, or on another backbone?"
        )


@contextmanager
def _open(path: Path) -> Iterator[Any]:
    """Opens a safetensors file; errors name the file and what to do."""
    from safetensors import SafetensorError, safe_open

    try:
        stream: Any = safe_open(path, framework="pt")
    except FileNotFoundError:
        raise CheckpointError(f"There is no checkpoint {path}.") from None
    except (SafetensorError, OSError) as error:
        raise CheckpointError(
            f"{path} is damaged, or not a safetensors file ({error}).",
            "Delete it; the run resumes from the checkpoint before it.",
        ) from None
    with stream:
        yield stream


def _header_digest(header: Mapping[str, str]) -> str:
    return hashlib.sha256(json.dumps(header, sort_keys=True).encode()).hexdigest()


def _digest(part: str, tensors: Mapping[str, Tensor]) -> str:
    """Computes the SHA-256 of the names, types, shapes and bytes of a part's tensors."""
    import torch

    digest = hashlib.sha256()
    for name in sorted(tensors):
        if name.startswith(f"{part}{_SEPARATOR}"):
            tensor = tensors[name]
            digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}\n".encode())
            digest.update(tensor.reshape(-1).view(torch.uint8).numpy().data)
    return digest.hexdigest()
