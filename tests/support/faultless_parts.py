"""As little as a component of each kind needs, without a fault."""

import torch
from torch import nn

from toolkit.interfaces import Prediction, Sample
from toolkit.modules import TrainableModule


def image(*shape):
    return torch.rand(shape, generator=torch.Generator().manual_seed(0))


class Generator(TrainableModule):
    """A gain; its latents are small images."""

    scale, multiple, fingerprint = 4, 1, "a fingerprint of 24 signs"

    def __init__(self):
        super().__init__()
        self.gain = nn.Parameter(torch.ones(1))

    def predict(self, lr):
        image = nn.functional.interpolate(lr, scale_factor=4) * self.gain
        return Prediction(image.clamp(0, 1), lr * self.gain)

    def encode(self, hr):
        return nn.functional.avg_pool2d(hr, 4)

    def as_restorer(self):
        return Restorer()


class Judge(TrainableModule):
    """A convolution of images."""

    judges = "images"

    def __init__(self):
        super().__init__()
        self.network = nn.Conv2d(3, 1, 3, padding=1)

    def logits(self, x, rng):
        return self.network(x)


class Loss:
    def __call__(self, prediction, target):
        return (prediction - target).square().flatten(1).mean(1)

    def to(self, device):
        pass


class Degradation:
    scale = 4

    def __call__(self, hr, rng):
        return hr[:, ::4, ::4].clone()

    def target(self, hr):
        return hr


class Dataset:
    name, skipped = "images", ()

    def __len__(self):
        return 2

    def __getitem__(self, index):
        return Sample(f"image {index}", image(3, 64, 64))


class Metric:
    direction, needs_reference = "lower", True

    def __init__(self):
        self.fingerprint = {"version": "1"}

    def __call__(self, sr, hr=None):
        return (sr - hr).abs().mean((1, 2, 3))


class Restorer:
    name, scale = "enlarged", 4

    def __call__(self, lr):
        return nn.functional.interpolate(lr, scale_factor=4)

    def to(self, device):
        pass


class Tracker:
    def begin(self, folder, recipe, step):
        pass

    image = begin

    def log(self, step, values):
        pass

    def end(self, state):
        pass


GOOD = {
    "generator": Generator, "discriminator": Judge, "loss": Loss, "degradation": Degradation,
    "dataset": Dataset, "metric": Metric, "restorer": Restorer, "tracker": Tracker,
}  # fmt: skip
