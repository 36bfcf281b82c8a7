"""Peak signal-to-noise ratio."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from toolkit_metrics.pairs import Colour, comparable, fingerprint, protocol

if TYPE_CHECKING:
    from collections.abc import Mapping

    from torch import Tensor

_FLOOR = 1e-8


class Psnr:
    """10 log10(255² / (MSE + 1e-8)), in dB; so equal images score 128.13 and not infinity.

    The addend is pyiqa's, and without effect on any other score.

    Example:
        >>> import torch
        >>> grey = torch.full((1, 3, 8, 8), 0.5)
        >>> round(Psnr("rgb")(grey, grey + 1 / 255).item(), 2)  # 20 log10(255)
        48.13
    """

    direction: Literal["higher", "lower"] = "higher"
    needs_reference = True

    def __init__(self, colour: Colour = "y", border: int = 0) -> None:
        self.colour: Colour = colour
        self.border = border
        self.fingerprint: Mapping[str, str] = fingerprint(protocol(colour, border))

    def __call__(self, sr: Tensor, hr: Tensor | None = None) -> Tensor:
        """Scores `[b, 3, h, w]`, in [0, 1], as `[b]`, float64, in dB.

        Raises:
            DataError: There is no reference, or its size differs.
        """
        first, second = comparable(sr, hr, self.colour, self.border)
        error = (first - second).square_().mean(dim=(1, 2, 3))
        return 10 * (255**2 / (error + _FLOOR)).log10()
