"""Restores ComfyUI's images with the toolkit's restorers. Importing it does not load torch."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any

import toolkit
from toolkit import defaults
from toolkit.paths import user_path

if TYPE_CHECKING:
    from collections.abc import Callable

    from torch import Tensor

    from toolkit.restoring.loaded import Loaded

    Progress = Callable[[int, int], None]

_KEPT = 3
"""Restorers that stay in memory."""


def restorers() -> list[str]:
    """Returns the names of the installed restorers that need no options, the default first."""
    usable = [
        each.name
        for each in toolkit.components("restorer")
        if not any(field.is_required() for field in each.options.model_fields.values())
    ]
    return sorted(usable, key=lambda name: (name != defaults.RESTORER, name))


def state_of(source: str) -> str:
    """Returns what changes when a run has a newer checkpoint; empty if the source is no path."""
    path = user_path(source) if source else None
    if not path or not path.exists():
        return ""
    files = [path] if path.is_file() else [path, *path.glob("checkpoints/*.safetensors")]
    return str(max(each.stat().st_mtime_ns for each in files))


@functools.lru_cache(maxsize=_KEPT)
def load(source: str, precision: str, state: str = "") -> Loaded:  # noqa: ARG001 - part of the key
    """Loads a restorer on the CPU, or returns the one loaded before.

    Args:
        source: See `toolkit.load`.
        precision: `float32`, `bfloat16` or `float16`; `auto` for the restorer's own.
        state: From `state_of`; another state is loaded anew.

    Raises:
        ToolkitError: See `toolkit.load`.
    """
    return toolkit.load(source, device="cpu", precision=None if precision == "auto" else precision)


def bytes_of(loaded: Loaded) -> int:
    """Returns the size of a restorer's weights."""
    networks: dict[str, Any] = getattr(loaded.restorer, "networks", {})
    tensors = (tensor for net in networks.values() for tensor in net.state_dict().values())
    return sum(tensor.numel() * tensor.element_size() for tensor in tensors)


def restore(loaded: Loaded, images: Tensor, progress: Progress, **settings: Any) -> Tensor:
    """Restores images one after the other, as a batch may be a film.

    Args:
        loaded: The restorer.
        images: `[b, h, w, c]`, in [0, 1]; RGB, grey, or with alpha, which is enlarged.
        progress: Called with (finished, all) after each tile.
        settings: See `Loaded.__call__`.

    Returns:
        `[b, H, W, c]`, in [0, 1], on the CPU.

    Raises:
        ToolkitError: See `Loaded.__call__`.
    """
    import torch

    made = []
    for number, image in enumerate(images.float().clamp(0, 1).cpu().numpy()):

        def on_tile(done: int, tiles: int, number: int = number) -> None:
            progress(number * tiles + done, len(images) * tiles)

        made.append(torch.from_numpy(loaded(image, on_tile=on_tile, **settings)))
    return torch.stack(made)


def enlarged_mask(mask: Tensor | None, images: Tensor) -> Tensor:
    """Returns the mask that goes with restored images.

    Args:
        mask: `[b, h, w]` or `[h, w]` of any size, one for each image or one for all; None for that
            of the images' own alpha, which ComfyUI inverts, or else an empty one.
        images: `[b, H, W, c]`.

    Returns:
        `[b, H, W]`, in [0, 1].
    """
    from toolkit.plugin import bicubic_resize

    batch, height, width, channels = images.shape
    if mask is None:
        return 1 - images[..., 3] if channels == 4 else images.new_zeros(batch, height, width)
    sides = mask.shape[-2:]
    resized = bicubic_resize(mask.float().cpu().reshape(-1, 1, *sides), (height, width))
    return resized[:, 0].clamp(0, 1).expand(batch, -1, -1)
