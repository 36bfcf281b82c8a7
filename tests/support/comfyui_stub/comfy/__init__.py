"""As much of ComfyUI as nodes of the V3 schema use; see `comfy_api`."""
