"""Tensors in safetensors files, read one at a time, with errors that name file and tensor."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from toolkit.errors import WeightsError

WEIGHTS = "diffusion_pytorch_model.safetensors"


def part_files(folder: Path, owner: str) -> list[Path]:
    """The weight files of one part's folder: a single one, its half-precision twin, or shards.

    Raises:
        WeightsError: There is none.
    """
    stem = WEIGHTS.removesuffix(".safetensors")
    for half in ("", ".fp16"):
        if (single := folder / f"{stem}{half}.safetensors").is_file():
            return [single]
        index = folder / f"{WEIGHTS}.index{half}.json"
        if index.is_file():
            return _shards(index)
    raise WeightsError(
        f"The backbone {owner!r} lacks {folder / WEIGHTS}.",
        "Name a folder in diffusers' layout, with vae and unet in it.",
    )


def read_json(path: Path) -> dict[str, Any]:
    """A configuration; raises `WeightsError` where there is none, or none that can be read."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (FileNotFoundError, NotADirectoryError):
        raise WeightsError(
            f"There is no {path}: it lacks what diffusers' layout has.",
            "Name a folder in diffusers' layout, with vae and unet in it.",
        ) from None
    except (OSError, ValueError) as error:
        raise WeightsError(f"{path} cannot be read ({error}).") from None
    if not isinstance(content, dict):
        raise WeightsError(f"{path} is no configuration.")
    return content


def _shards(index: Path) -> list[Path]:
    places = read_json(index).get("weight_map")
    if not places or not isinstance(places, dict):
        raise WeightsError(f"{index} names no file of weights.", "Is the download complete?")
    # Only names: a path that leads out of the folder is none of its shards.
    return [
        index.parent / name for name in sorted({Path(str(each)).name for each in places.values()})
    ]


def fill(
    tensors: Mapping[str, Tensor],
    files: Iterable[Path],
    rename: Callable[[str], Iterable[str]],
    owned: str,
    precision: torch.dtype,
) -> dict[str, Tensor]:
    """Reads a tensor for every one that a network has, and leaves none over.

    Args:
        tensors: The network's own, by name; their shapes are what counts.
        files: Where to read.
        rename: What a tensor may be called in the files.
        owned: Prefix of the names that belong to this network alone.
        precision: Of the result.

    Raises:
        WeightsError: A file is torn, or a tensor is missing, left over, or of another shape.
    """
    with ExitStack() as stack:
        streams = {path: stack.enter_context(_open(path)) for path in files}
        places = {name: path for path, stream in streams.items() for name in stream.keys()}  # noqa: SIM118
        where = ", ".join(str(path) for path in streams)
        found: dict[str, Tensor] = {}
        for name, tensor in tensors.items():
            names = list(rename(name))
            known = next((each for each in names if each in places), None)
            if known is None:
                raise WeightsError(f"{where} lacks {' or '.join(names)}.", _ANOTHER)
            content = streams[places.pop(known)].get_tensor(known)
            found[name] = _fitting(content, tensor, known, where).to(precision)
        if left := sorted(each for each in places if each.startswith(owned)):
            raise WeightsError(
                f"{where} has {left[0]}, which this model has not"
                + (f", and {len(left) - 1} more." if len(left) > 1 else "."),
                _ANOTHER,
            )
    return found


_ANOTHER = "Is it a file of another model, or cut short?"


def _fitting(content: Tensor, own: Tensor, name: str, where: str) -> Tensor:
    # The original layout keeps the autoencoder's attention as 1x1 convolutions.
    if content.dim() == 4 and own.dim() == 2 and content.shape[2:] == (1, 1):
        content = content[:, :, 0, 0]
    if content.shape != own.shape:
        raise WeightsError(
            f"{name} is {tuple(content.shape)} in {where}, and {tuple(own.shape)} in this model.",
            _ANOTHER,
        )
    return content


def _open(path: Path) -> Any:
    try:
        return safe_open(path, framework="pt")
    except FileNotFoundError:
        raise WeightsError(f"There is no {path}.", "Is the download complete?") from None
    except (SafetensorError, OSError) as error:
        raise WeightsError(
            f"{path} is torn, or is no safetensors file ({error}).", "Fetch it again."
        ) from None
