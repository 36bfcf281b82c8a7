"""The tests run with a stub of ComfyUI's API, or with ComfyUI itself, if COMFYUI is its folder."""

import os
import sys
import warnings
from pathlib import Path

STUB = Path(__file__).parents[2] / "support" / "comfyui_stub"

if folder := os.environ.get("COMFYUI"):
    sys.path.insert(0, folder)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from comfy.cli_args import args

        args.cpu = True
        import comfy_api.latest  # noqa: F401
else:
    sys.path.insert(0, str(STUB))
