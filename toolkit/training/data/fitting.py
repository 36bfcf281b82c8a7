"""What a photograph must be to take crops from it."""

from __future__ import annotations

from toolkit.interfaces import Sample

_CROPS = (512, 384, 256, 192, 128, 96, 64, 48, 32, 16)
"""Crop sizes that error messages suggest."""


class Fitting:
    """Says whether photographs can be used, and what to do if none can.

    Args:
        crop: Side of an HR crop in pixels.
        scale: HR pixels per LR pixel along each side.
        recorded: Whether the dataset must have LR images.
    """

    def __init__(self, crop: int, scale: int, *, recorded: bool) -> None:
        self._crop, self._scale, self._recorded = crop, scale, recorded
        self._largest = 0  # of the shorter sides that were met

    def why_not(self, photo: Sample) -> str:
        """Returns why a photograph cannot be used; empty if it can."""
        height, width = photo.hr.shape[1:]
        self._largest = max(self._largest, min(height, width))
        if min(height, width) < self._crop:
            return f"{width}x{height} px is smaller than a crop of {self._crop} px"
        if not self._recorded:
            return ""
        if photo.lr is None:
            return "it has no recorded LR image"
        scale = self._scale
        if tuple(photo.lr.shape[1:]) != (height // scale, width // scale):
            lr_height, lr_width = photo.lr.shape[1:]
            return f"its LR image has {lr_width}x{lr_height} px, not 1/{scale} of {width}x{height}"
        return ""

    def way_out(self) -> str:
        """Returns what to do if none of the photographs so far could be used."""
        if self._recorded:
            return (
                "Give pairs of at least one crop: --data pairs:DIR, "
                "or have LR made: --degradation realesrgan"
            )
        fitting = [crop for crop in _CROPS if crop < self._crop and crop <= self._largest]
        smaller = f", or smaller crops: --set train.crop={fitting[0]}" if fitting else ""
        return f"Give larger images{smaller}" if self._largest else "Give images that can be read"
