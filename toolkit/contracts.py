"""How the core calls plugins' objects: what comes back is checked against the contract.

What does not fit `toolkit.interfaces` is told at once, by an error that names component and
distribution, instead of by a traceback from somewhere else, or never. Types, shapes and gradients
are looked at in each call, which takes microseconds; the values, for which a GPU would have to be
waited for, in an object's first call alone. An object that no registry made is not checked.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from toolkit.errors import ComponentError
from toolkit.expectations import (
    expect,
    expect_float32,
    expect_gradient,
    expect_members,
    expect_range,
    maps,
)
from toolkit.interfaces import Prediction
from toolkit.makers import Maker, admit, border, described, maker_of
from toolkit.precision import at_least_float32, call_context

if TYPE_CHECKING:
    import torch
    from torch import Tensor, nn

    from toolkit.interfaces import (
        Dataset,
        Degradation,
        Discriminator,
        Generator,
        Metric,
        PerceptualLoss,
        Restorer,
        Sample,
        Trainable,
    )

_ROUNDING = 1e-3
"""How far a value may leave [0, 1]: less than half a step of 8 bits."""
_OVERSHOOT = 0.5
"""How far a restored one may, as it is clamped; those of -1 to 1 or 0 to 255 go further."""


def predict(generator: Generator, lr: Tensor) -> Prediction:
    """`generator.predict(lr)`: a latent, and an image of the right size, with gradients.

    An image that is not decoded yet is looked at when it is asked for.
    """
    import torch

    with border(generator) as maker:
        made = generator.predict(lr)
    if maker is None:
        return made
    batch, _, height, width = lr.shape
    expect_members(maker, "a Prediction", made, ("image", "latent"))
    expect(maker, "a latent", made.latent, [batch, None, None, None], on=lr.device)
    learning = torch.is_grad_enabled() and maker.once("gradients") and bool(trainable(generator))

    def image() -> Tensor:
        with border(generator):
            decoded: Tensor = made.image
        sides = [height * generator.scale, width * generator.scale]
        expect(maker, "an image", decoded, [batch, 3, *sides], on=lr.device)
        if learning:
            expect_gradient(maker, "an image", decoded, "to its trainable parameters")
        return decoded

    if getattr(made, "decoded", True):
        image()
        return made
    return Prediction(image=image, latent=made.latent)


def encode(generator: Generator, hr: Tensor, shape: Sequence[int]) -> Tensor:
    """`generator.encode(hr)`: latents of this shape, without gradients."""
    with border(generator) as maker:
        latent = generator.encode(hr)
    if maker:
        expect(maker, "latents of real images", latent, shape, on=hr.device)
        if latent.requires_grad:
            raise maker.fault("returned latents of real images with gradients.")
    return latent


def as_restorer(generator: Generator, *form: str) -> Restorer:
    """`generator.as_restorer()`, for which the same component answers."""
    with border(generator) as maker:
        restorer = generator.as_restorer(*form)
    if maker:
        heir = Maker("restorer", maker.name, maker.distribution)
        admit(restorer, heir, "`as_restorer`")
    return restorer


def move(part: Trainable | PerceptualLoss | Restorer, device: torch.device) -> None:
    """`part.to(device)`: whatever it returns, the part itself has moved."""
    with border(part):
        part.to(device)


def trainable(part: Trainable) -> dict[str, nn.Parameter]:
    """`part.trainable()`: parameters by name."""
    from torch import nn

    with border(part) as maker:
        parameters = part.trainable()
    if maker and not maps(parameters, str, nn.Parameter):
        raise maker.fault(
            f"returned {described(parameters)} as trainable(), not parameters by name."
        )
    return parameters


def state(part: Trainable) -> dict[str, Tensor]:
    """`part.state()`: tensors by name, all that is trainable among them."""
    from torch import Tensor

    with border(part) as maker:
        held = part.state()
    if maker:
        if not maps(held, str, Tensor):
            raise maker.fault(f"returned {described(held)} as state(), not tensors by name.")
        if lost := trainable(part).keys() - held.keys():
            raise maker.fault(f"returned a state() without its parameter {min(lost)}.")
    return held


def load_state(part: Trainable, held: Mapping[str, Tensor]) -> None:
    """`part.load_state(held)`."""
    with border(part):
        part.load_state(held)


def logits(judge: Discriminator, x: Tensor, rng: torch.Generator) -> Tensor:
    """`judge.logits(x, rng)`: `[b, 1, regions...]`, float32 in and out, with gradients."""
    import torch

    x = at_least_float32(x)
    with border(judge) as maker, call_context(judge, x):
        verdict = judge.logits(x, rng)
    if maker:
        expect(maker, "logits", verdict, [len(x), 1, ...], on=x.device)
        expect_float32(maker, "logits", verdict)
        if torch.is_grad_enabled() and x.requires_grad:
            expect_gradient(maker, "logits", verdict, "to what is judged")
        elif torch.is_grad_enabled() and maker.once("gradients") and trainable(judge):
            expect_gradient(maker, "logits", verdict, "to its trainable parameters")
    return verdict


def observe(judge: Discriminator, real: Tensor, fake: Tensor) -> None:
    """`judge.observe(real, fake)`, of the logits."""
    with border(judge):
        judge.observe(real, fake)


def distances(loss: PerceptualLoss, prediction: Tensor, target: Tensor) -> Tensor:
    """`loss(prediction, target)`: `[b]`, float32 in and out, with gradients.

    That it is finite, training watches.
    """
    import torch

    prediction, target = at_least_float32(prediction), at_least_float32(target)
    with border(loss) as maker, call_context(loss, prediction):
        found = loss(prediction, target)
    if maker:
        shape, device = [len(prediction)], prediction.device
        expect(maker, "a distance of each image", found, shape, on=device, finite=False)
        expect_float32(maker, "distances", found)
        if torch.is_grad_enabled() and prediction.requires_grad:
            expect_gradient(maker, "distances", found, "to the prediction")
    return found


def check_lr(degradation: Degradation, lr: Tensor, hr: Tensor) -> Tensor:
    """What was made of `hr`, `[b, 3, h, w]`: of the right size, in [0, 1]."""
    if maker := maker_of(degradation):
        batch, _, height, width = hr.shape
        sides = [height // degradation.scale, width // degradation.scale]
        expect(maker, "LR", lr, [batch, 3, *sides], slack=_ROUNDING)
    return lr


def target(degradation: Degradation, hr: Tensor) -> Tensor:
    """`degradation.target(hr)`: of HR's size."""
    with border(degradation) as maker:
        wanted = degradation.target(hr)
    if maker:
        expect(maker, "a target", wanted, hr.shape)
    return wanted


def read(dataset: Dataset, index: int) -> Sample:
    """`dataset[index]`: a name, and images in [0, 1]."""
    with border(dataset) as maker:
        sample = dataset[index]
    if maker:
        expect_members(maker, "a Sample", sample, ("name", "hr", "lr"))
        if not (isinstance(sample.name, str) and sample.name):
            raise maker.fault(f"returned a Sample whose name is {described(sample.name)}.")
        for name, image in (("hr", sample.hr), ("lr", sample.lr)):
            if name == "hr" or image is not None:
                expect(maker, f"a Sample's {name}", image, [3, None, None], slack=_ROUNDING)
    return sample


def figures(metric: Metric, sr: Tensor, hr: Tensor | None) -> Tensor:
    """`metric(sr, hr)`: `[b]`; that it is finite may be up to the images."""
    with border(metric) as maker:
        found = metric(sr, hr)
    if maker:
        expect(maker, "a figure of each image", found, [len(sr)], floating=False, finite=False)
    return found


def fingerprint(metric: Metric) -> dict[str, str]:
    """`metric.fingerprint`: texts by name."""
    with border(metric) as maker:
        known = metric.fingerprint
    if maker and not maps(known, str, str):
        raise maker.fault(f"has {described(known)} as its fingerprint, not texts by name.")
    return dict(known)


def restored(restorer: Restorer, lr: Tensor) -> Tensor:
    """`restorer(lr)`: of the right size and finite, in every call and of every restorer."""
    with border(restorer) as maker:
        sr = restorer(lr)
    batch, channels, height, width = lr.shape
    shape = [batch, channels, height * restorer.scale, width * restorer.scale]
    known = maker or Maker("restorer", getattr(restorer, "name", "?"), type(restorer).__module__)
    expect(known, "SR", sr, shape, finite=False)
    if not sr.is_meta and not bool(sr.isfinite().all()):  # half precision may overflow
        raise ComponentError(
            f"{known} returned SR with values that are not finite.",
            "Run it in float32, or check its weights",
        )
    if maker and maker.once("SR's range"):
        expect_range(maker, "SR", sr, _OVERSHOOT)
    return sr
