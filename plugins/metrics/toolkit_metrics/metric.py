"""A metric that loads its implementation at the first call.

An evaluation with cached scores needs only names, directions and fingerprints.
"""

from __future__ import annotations

from functools import cached_property
from importlib.metadata import version
from typing import TYPE_CHECKING, Literal, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from torch import Tensor

    Score: TypeAlias = Callable[[Tensor, Tensor | None], Tensor]

DISTRIBUTION = "restoration-toolkit-metrics"


class LazyMetric:
    """A metric with static attributes and a loader for the implementation.

    Args:
        direction: Whether higher or lower is better.
        load: Imports torch, reads weights, and returns the function of (sr, hr).
        needs_reference: Whether that function needs hr.
        fingerprint: What scores depend on, besides this distribution and its version.
    """

    def __init__(
        self,
        direction: Literal["higher", "lower"],
        load: Callable[[], Score],
        *,
        needs_reference: bool = True,
        fingerprint: Mapping[str, str],
    ) -> None:
        self.direction: Literal["higher", "lower"] = direction
        self.needs_reference = needs_reference
        self.fingerprint: Mapping[str, str] = {
            "library": DISTRIBUTION,
            "version": version(DISTRIBUTION),
            **fingerprint,
        }
        self._load = load

    def __call__(self, sr: Tensor, hr: Tensor | None = None) -> Tensor:
        """Scores `[b, 3, h, w]`, clamped to [0, 1], as `[b]`.

        Raises:
            DataError: There is no reference, sizes differ, images are too small, or pixels are NaN
                or infinite.
            WeightsError: Weights cannot be obtained, at the first call.
        """
        return self._score(sr, hr)

    @cached_property
    def _score(self) -> Score:
        return self._load()
