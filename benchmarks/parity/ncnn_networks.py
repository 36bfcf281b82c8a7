"""Whether the networks that are read from ncnn's files do what ncnn itself does with them.

Each enlarges the same part of a held-out photograph once in torch and once in ncnn's own runtime
(`pip install ncnn`), in single precision: the largest and the mean difference, in 8-bit levels.
"""

from __future__ import annotations

import argparse
import sys
from dataclasses import replace
from pathlib import Path

import ncnn
import numpy as np
import torch
from torch import Tensor

from toolkit_restorers.published import REALSR_JPEG, SPAN_X4, X4PLUS

sys.path.insert(0, str(Path(__file__).parents[1] / "speed"))

from side_by_side import document, save

import toolkit
from toolkit import weights
from toolkit.images import bicubic_resize
from toolkit.weights import PackageMember, WeightFile

LIBRARIES = ("torch", "ncnn", "restoration-toolkit-restorers")
FILES = {"real-esrgan": X4PLUS, "realsr-jpeg": REALSR_JPEG, "span": SPAN_X4}
_GRAPHS = {
    "real-esrgan": ("35330ececcea33b6c397a72548e788d5d53becee4734c50b7fada36e89f10a86", 116_029),
    "realsr-jpeg": ("a7f31e75518ad279c179202bf77da9eca3141124a67e5261d97235849e6cc323", 115_993),
    "span": ("d2a0eef1f46be4a76611bdf828305081642c2f004d40c844081d5af0a9633bd8", 10_995),
}
"""SHA-256 and size of the `.param` file beside each."""
_HALF = ("use_fp16_packed", "use_fp16_storage", "use_fp16_arithmetic", "use_bf16_storage")
_LEVELS = 0.5


def main() -> None:
    """Compares all, prints the differences, and fails where one would show in an 8-bit image."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--side", type=int, default=96, help="of the LR image, in pixels")
    parser.add_argument("--out", type=Path, help="where to keep the figures, as JSON")
    args = parser.parse_args()
    lr = photograph(args.side)
    found = {}
    for name, file in FILES.items():
        restorer = toolkit.make("restorer", name)
        levels = 255 * (restorer(lr) - by_ncnn(graph_of(name), file, lr).clamp(0, 1)).abs()
        found[name] = {"largest": levels.max().item(), "mean": levels.mean().item()}
        print(f"{name:12} differs by at most {levels.max():.4f} levels, {levels.mean():.5f} mean")
    save(args.out, document("ncnn", LIBRARIES, settings={"side": args.side}, levels=found))
    if max(each["largest"] for each in found.values()) >= _LEVELS:
        sys.exit("They differ.")


def photograph(side: int) -> Tensor:
    """The middle of a held-out photograph, reduced: `[1, 3, side, side]`, in [0, 1]."""
    hr = toolkit.make("dataset", "photos:heldout")[0].hr[None]
    top, left = ((length - 4 * side) // 2 for length in hr.shape[2:])
    part = hr[:, :, top : top + 4 * side, left : left + 4 * side]
    return bicubic_resize(part, (side, side)).clamp(0, 1)


def graph_of(name: str) -> WeightFile:
    """The `.param` file that lies beside the weights, in the same package."""
    file, (sha256, size) = FILES[name], _GRAPHS[name]
    [source] = file.sources
    assert isinstance(source, PackageMember)
    beside = replace(source, member=source.member.removesuffix(".bin") + ".param")
    name = file.name.removesuffix(".bin") + ".param"
    return replace(file, name=name, sha256=sha256, size=size, sources=(beside,))


def by_ncnn(graph: WeightFile, file: WeightFile, lr: Tensor) -> Tensor:
    """What ncnn makes of `[1, 3, h, w]`, not clipped."""
    network = ncnn.Net()
    network.opt.num_threads = torch.get_num_threads()
    for option in _HALF:
        setattr(network.opt, option, False)
    network.load_param(str(weights.fetch(graph, siblings=(file,))))
    network.load_model(str(weights.fetch(file)))
    image = np.ascontiguousarray(lr[0].numpy())  # which ncnn.Mat reads, but does not hold
    extractor = network.create_extractor()
    extractor.input("data", ncnn.Mat(image))
    failed, result = extractor.extract("output")
    if failed:
        sys.exit(f"ncnn could not run {graph.name}.")
    return torch.from_numpy(np.array(result))[None]


if __name__ == "__main__":
    main()
