"""Networks from their authors' checkpoints."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from toolkit import weights
from toolkit.plugin import WeightsError, user_path

if TYPE_CHECKING:
    from toolkit.plugin import WeightFile

_SWINIR_L: dict[str, Any] = {
    "upscale": 4,
    "img_size": 64,
    "window_size": 8,
    "embed_dim": 240,
    "depths": [6] * 9,
    "num_heads": [8] * 9,
    "mlp_ratio": 2,
    "upsampler": "nearest+conv",
    "resi_connection": "3conv",
}


@contextmanager
def _without_warnings() -> Iterator[None]:
    """Hides spandrel's deprecation warning."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "torch.meshgrid", UserWarning)
        yield


def swinir_l(*, hollow: bool = False) -> nn.Module:
    """Creates SwinIR-L ×4 for real photographs, with random weights or, if hollow, on meta.

    Source: Liang et al., SwinIR: Image Restoration Using Swin Transformer, 2021.
    """
    from spandrel.architectures.SwinIR import SwinIR

    # The constructor needs real tensors, so the network is moved to meta afterwards.
    with _without_warnings(), torch.device("cpu"):
        network: nn.Module = SwinIR(**_SWINIR_L)
    return network.to("meta") if hollow else network


def from_checkpoint(file: WeightFile, path: str) -> nn.Module:
    """Loads a network, whose architecture spandrel infers from the checkpoint.

    Args:
        file: Published checkpoint.
        path: Path of another checkpoint; empty for the published one.

    Raises:
        WeightsError: The file does not exist, contains more than tensors, or is not a ×4 network
            for RGB images.
    """
    from spandrel import ImageModelDescriptor, ModelLoader, canonicalize_state_dict

    checkpoint = user_path(path) if path else weights.fetch(file)
    if not checkpoint.is_file():
        raise WeightsError(
            f"There is no file {checkpoint}.",
            "Pass a checkpoint, or omit the variant to use the published weights.",
        )
    try:
        state = canonicalize_state_dict(weights.read_tensors(checkpoint))
        with _without_warnings():
            model = ModelLoader("cpu").load_from_state_dict(state)
    except WeightsError:
        raise
    except Exception as error:  # spandrel may raise anything for unsupported files
        raise WeightsError(
            f"{checkpoint} is not a checkpoint that spandrel supports: {error}"
        ) from error
    if not isinstance(model, ImageModelDescriptor) or model.scale != 4 or model.input_channels != 3:
        raise WeightsError(
            f"{checkpoint} contains {model.architecture.name}, which does not upscale RGB by 4."
        )
    network: nn.Module = model.model
    return network
