"""Calls plugins' objects and checks their return values against the interfaces.

A value that does not fit `toolkit.interfaces` raises an error that names component and
distribution. Types, shapes and gradients are checked in each call, which takes microseconds;
values, which require waiting for a GPU, only in an object's first call. Objects that no registry
made are not checked.
"""

from __future__ import annotations

import errno
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from toolkit.abilities import JudgesBoth
from toolkit.devices import at_least_float32, call_context
from toolkit.errors import ComponentError, ImageError, without_temporary_folder
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
from toolkit.members import trainable

if TYPE_CHECKING:
    import torch
    from torch import Tensor

    from toolkit.abilities import Streamed
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
"""Tolerance around [0, 1]: less than half a step of 8 bits."""
_OF_THE_PROCESS = {
    errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EMFILE, errno.ENFILE, errno.ENOMEM,
}  # fmt: skip
"""Errors that do not concern a single file."""
_OVERSHOOT = 0.5
"""Tolerance for restored images, which are clamped; enough to detect [-1, 1] and [0, 255]."""


def predict(generator: Generator, lr: Tensor) -> Prediction:
    """Calls `generator.predict(lr)`; checks latent, image size and gradients.

    An image that is not decoded yet is checked when it is decoded.
    """
    import torch

    with border(generator) as maker:
        prediction = generator.predict(lr)
    if maker is None:
        return prediction
    batch, _, height, width = lr.shape
    expect_members(maker, "a Prediction", prediction, ("image", "latent"))
    expect(maker, "a latent", prediction.latent, [batch, None, None, None], on=lr.device)
    learning = torch.is_grad_enabled() and maker.once("gradients") and bool(trainable(generator))

    def image() -> Tensor:
        with border(generator):
            decoded: Tensor = prediction.image
        sides = [height * generator.scale, width * generator.scale]
        expect(maker, "an image", decoded, [batch, 3, *sides], on=lr.device)
        if learning:
            expect_gradient(maker, "an image", decoded, "to its trainable parameters")
        return decoded

    if getattr(prediction, "decoded", True):
        image()
        return prediction
    return Prediction(image=image, latent=prediction.latent)


def encode(generator: Generator, hr: Tensor, shape: Sequence[int]) -> Tensor:
    """Calls `generator.encode(hr)`; checks that latents have `shape` and no gradients."""
    with border(generator) as maker:
        latent = generator.encode(hr)
    if maker:
        expect(maker, "latents of real images", latent, shape, on=hr.device)
        if latent.requires_grad:
            raise maker.fault("returned latents of real images with gradients.")
    return latent


def as_restorer(generator: Generator, *form: str) -> Restorer:
    """Calls `generator.as_restorer()`; the restorer has the same maker."""
    with border(generator) as maker:
        restorer = generator.as_restorer(*form)
    if maker:
        heir = Maker("restorer", maker.name, maker.distribution)
        admit(restorer, heir, "`as_restorer`")
    return restorer


def move(part: Trainable | PerceptualLoss | Restorer, device: torch.device) -> None:
    """Calls `part.to(device)`, which moves the part in place."""
    with border(part):
        part.to(device)


def logits(judge: Discriminator, x: Tensor, rng: torch.Generator) -> Tensor:
    """Calls `judge.logits(x, rng)`; checks `[b, 1, regions...]`, float32 and gradients."""
    x = at_least_float32(x)
    with border(judge) as maker, call_context(judge, x):
        verdict = judge.logits(x, rng)
    if maker:
        _expect_logits(maker, judge, verdict, x)
    return verdict


def logits_of_both(
    judge: Discriminator,
    fake: Tensor,
    real: Tensor,
    fake_rng: torch.Generator,
    real_rng: torch.Generator,
) -> tuple[Tensor, Tensor]:
    """Returns `logits` of both, computed as one batch if the discriminator can."""
    if not isinstance(judge, JudgesBoth):
        return logits(judge, fake, fake_rng), logits(judge, real, real_rng)
    fake, real = at_least_float32(fake), at_least_float32(real)
    with border(judge) as maker, call_context(judge, fake):
        verdicts = judge.logits_of_both(fake, real, fake_rng, real_rng)
    if maker:
        for verdict, x in zip(verdicts, (fake, real), strict=True):
            _expect_logits(maker, judge, verdict, x)
    return verdicts


def _expect_logits(maker: Maker, judge: Discriminator, verdict: Tensor, x: Tensor) -> None:
    import torch

    expect(maker, "logits", verdict, [len(x), 1, ...], on=x.device)
    expect_float32(maker, "logits", verdict)
    if torch.is_grad_enabled() and x.requires_grad:
        expect_gradient(maker, "logits", verdict, "to what is judged")
    elif torch.is_grad_enabled() and maker.once("gradients") and trainable(judge):
        expect_gradient(maker, "logits", verdict, "to its trainable parameters")


def observe(judge: Discriminator, real: Tensor, fake: Tensor) -> None:
    """Calls `judge.observe(real, fake)` with logits."""
    with border(judge):
        judge.observe(real, fake)


def distances(loss: PerceptualLoss, prediction: Tensor, target: Tensor) -> Tensor:
    """Calls `loss(prediction, target)`; checks `[b]`, float32 and gradients.

    Training itself checks that losses are finite.
    """
    import torch

    prediction, target = at_least_float32(prediction), at_least_float32(target)
    with border(loss) as maker, call_context(loss, prediction):
        distance = loss(prediction, target)
    if maker:
        shape, device = [len(prediction)], prediction.device
        expect(maker, "a distance of each image", distance, shape, on=device, finite=False)
        expect_float32(maker, "distances", distance)
        if torch.is_grad_enabled() and prediction.requires_grad:
            expect_gradient(maker, "distances", distance, "to the prediction")
    return distance


def check_lr(degradation: Degradation, lr: Tensor, hr: Tensor) -> Tensor:
    """Checks that LR images of `hr`, `[b, 3, h, w]`, have the right size and range."""
    if maker := maker_of(degradation):
        batch, _, height, width = hr.shape
        sides = [height // degradation.scale, width // degradation.scale]
        expect(maker, "LR", lr, [batch, 3, *sides], slack=_ROUNDING)
    return lr


def target(degradation: Degradation, hr: Tensor) -> Tensor:
    """Calls `degradation.target(hr)`; checks that the size is that of HR."""
    with border(degradation) as maker:
        wanted = degradation.target(hr)
    if maker:
        expect(maker, "a target", wanted, hr.shape)
    return wanted


def read(dataset: Dataset, index: int) -> Sample:
    """Calls `dataset[index]`; checks the name, and that images are in [0, 1].

    Raises:
        ImageError: The photograph cannot be read, also if its file has vanished or timed out.
    """
    return _sample(dataset, lambda: dataset[index])


def draw(dataset: Streamed, seed: int, number: int, attempt: int) -> Sample:
    """Calls `dataset.draw(seed, number, attempt)`; checks and raises as `read` does."""
    return _sample(dataset, lambda: dataset.draw(seed, number, attempt))


def _sample(dataset: Dataset | Streamed, get: Callable[[], Sample]) -> Sample:
    with border(dataset) as maker:
        try:
            sample = get()
        except OSError as error:
            if error.errno in _OF_THE_PROCESS or without_temporary_folder(error):
                raise
            raise ImageError(f"a photograph cannot be read: {error}") from error
    if maker:
        expect_members(maker, "a Sample", sample, ("name", "hr", "lr"))
        if not (isinstance(sample.name, str) and sample.name):
            raise maker.fault(f"returned a Sample whose name is {described(sample.name)}.")
        for name, image in (("hr", sample.hr), ("lr", sample.lr)):
            if name == "hr" or image is not None:
                expect(maker, f"a Sample's {name}", image, [3, None, None], slack=_ROUNDING)
    return sample


def figures(metric: Metric, sr: Tensor, hr: Tensor | None) -> Tensor:
    """Calls `metric(sr, hr)`; checks `[b]`. Scores may be infinite, depending on the images."""
    with border(metric) as maker:
        scores = metric(sr, hr)
    if maker:
        expect(maker, "a figure of each image", scores, [len(sr)], floating=False, finite=False)
    return scores


def fingerprint(metric: Metric) -> dict[str, str]:
    """Returns `metric.fingerprint`; checks that it maps strings to strings."""
    with border(metric) as maker:
        entries = metric.fingerprint
    if maker and not maps(entries, str, str):
        raise maker.fault(f"has {described(entries)} as its fingerprint, not texts by name.")
    return dict(entries)


def restored(restorer: Restorer, lr: Tensor) -> Tensor:
    """Calls `restorer(lr)`; checks size and finite values in every call."""
    with border(restorer) as maker:
        sr = restorer(lr)
    batch, channels, height, width = lr.shape
    shape = [batch, channels, height * restorer.scale, width * restorer.scale]
    source = maker or Maker("restorer", getattr(restorer, "name", "?"), type(restorer).__module__)
    expect(source, "SR", sr, shape, finite=False)
    if not sr.is_meta and not bool(sr.isfinite().all()):  # half precision may overflow
        raise ComponentError(
            f"{source} returned SR with values that are not finite.",
            "Run it in float32, or check its weights",
        )
    if maker and maker.once("SR's range"):
        expect_range(maker, "SR", sr, _OVERSHOOT)
    return sr
