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
    from pathlib import Path

    from spandrel import ImageModelDescriptor

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


def published(file: WeightFile, path: str) -> nn.Module:
    """Loads a published network, or another checkpoint in its place.

    Args:
        file: Published checkpoint.
        path: Path of another checkpoint; empty for the published one.

    Raises:
        WeightsError: See `from_checkpoint`; or it is not a x4 network for RGB images.
    """
    checkpoint = user_path(path) if path else weights.fetch(file)
    model = from_checkpoint(checkpoint)
    if model.scale != 4 or model.input_channels != 3:
        raise WeightsError(
            f"{checkpoint} contains {model.architecture.name}, which does not upscale RGB by 4.",
            f"Use it as --with spandrel:{checkpoint}",
        )
    network: nn.Module = model.model
    return network


def from_checkpoint(path: Path) -> ImageModelDescriptor[nn.Module]:
    """Loads a network onto the CPU; spandrel infers the architecture. No code of the file runs.

    Args:
        path: Checkpoint, in any format of `read_tensors`.

    Raises:
        WeightsError: There is no such file, it is damaged or contains more than tensors, spandrel
            does not know its architecture, or it does not map one image to another, of one
            channel or RGB.
    """
    from spandrel import ModelLoader, UnsupportedModelError, canonicalize_state_dict

    if not path.is_file():
        raise WeightsError(
            f"There is no file {path}.",
            "Name a checkpoint, such as a .pth or .safetensors file.",
        )
    content = weights.read_tensors(path)
    if not isinstance(content, dict) or not content:
        raise WeightsError(
            f"{path} holds no network, which is a dictionary of tensors.",
            "Name a file of a network's weights.",
        )
    try:
        with _without_warnings(), torch.device("cpu"):
            model = ModelLoader("cpu").load_from_state_dict(canonicalize_state_dict(content))
    except UnsupportedModelError as error:
        raise _unsupported(path, "its architecture is unknown") from error
    except Exception as error:  # spandrel may raise anything for unsupported files
        reason = next(iter(str(error).splitlines()), type(error).__name__)
        raise _unsupported(path, reason) from error
    return _for_images(path, model)


def _unsupported(path: Path, reason: str) -> WeightsError:
    return WeightsError(
        f"{path} is not a checkpoint that spandrel supports: {reason}",
        "Its list: https://github.com/chaiNNer-org/spandrel. Newer ones: pip install -U spandrel",
    )


def _for_images(path: Path, model: Any) -> ImageModelDescriptor[nn.Module]:
    """Returns a model that maps one image to another, of one channel or RGB; refuses others."""
    from spandrel import ImageModelDescriptor

    channels = model.input_channels, model.output_channels
    reason = ""
    if not isinstance(model, ImageModelDescriptor):
        reason = "which needs a mask beside the image"
    elif model.purpose == "FaceSR":
        reason = "which restores aligned faces alone"
    elif channels not in {(1, 1), (3, 3)}:
        reason = f"which maps {channels[0]} channels to {channels[1]}, not RGB or grey to the same"
    if reason:
        raise WeightsError(
            f"{path} contains {model.architecture.name}, {reason}.",
            "Use a network for whole photographs.",
        )
    found: ImageModelDescriptor[nn.Module] = model
    return found
