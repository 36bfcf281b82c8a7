"""Published weight files of ResShift and SinSR.

A SHA-256 is given where two independent listings agree. Other files are not downloaded; the user
supplies them.
"""

from __future__ import annotations

from toolkit.plugin import Mirrors, WeightFile

_RESSHIFT = "https://github.com/zsyOAOA/ResShift/releases"
_SINSR = "https://github.com/wyf0912/SinSR/releases"
_NOT_COMMERCIAL = "commercial use"
RESSHIFT_LICENCE = "LicenseRef-S-Lab-1.0"
SINSR_LICENCE = "CC-BY-NC-SA-4.0"


def _unet(name: str, page: str, licence: str) -> WeightFile:
    return WeightFile(
        name=name,
        sha256="",
        size=478_000_000,
        licence=licence,
        page=page,
        by_name=True,
        restricted=_NOT_COMMERCIAL,
    )


RESSHIFT = {
    version: _unet(
        f"resshift_realsrx4_s15_{version}.pth", f"{_RESSHIFT}/tag/v2.0", RESSHIFT_LICENCE
    )
    for version in ("v1", "v2")
}
"""ResShift's U-Net, by version."""
SINSR = {
    version: _unet(f"SinSR_{version}.pth", f"{_SINSR}/tag/v1.0", SINSR_LICENCE)
    for version in ("v1", "v2")
}
"""SinSR's U-Net, by version."""
AUTOENCODER = WeightFile(
    name="autoencoder_vq_f4.pth",
    sha256="e967eaa2c380152811c53e312990d6967a8a957c4f7590f19490ec72110b2889",
    size=221_364_711,
    licence=RESSHIFT_LICENCE,
    sources=(Mirrors(urls=(f"{_RESSHIFT}/download/v2.0/autoencoder_vq_f4.pth",)),),
    by_name=True,
    restricted=_NOT_COMMERCIAL,
)
"""The autoencoder of both systems."""
