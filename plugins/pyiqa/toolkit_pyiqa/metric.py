"""Metrics of pyiqa that import it at the first call."""

from __future__ import annotations

from functools import cached_property
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

from toolkit_pyiqa.catalogue import entry

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from torch import Tensor

    from toolkit.plugin import WeightFile


class PyiqaMetric:
    """A metric of pyiqa; pyiqa, torch and weights are loaded by the first call.

    Args:
        name: Name in `pyiqa.list_models()`.
        protocol: Description of how scores are computed.
        files: Weight files; if empty, weights are taken from pyiqa's cache.

    Raises:
        OptionsError: pyiqa has no such metric, or it does not score single images.
    """

    def __init__(self, name: str, protocol: str, files: Sequence[WeightFile] = ()) -> None:
        self.direction, self.needs_reference = entry(name)
        self._name, self._files = name, files
        self.fingerprint: Mapping[str, str] = {
            "library": "pyiqa",
            "version": version("pyiqa"),
            "metric": name,
            "protocol": f"whole images clamped to [0, 1], {protocol}",
            **{f"sha256 of {file.name}": file.sha256 for file in files},
        }

    def __call__(self, sr: Tensor, hr: Tensor | None = None) -> Tensor:
        """Scores `[b, 3, h, w]`, clamped to [0, 1], as `[b]`.

        Raises:
            DataError: A required reference is missing or differs in size, a pixel is NaN or
                infinite, or pyiqa cannot score the image.
            WeightsError: Weights cannot be obtained, or contain more than tensors.
        """
        from toolkit_pyiqa.scoring import score

        return score(self._model, self._name, sr, hr if self.needs_reference else None)

    @cached_property
    def _model(self) -> Any:
        from toolkit_pyiqa.networks import build

        return build(self._name, self._files)
