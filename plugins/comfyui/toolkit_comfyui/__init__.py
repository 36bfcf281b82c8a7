"""Every restorer of the toolkit as a node of ComfyUI.

Imports within this package are relative, as ComfyUI loads it by its path.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .nodes import Extension

__all__ = ["comfy_entrypoint"]


async def comfy_entrypoint() -> Extension:
    """Returns the nodes; ComfyUI calls it when it starts."""
    from .nodes import Extension

    return Extension()
