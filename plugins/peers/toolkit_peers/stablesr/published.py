"""StableSR's published weight files."""

from __future__ import annotations

from toolkit.plugin import WeightFile

_LICENCE = "LicenseRef-S-Lab-1.0"
_RESTRICTED = "commercial use"
MAIN = WeightFile(
    name="stablesr_000117.ckpt",
    sha256="",
    size=6_481_647_231,
    licence=_LICENCE,
    page="https://huggingface.co/Iceclear/StableSR",
    by_name=True,
    restricted=_RESTRICTED,
)
"""All networks but the second autoencoder, Stable Diffusion's among them."""
FUSION = WeightFile(
    name="vqgan_cfw_00011.ckpt",
    sha256="",
    size=959_719_471,
    licence=_LICENCE,
    page="https://huggingface.co/Iceclear/StableSR",
    by_name=True,
    restricted=_RESTRICTED,
)
"""The autoencoder with fusions, and networks of its training, which are not used."""
