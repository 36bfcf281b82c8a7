"""Registers metrics of pyiqa, whose licence, PolyForm Noncommercial, forbids commercial use."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from pydantic import Field

from toolkit.plugin import Component, Context, Mirrors, Options, WeightFile, hookimpl

if TYPE_CHECKING:
    from collections.abc import Iterator

    from toolkit.plugin import Metric

LICENCE = "PolyForm-Noncommercial-1.0.0"
_HUB = "https://huggingface.co/chaofengc/IQA-PyTorch-Weights/resolve/main"
_RELEASE = "https://github.com/chaofengc/IQA-PyTorch/releases/download/v0.1-weights"
_RN50 = "afeb0e10f9e5a86da6080e35cf09123aca3b358a0c3e3b6c78a7b63bc04b6762"


def _iqa_pytorch(name: str, sha256: str, size: int) -> WeightFile:
    """Returns a file in pyiqa's collection, with both of its URLs."""
    mirrors = Mirrors(urls=(f"{_HUB}/{name}", f"{_RELEASE}/{name}"))
    return WeightFile(name=name, sha256=sha256, size=size, licence=LICENCE, sources=(mirrors,))


MUSIQ = _iqa_pytorch(
    "musiq_koniq_ckpt-e95806b9.pth",
    "e95806b9eae5f3814c410f574ba8e552362bd5bc63d758ed5b97860f5d6185aa",
    108_610_983,
)
# Only the digits of the SHA-256 in the file name are published.
MANIQA = _iqa_pytorch("MANIQA_PIPAL-ae6d356b.pth", "ae6d356b", 543_335_435)
CLIP_RN50 = WeightFile(
    name="CLIP-RN50.pt",
    sha256=_RN50,
    size=255_827_503,
    licence="MIT",
    sources=(Mirrors(urls=(f"https://openaipublic.azureedge.net/clip/models/{_RN50}/RN50.pt",)),),
)


class NamedOptions(Options):
    """Options of `pyiqa`."""

    name: str = Field(min_length=1)
    """Name of the metric in `pyiqa.list_models()`."""


@hookimpl
def toolkit_components() -> Iterator[Component]:
    """The components of this plugin."""
    yield Component(
        kind="metric",
        name="musiq",
        summary="MUSIQ, trained on KonIQ; no reference; non-commercial",
        build=partial(_fixed, "musiq", "MUSIQ KonIQ-10k, whole images at three scales", (MUSIQ,)),
        paper="J. Ke et al., MUSIQ: Multi-scale Image Quality Transformer, 2021",
        licence=LICENCE,
        weights=(MUSIQ,),
    )
    yield Component(
        kind="metric",
        name="maniqa",
        summary="MANIQA, trained on PIPAL; no reference; non-commercial",
        build=partial(_fixed, "maniqa-pipal", _MANIQA_PROTOCOL, (MANIQA,)),
        paper="S. Yang et al., MANIQA: Multi-dimension Attention for No-Reference IQA, 2022",
        licence=LICENCE,
        weights=(MANIQA,),
    )
    yield Component(
        kind="metric",
        name="clipiqa",
        summary="CLIP-IQA (not +), CLIP RN50; no reference; non-commercial",
        build=partial(_fixed, "clipiqa", _CLIPIQA_PROTOCOL, (CLIP_RN50,)),
        paper="J. Wang et al., Exploring CLIP for Assessing the Look and Feel of Images, 2023",
        licence=LICENCE,
        weights=(CLIP_RN50,),
    )
    yield Component(
        kind="metric",
        name="pyiqa",
        summary="Any other metric of pyiqa, as pyiqa:NAME; non-commercial",
        options=NamedOptions,
        variant="name",
        build=_named,
        licence=LICENCE,
        tiny={"name": "psnr"},
    )


_MANIQA_PROTOCOL = (
    "MANIQA PIPAL, mean of 20 crops of 224 px, uniform (random before pyiqa 0.1.12), images of at "
    "most 224 px enlarged"
)
_CLIPIQA_PROTOCOL = "CLIP-IQA RN50, whole images, five pairs of prompts, no positional embedding"


def _fixed(
    name: str, protocol: str, files: tuple[WeightFile, ...], _options: Options, _context: Context
) -> Metric:
    from toolkit_pyiqa.metric import PyiqaMetric

    return PyiqaMetric(name, protocol, files)


def _named(options: NamedOptions, _context: Context) -> Metric:
    from toolkit_pyiqa.metric import PyiqaMetric

    return PyiqaMetric(options.name, "pyiqa's defaults")
