"""basicsr 1.4.2's own training pipeline, run as it is, on the processor.

The package is fetched once by pip, by its SHA-256, into the toolkit's cache. Nothing of it is
changed; a module that newer versions of torchvision lack is lent to it, and its JPEG's result is
laid out as the code after it expects.
"""

from __future__ import annotations

import random
import shutil
import sys
import tarfile
import tempfile
import types
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torchvision.transforms.functional as transforms
from torch import Tensor

from toolkit.files import appearing_folder
from toolkit.weights import PackageMember
from toolkit.weights.cache import home
from toolkit.weights.packages import download

_SOURCE = PackageMember(
    package="basicsr==1.4.2",
    sha256="b89b595a87ef964cda9913b4d99380ddb6554c965577c0c10cb7b78e31301e87",
    member="",
)
X4PLUS: dict[str, Any] = {
    "scale": 4,
    "resize_prob": [0.2, 0.7, 0.1],
    "resize_range": [0.15, 1.5],
    "gaussian_noise_prob": 0.5,
    "noise_range": [1, 30],
    "poisson_scale_range": [0.05, 3],
    "gray_noise_prob": 0.4,
    "jpeg_range": [30, 95],
    "second_blur_prob": 0.8,
    "resize_prob2": [0.3, 0.4, 0.3],
    "resize_range2": [0.3, 1.2],
    "gaussian_noise_prob2": 0.5,
    "noise_range2": [1, 25],
    "poisson_scale_range2": [0.05, 2.5],
    "gray_noise_prob2": 0.4,
    "jpeg_range2": [30, 95],
    "blur_kernel_size": 21,
    "kernel_list": [
        "iso", "aniso", "generalized_iso", "generalized_aniso", "plateau_iso", "plateau_aniso",
    ],
    "kernel_prob": [0.45, 0.25, 0.12, 0.03, 0.12, 0.03],
    "sinc_prob": 0.1,
    "blur_sigma": [0.2, 3],
    "betag_range": [0.5, 4],
    "betap_range": [1, 2],
    "blur_kernel_size2": 21,
    "kernel_list2": [
        "iso", "aniso", "generalized_iso", "generalized_aniso", "plateau_iso", "plateau_aniso",
    ],
    "kernel_prob2": [0.45, 0.25, 0.12, 0.03, 0.12, 0.03],
    "sinc_prob2": 0.1,
    "blur_sigma2": [0.2, 1.5],
    "betag_range2": [0.5, 4],
    "betap_range2": [1, 2],
    "final_sinc_prob": 0.8,
}  # fmt: skip
"""Of options/train_realesrgan_x4plus.yml, typed in again, so that a slip in ours would show."""


def make_importable() -> None:
    """Puts basicsr on the path; fetches it where the cache lacks it."""
    folder = home() / "benchmarks" / "basicsr-1.4.2"
    if not folder.is_dir():
        with tempfile.TemporaryDirectory() as temporary, appearing_folder(folder) as appearing:
            archive = download(_SOURCE, Path(temporary), lambda _bytes: None)
            with tarfile.open(archive) as opened:
                opened.extractall(temporary, filter="data")
            shutil.copytree(Path(temporary) / folder.name, appearing, dirs_exist_ok=True)
    lent = types.ModuleType("torchvision.transforms.functional_tensor")
    lent.rgb_to_grayscale = transforms.rgb_to_grayscale  # type: ignore[attr-defined]
    sys.modules.setdefault(lent.__name__, lent)
    if str(folder) not in sys.path:
        sys.path.append(str(folder))


class Published:
    """The data code's kernels, and the model code's degradation, of x4plus.

    Args:
        size: Side of the HR crops.
    """

    def __init__(self, size: int) -> None:
        make_importable()
        from basicsr.data import realesrgan_dataset
        from basicsr.models import realesrgan_model
        from basicsr.utils.diffjpeg import DiffJPEG
        from basicsr.utils.img_process_util import USMSharp

        self._options = {**X4PLUS, "gt_size": size}
        dataset: Any = realesrgan_dataset.RealESRGANDataset
        self._dataset = _lent_files(dataset, self._options)
        model: Any = realesrgan_model.RealESRGANModel
        self._model = model.__new__(model)
        self._model.opt = self._options
        self._model.device = torch.device("cpu")
        self._model.is_train = True
        self._model.usm_sharpener = USMSharp()
        self._jpeger = DiffJPEG(differentiable=False)
        self._model.jpeger = self._jpeg
        self.on_jpeg: Callable[[Tensor], None] | None = None
        self.lr_side = size // X4PLUS["scale"]
        # The pool mixes the pairs of several batches; here every batch is looked at by itself.
        self._model._dequeue_and_enqueue = lambda: None  # noqa: SLF001

    def kernels(self, count: int) -> dict[str, Tensor]:
        """Kernels for a batch, as the data code draws them."""
        drawn = [self._dataset[0] for _ in range(count)]
        names = ("kernel1", "kernel2", "sinc_kernel")
        return {name: torch.stack([each[name] for each in drawn]) for name in names}

    def __call__(self, hr: Tensor, kernels: dict[str, Tensor]) -> Tensor:
        """`[b, 3, size, size]` to `[b, 3, size/4, size/4]`."""
        self._model.feed_data({"gt": hr, **kernels})
        lr: Tensor = self._model.lq
        return lr

    def _jpeg(self, images: Tensor, quality: Tensor) -> Tensor:
        if self.on_jpeg:
            self.on_jpeg(quality.clone())
        # Today's torch keeps the order in which channels lie, which the next filter cannot view.
        return self._jpeger(images, quality=quality).contiguous()  # type: ignore[no-any-return]


def seed_published(seed: int) -> None:
    """Seeds the three global generators that basicsr draws from."""
    random.seed(seed)
    np.random.seed(seed)  # noqa: NPY002
    torch.manual_seed(seed)


def _lent_files(dataset: Any, options: dict[str, Any]) -> Any:
    """The dataset, with a tiny image in place of files: only its kernels are wanted."""
    import cv2

    made = dataset.__new__(dataset)
    made.opt = {**options, "use_hflip": False, "use_rot": False}
    for name, value in options.items():
        setattr(made, name, value)
    png = cv2.imencode(".png", np.zeros((400, 400, 3), np.uint8))[1].tobytes()
    made.file_client = types.SimpleNamespace(get=lambda _path, _key: png)
    made.paths = ["lent"]
    made.kernel_range = [2 * half + 1 for half in range(3, 11)]
    made.pulse_tensor = torch.zeros(21, 21)
    made.pulse_tensor[10, 10] = 1
    return made
