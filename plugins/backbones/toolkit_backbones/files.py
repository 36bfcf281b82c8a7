"""Reads weights from safetensors files, with errors that name file and tensor."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from toolkit.plugin import WeightsError

WEIGHTS = "diffusion_pytorch_model.safetensors"


def part_files(folder: Path, owner: str) -> list[Path]:
    """Returns the weight files in a part's folder: a single file, also as fp16, or shards.

    Raises:
        WeightsError: There are no weight files.
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
        "Pass a folder in diffusers' layout, with vae and unet.",
    )


def read_json(path: Path) -> dict[str, Any]:
    """Reads a configuration; raises `WeightsError` if it is missing or invalid."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (FileNotFoundError, NotADirectoryError):
        raise WeightsError(
            f"There is no {path}, which diffusers' layout requires.",
            "Pass a folder in diffusers' layout, with vae and unet.",
        ) from None
    except (OSError, ValueError) as error:
        raise WeightsError(f"{path} cannot be read ({error}).") from None
    if not isinstance(content, dict):
        raise WeightsError(f"{path} is not a configuration: it must contain a JSON object.")
    return content


def _shards(index: Path) -> list[Path]:
    weight_map = read_json(index).get("weight_map")
    if not weight_map or not isinstance(weight_map, dict):
        raise WeightsError(f"{index} names no file of weights.", "Is the download complete?")
    # Only file names are used, as paths might lead out of the folder.
    names = {Path(str(file)).name for file in weight_map.values()}
    return [index.parent / name for name in sorted(names)]


def fill(
    tensors: Mapping[str, Tensor],
    files: Iterable[Path],
    rename: Callable[[str], Iterable[str]],
    prefix: str,
    precision: torch.dtype,
) -> dict[str, Tensor]:
    """Reads the values of a network's tensors.

    Args:
        tensors: The network's tensors by name; only their shapes are used.
        files: Files to read.
        rename: Returns possible names of a tensor in the files.
        prefix: Prefix of the names in the files that belong to this network.
        precision: Data type of the result.

    Raises:
        WeightsError: A file is damaged, a tensor is missing or unexpected, or shapes differ.
    """
    with ExitStack() as stack:
        streams = {path: stack.enter_context(_open(path)) for path in files}
        paths = {name: path for path, stream in streams.items() for name in stream.keys()}  # noqa: SIM118
        label = ", ".join(str(path) for path in streams)
        values: dict[str, Tensor] = {}
        for name, tensor in tensors.items():
            candidates = list(rename(name))
            stored = next((candidate for candidate in candidates if candidate in paths), None)
            if stored is None:
                raise WeightsError(f"{label} lacks {' or '.join(candidates)}.", _WRONG_FILE)
            value = streams[paths.pop(stored)].get_tensor(stored)
            values[name] = _fit(value, tensor, stored, label).to(precision)
        if unexpected := sorted(name for name in paths if name.startswith(prefix)):
            raise WeightsError(
                f"{label} has {unexpected[0]}, which this model lacks"
                + (f", and {len(unexpected) - 1} more." if len(unexpected) > 1 else "."),
                _WRONG_FILE,
            )
    return values


_WRONG_FILE = "The file may belong to another model, or be truncated."


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


def _open(path: Path) -> Any:
    try:
        return safe_open(path, framework="pt")
    except FileNotFoundError:
        raise WeightsError(f"There is no {path}.", "Is the download complete?") from None
    except (SafetensorError, OSError) as error:
        raise WeightsError(
            f"{path} is damaged or not a safetensors file ({error}).", "Download it again."
        ) from None
