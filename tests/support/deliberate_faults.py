"""A plugin of components with one deliberate fault each, beside one of each kind without any.

Its one common fault is the import of torch at its top.
"""

import random
from dataclasses import dataclass
from typing import Any

import torch
from faultless_parts import (
    GOOD,
    Dataset,
    Degradation,
    Generator,
    Judge,
    Loss,
    Metric,
    Restorer,
    Tracker,
    image,
)
from torch import nn

from toolkit.component import Component, Options
from toolkit.errors import CheckpointError
from toolkit.hookspecs import hookimpl
from toolkit.interfaces import Prediction, Sample
from toolkit.weights import WeightFile


class Frozen(Judge):
    def __init__(self):
        super().__init__()
        self.unused = nn.Parameter(torch.zeros(1))


class Partial(Judge):
    def state(self):
        return {"network.weight": self.network.weight.detach()}


class Forgetful(Judge):
    def load_state(self, state):
        if state.keys() != self.state().keys():
            raise CheckpointError("other names")


class Lenient(Judge):
    def load_state(self, state):
        self.load_state_dict(state, strict=False)


class LeftBehind(Loss):
    def __init__(self):
        self.weight = torch.ones(3, 1, 1)

    def __call__(self, prediction, target):
        return super().__call__(prediction * self.weight, target * self.weight)


class Full(Generator):
    """Has values although none are asked for."""

    def __init__(self):
        super().__init__()
        self.gain = nn.Parameter(torch.ones(1, device="cpu"))


class Backbone:
    """What ships, but for a member."""

    def __init__(self, context, **own):
        self.inner = context.make("backbone", "pocket")
        self.__dict__.update(own)

    def __getattr__(self, name):
        return getattr(self.inner, name)


class Unloadable(Backbone):
    def unet(self, *, shared=False):
        raise KeyError("conv_in")


class Unhollow(Restorer):
    """Reads values although shapes suffice."""

    def __init__(self):
        self.network = nn.Conv2d(3, 3, 1)
        self.network.weight.detach().numpy()


def changed(kind, **members):
    """Builds an object of a class of which these methods are others."""
    return lambda *_: type(kind.__name__, (kind,), members)()


def loss(work):
    return changed(Loss, __call__=lambda _self, sr, hr: work(sr - hr, hr))


def judge(work):
    def logits(self, x, rng):
        return work(Judge.logits(self, x, rng))

    return changed(Judge, logits=logits)


def generator(work):
    return changed(Generator, predict=lambda self, lr: work(*Generator.predict(self, lr), lr))


def degradation(work):
    return changed(Degradation, __call__=lambda _self, hr, rng: work(hr[:, ::4, ::4]))


def dataset(sample):
    return changed(Dataset, __getitem__=lambda _self, index: sample(index))


class Undocumented(Options):
    width: int = 1


FILE = WeightFile(name="net.pth", sha256="0" * 64, size=1, licence="", page="https://example.org")
OWN = random.Random(0)


@dataclass(frozen=True)
class Fault:
    """A component with a fault.

    Attributes:
        kind: Its kind.
        name: Its name.
        build: Builds it.
        check: The check that finds it.
        told: What the check says of it.
        crossed: What a command says that uses it; empty if only the checks can find it.
        more: Further fields of the component.
    """

    kind: str
    name: str
    build: Any
    check: str
    told: str
    crossed: str = "as told"
    more: Any = None

    @property
    def in_use(self):
        return self.told if self.crossed == "as told" else self.crossed


FAULTS = [
    Fault("discriminator", "flat", judge(lambda x: x.mean((1, 2, 3))), "shapes",
          r"returned a tensor \[\d\] of float32 as logits, not a float tensor \[\d, 1, …\]"),
    Fault("discriminator", "detached", judge(lambda x: x.detach()), "gradients",
          "returned logits without a gradient to"),
    Fault("discriminator", "nan", judge(lambda x: x * torch.nan), "shapes",
          "returned logits with values that are not finite",
          r"this is not finite: .*, from the discriminator 'nan' of deliberate-faults"),
    Fault("discriminator", "noisy", judge(lambda x: x + torch.randn_like(x)), "determinism",
          "logits must be the same again for the same rng", ""),
    Fault("discriminator", "unused", lambda *_: Frozen(), "gradients",
          r"no gradient reaches the trainable parameters \['unused'\]", ""),
    Fault("discriminator", "partial", lambda *_: Partial(), "state",
          r"returned a state\(\) without its parameter network.bias"),
    Fault("discriminator", "forgetful", lambda *_: Forgetful(), "state",
          r"did not restore 'network.weight' in load_state\(\)"),
    Fault("discriminator", "lenient", lambda *_: Lenient(), "state",
          "must raise CheckpointError if a name is missing", ""),
    Fault("loss", "scalar", loss(lambda x, _: x.square().mean()), "shapes",
          r"returned a tensor \[\] of float32 as a distance of each image, not a float tensor"),
    Fault("loss", "half", loss(lambda x, _: x.square().flatten(1).mean(1).half()), "precision",
          "returned distances of float16, not of float32"),
    Fault("loss", "elsewhere", loss(lambda x, _: x.square().flatten(1).mean(1).to("meta")),
          "shapes", "returned a distance of each image on meta, not on cpu"),
    Fault("loss", "undefined", loss(lambda x, hr: (x / hr.std()).square().flatten(1).mean(1)),
          "shapes", "returned distances that are not finite for flat images", ""),
    Fault("loss", "root", loss(lambda x, _: x.square().sum((1, 2, 3)).sqrt()), "gradients",
          "gradients must be finite; for flat images they are not", ""),
    Fault("loss", "nan", loss(lambda x, _: x.square().flatten(1).mean(1) * torch.nan), "shapes",
          "returned distances that are not finite",
          "this is not finite: .*, from the loss 'nan' of deliberate-faults"),
    Fault("loss", "left-behind", lambda *_: LeftBehind(), "devices",
          "a call mixes devices, as some tensor stays behind", ""),
    Fault("loss", "class", lambda *_: Loss, "contract",
          "its `build` returned the class Loss, not an object of it; did it forget to call it"),
    Fault("loss", "nothing", lambda *_: None, "contract", "its `build` returned None"),
    Fault("degradation", "small", degradation(lambda lr: lr[:, ::2, ::2]), "shapes",
          r"of float32 as LR, not a float tensor"),
    Fault("degradation", "bright", degradation(lambda lr: 255 * lr), "shapes",
          r"returned LR of \S+ to \S+, not in \[0, 1\]"),
    Fault("degradation", "own-draws", degradation(lambda lr: lr * OWN.random()), "determinism",
          "only the stream may determine LR",
          "returned another LR image for the same image and stream"),
    Fault("dataset", "bytes", dataset(lambda _: Sample("a", (255 * image(3, 64, 64)).byte())),
          "shapes", r"returned a tensor \[3, 64, 64\] of uint8 as a Sample's hr"),
    Fault("dataset", "bright", dataset(lambda _: Sample("a", 255 * image(3, 64, 64))), "shapes",
          r"returned a Sample's hr of \S+ to \S+, not in \[0, 1\]"),
    Fault("dataset", "nothing", dataset(lambda _: None), "shapes",
          "returned None, not a Sample of name, hr, lr"),
    Fault("metric", "column", changed(Metric, __call__=lambda _, sr, hr: sr.mean((1, 2))),
          "shapes", r"as a figure of each image, not a tensor \[\d\]"),
    Fault("metric", "worse", changed(Metric, direction="higher"), "shapes",
          "equal images must score better than different ones", ""),
    Fault("metric", "better", changed(Metric, direction="better"), "contract",
          "its 'direction' is 'better', not 'higher' or 'lower'"),
    Fault("restorer", "as-small", changed(Restorer, __call__=lambda _, lr: lr), "shapes",
          r"of float32 as SR, not a float tensor"),
    Fault("restorer", "nan", changed(Restorer, __call__=lambda _, lr: 0 / 0 * lr
          if not lr.numel() else torch.full((*lr.shape[:2], 4 * lr.shape[2], 4 * lr.shape[3]),
          torch.nan)), "shapes", "returned SR with values that are not finite"),
    Fault("restorer", "fraction", changed(Restorer, scale="4"), "contract",
          "its 'scale' is '4', not a number from 1"),
    Fault("generator", "half-size", generator(lambda sr, z, _: Prediction(sr[..., ::2, ::2], z)),
          "shapes", r"of float32 as an image, not a float tensor"),
    Fault("generator", "still", generator(lambda sr, z, _: Prediction(sr.detach(), z.detach())),
          "gradients", "returned an image without a gradient to its trainable parameters"),
    Fault("generator", "nan", generator(lambda sr, z, _: Prediction(sr * torch.nan, z)), "shapes",
          "returned an image with values that are not finite",
          "this is not finite: .*, from the generator 'nan' of deliberate-faults"),
    Fault("generator", "no-restorer", changed(Generator, as_restorer=lambda _: None), "restorer",
          "its `as_restorer` returned None", ""),
    Fault("generator", "full", lambda *_: Full(), "meta",
          "'gain' of .* has values on cpu although `context.read_weights` is false", ""),
    Fault("restorer", "unhollow", lambda *_: Unhollow(), "meta",
          "cannot be built on the meta device.*read no files", ""),
    Fault("backbone", "text", lambda _, context: Backbone(context, latent_channels="16"),
          "contract", "its 'latent_channels' is '16', not a number from 1"),
    Fault("backbone", "unloadable", lambda _, context: Unloadable(context), "shapes",
          "failed with KeyError: 'conv_in'",
          "failed with KeyError: 'conv_in', called by the generator 'one-step' of restoration-"),
    Fault("tracker", "deaf", changed(Tracker, log=lambda *_: 1 / 0), "tracking",
          "failed with ZeroDivisionError"),
    Fault("metric", "undocumented", lambda *_: Metric(), "options",
          "option 'width' needs a docstring below it", "", {"options": Undocumented}),
    Fault("metric", "unlicensed", lambda *_: Metric(), "licences",
          "the weight file 'net.pth' has no licence", "", {"weights": (FILE,)}),
    Fault("metric", "wordy", lambda *_: Metric(), "description",
          "the summary has 100 characters; the list has room for 60", "", {"summary": "x" * 100}),
]  # fmt: skip


@hookimpl
def toolkit_components():
    for kind, build in GOOD.items():
        yield Component(
            kind=kind, name="good", summary="Without a fault", build=lambda *_, made=build: made()
        )
    for fault in FAULTS:
        given = {"summary": "At fault", **(fault.more or {})}
        yield Component(kind=fault.kind, name=fault.name, build=fault.build, **given)
