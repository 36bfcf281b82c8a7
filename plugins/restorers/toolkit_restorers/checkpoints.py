"""Networks from the files that their authors published."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from toolkit import weights
from toolkit.errors import WeightsError
from toolkit.paths import user_path

if TYPE_CHECKING:
    from toolkit.component import WeightFile

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
    """Spandrel calls PyTorch in a way that a later PyTorch will not take."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "torch.meshgrid", UserWarning)
        yield


def swinir_l() -> nn.Module:
    """SwinIR-L ×4 for real photographs, 28 M parameters, with random weights.

    Source: Liang et al., SwinIR: Image Restoration Using Swin Transformer, 2021.
    """
    from spandrel.architectures.SwinIR import SwinIR

    # Its own making needs values; to count work, shapes are enough afterwards.
    with _without_warnings(), torch.device("cpu"):
        network: nn.Module = SwinIR(**_SWINIR_L)
    return network.to("meta") if weights.hollow() else network


def from_checkpoint(file: WeightFile, given: str) -> nn.Module:
    """The network that a file holds; which it is, spandrel sees from its tensors.

    Args:
        file: As published.
        given: The path of another training of the same architecture; empty for the published one.

    Raises:
        WeightsError: There is no such file, it holds no plain tensors, or no network ×4 of images.
    """
    from spandrel import ImageModelDescriptor, ModelLoader, canonicalize_state_dict

    path = user_path(given) if given else weights.fetch(file)
    if not path.is_file():
        raise WeightsError(f"There is no file {path}.", "Nothing, random, or a file of weights.")
    try:
        state = canonicalize_state_dict(weights.read_tensors(path))
        with _without_warnings():
            model = ModelLoader("cpu").load_from_state_dict(state)
    except WeightsError:
        raise
    except Exception as error:  # of other files, spandrel may raise anything
        raise WeightsError(f"{path} holds no network that spandrel knows: {error}") from error
    if not isinstance(model, ImageModelDescriptor) or model.scale != 4 or model.input_channels != 3:
        raise WeightsError(f"{path} holds {model.architecture.name}, which does not enlarge by 4.")
    network: nn.Module = model.model
    return network
