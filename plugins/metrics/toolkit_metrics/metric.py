"""A metric that knows itself without loading anything: its figures' code comes at the first call.

An evaluation whose figures are all cached asks for names, directions and fingerprints alone.
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
    """A metric made of what is known at once and a loader for the rest.

    Args:
        direction: Which is better.
        load: Imports torch, reads weights, and gives the function of (sr, hr).
        needs_reference: Whether that function needs hr.
        fingerprint: What the figure depends on beyond this distribution and its version.
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
        """Scores `[b, 3, h, w]`, in [0, 1], as `[b]`; what lies outside the range is clamped.

        Raises:
            DataError: The images cannot be scored: no reference, unequal sizes, too small, or
                pixels that are NaN or infinite.
            WeightsError: Weights are not to be had, at the first call.
        """
        return self._score(sr, hr)

    @cached_property
    def _score(self) -> Score:
        return self._load()
