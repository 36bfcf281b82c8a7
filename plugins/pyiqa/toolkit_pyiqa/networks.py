"""pyiqa's networks, built from files that the manifest names, or from pyiqa's own cache."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch

from toolkit import weights
from toolkit.errors import ToolkitError, WeightsError
from toolkit_pyiqa.sealed import replaced, sealed

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from toolkit.component import WeightFile


def build(name: str, files: Sequence[WeightFile]) -> Any:
    """Pyiqa's metric of this name, on the processor; it downloads nothing.

    Raises:
        WeightsError: A file is not to be had, or holds more than tensors.
        ToolkitError: This metric needs a package that pyiqa does not bring.
    """
    paths = [weights.fetch(file) for file in files]
    try:
        with sealed(), torch.no_grad():
            return _BUILDERS[name](*paths) if paths else _model(name)
    except ModuleNotFoundError as error:
        raise ToolkitError(
            f"pyiqa's {name} needs the package {error.name}", hint=f"pip install {error.name}"
        ) from error
    except OSError as error:  # so transformers says what its cache lacks
        raise WeightsError(f"pyiqa's {name} cannot be loaded: {error}") from error


def _musiq(path: Path) -> Any:
    return _model("musiq", pretrained_model_path=str(path))


def _maniqa(path: Path) -> Any:
    import timm
    from pyiqa.archs.arch_util import load_pretrained_network  # type: ignore[import-untyped]

    # Its transformer would come from a hub first, and then be overwritten by the checkpoint.
    create = timm.create_model

    def untrained(name: str, **options: Any) -> Any:
        return create(name, **{**options, "pretrained": False})

    with replaced(timm, "create_model", untrained):
        model = _model("maniqa-pipal", pretrained=False)
    load_pretrained_network(model.net, str(path), strict=True)
    return model


def _clipiqa(path: Path) -> Any:
    # A TorchScript archive: read by torch's own reader, which knows no Python objects; only its
    # tensors are used, in pyiqa's network.
    return _model("clipiqa", backbone=str(path))


_BUILDERS = {"musiq": _musiq, "maniqa-pipal": _maniqa, "clipiqa": _clipiqa}


def _model(name: str, **options: Any) -> Any:
    # What pyiqa.create_metric makes, without its line in the log.
    from pyiqa.models.inference_model import InferenceModel  # type: ignore[import-untyped]

    return InferenceModel(name, device=torch.device("cpu"), **options).eval()
