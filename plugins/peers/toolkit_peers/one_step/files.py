"""LoRA files for Stable Diffusion as others publish them."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

from toolkit.plugin import Checkpoint, WeightsError, read_tensors, user_path

if TYPE_CHECKING:
    from pathlib import Path

    from torch import Tensor

_NO_ADAPTER = re.compile(r"\.lora_([AB])\.weight$")
_SECTIONS = {"unet": "state_dict_unet", "vae": "state_dict_vae"}
_OLD = {".lora.down.": ".lora_A.", ".lora.up.": ".lora_B.", ".processor.": "."}
"""Names of earlier versions of diffusers."""


class LoraFile(NamedTuple):
    """The tensors of a LoRA file by network, as `lora.load` takes them."""

    unet: Checkpoint
    vae: Checkpoint | None


def read_lora_file(path: Path) -> LoraFile:
    """Opens a LoRA file.

    It may have sections for the UNet and the VAE, as OSEDiff's and PiSA-SR's, or names that begin
    with `unet.` and `vae.`, as diffusers writes them; otherwise all of it belongs to the UNet.

    Raises:
        WeightsError: It is missing, damaged, or contains more than plain data.
    """
    checkpoint = Checkpoint.read(user_path(path))
    if isinstance(checkpoint.value(_SECTIONS["unet"]), dict):
        vae = isinstance(checkpoint.value(_SECTIONS["vae"]), dict)
        return LoraFile(
            checkpoint.part(_SECTIONS["unet"]),
            checkpoint.part(_SECTIONS["vae"]) if vae else None,
        )
    flat = checkpoint.unwrapped("state_dict", "params", "model").renamed(_in_peft_layout)
    if not any(name.startswith(("unet.", "vae.")) for name in flat.names):
        return LoraFile(flat, None)
    vae = any(name.startswith("vae.") for name in flat.names)
    return LoraFile(_within(flat, "unet."), _within(flat, "vae.") if vae else None)


def read_embedding(path: Path, width: int) -> Tensor:
    """Reads learned embeddings of a prompt, `[1, 77, width]`.

    Raises:
        WeightsError: The file holds no single tensor of this shape.
    """
    content = read_tensors(user_path(path))
    tensors = list(content.values()) if isinstance(content, dict) else [content]
    fitting = [each for each in tensors if tuple(each.shape[-2:]) == (77, width)]
    if len(fitting) != 1 or fitting[0].numel() != 77 * width:
        raise WeightsError(
            f"{path} does not hold one embedding of 77 tokens and width {width}.",
            "Name a file with one tensor of that shape, or use a prompt.",
        )
    embedding: Tensor = fitting[0].float().view(1, 77, width)
    return embedding


def _in_peft_layout(name: str) -> str:
    name = name.removeprefix("base_model.model.")
    for old, new in _OLD.items():
        name = name.replace(old, new)
    return _NO_ADAPTER.sub(r".lora_\1.default.weight", name)


def _within(checkpoint: Checkpoint, prefix: str) -> Checkpoint:
    return checkpoint.renamed(
        lambda name: name.removeprefix(prefix) if name.startswith(prefix) else None
    )
