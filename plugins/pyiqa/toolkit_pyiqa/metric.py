"""A metric of pyiqa that knows itself without importing pyiqa."""

from __future__ import annotations

from functools import cached_property
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

from toolkit_pyiqa.catalogue import entry

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from torch import Tensor

    from toolkit.component import WeightFile


class PyiqaMetric:
    """One of pyiqa's metrics; pyiqa, torch and the weights are loaded at the first call.

    Args:
        name: As in `pyiqa.list_models()`.
        protocol: What the figure depends on, in words.
        files: Its weights; without any, pyiqa's own cache has to hold what it needs.

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
        """Scores `[b, 3, h, w]`, in [0, 1], as `[b]`; what lies outside the range is clamped.

        Raises:
            DataError: A needed reference is missing or differs in size, a pixel is NaN or
                infinite, or pyiqa cannot score the image.
            WeightsError: Weights are not to be had, or are not tensors alone.
        """
        from toolkit_pyiqa.scoring import score

        return score(self._model, self._name, sr, hr if self.needs_reference else None)

    @cached_property
    def _model(self) -> Any:
        from toolkit_pyiqa.networks import build

        return build(self._name, self._files)
