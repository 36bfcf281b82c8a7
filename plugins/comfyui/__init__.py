"""Makes this folder a package of custom nodes, which ComfyUI imports."""

from .toolkit_comfyui import comfy_entrypoint

__all__ = ["comfy_entrypoint"]
