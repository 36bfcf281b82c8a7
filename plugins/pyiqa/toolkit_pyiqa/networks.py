"""Builds pyiqa's networks, with weights from the manifest or from pyiqa's cache."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch

from toolkit import weights
from toolkit.plugin import ToolkitError, WeightsError
from toolkit_pyiqa.sandbox import replaced, sandbox

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from toolkit.plugin import WeightFile


def build(name: str, files: Sequence[WeightFile]) -> Any:
    """Builds a metric on the CPU, without downloads by pyiqa.

    Raises:
        WeightsError: A file cannot be obtained, or contains more than tensors.
        ToolkitError: The metric needs a package that is not installed with pyiqa.
    """
    paths = [weights.fetch(file) for file in files]
    try:
        with sandbox(), torch.no_grad():
            return _BUILDERS[name](*paths) if paths else _model(name)
    except ModuleNotFoundError as error:
        raise ToolkitError(
            f"pyiqa's {name} needs the package {error.name}", hint=f"pip install {error.name}"
        ) from error
    except OSError as error:  # raised by transformers if its cache lacks a file
        raise WeightsError(f"pyiqa's {name} cannot be loaded: {error}") from error


def _musiq(path: Path) -> Any:
    return _model("musiq", pretrained_model_path=str(path))


def _maniqa(path: Path) -> Any:
    import timm
    from pyiqa.archs.arch_util import load_pretrained_network  # type: ignore[import-untyped]

    # The checkpoint contains the transformer, so its ImageNet weights are not downloaded.
    create = timm.create_model

    def untrained(name: str, **options: Any) -> Any:
        return create(name, **{**options, "pretrained": False})

    with replaced(timm, "create_model", untrained):
        model = _model("maniqa-pipal", pretrained=False)
    load_pretrained_network(model.net, str(path), strict=True)
    return model


def _clipiqa(path: Path) -> Any:
    # `torch.jit.load` does not unpickle Python objects; pyiqa only uses the archive's tensors.
    return _model("clipiqa", backbone=str(path))


_BUILDERS = {"musiq": _musiq, "maniqa-pipal": _maniqa, "clipiqa": _clipiqa}


def _model(name: str, **options: Any) -> Any:
    # As pyiqa.create_metric does, but without logging.
    from pyiqa.models.inference_model import InferenceModel  # type: ignore[import-untyped]

    return InferenceModel(name, device=torch.device("cpu"), **options).eval()
