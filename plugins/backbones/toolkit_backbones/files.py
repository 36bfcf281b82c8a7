"""Finds and reads the files of a folder in diffusers' layout."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

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
