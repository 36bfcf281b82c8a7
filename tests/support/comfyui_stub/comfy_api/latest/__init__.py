"""The V3 API."""

from abc import ABC, abstractmethod

from . import _io as io

__all__ = ["ComfyExtension", "io"]


class ComfyExtension(ABC):
    async def on_load(self):  # noqa: B027 - as in ComfyUI
        """Called when the extension is loaded."""

    @abstractmethod
    async def get_node_list(self):
        """Returns the classes of the nodes."""
