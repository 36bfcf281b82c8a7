"""Checks of generators."""

from __future__ import annotations

import torch

from toolkit import contracts
from toolkit.interfaces import Generator
from toolkit.testing.calls import input_of
from toolkit.testing.restorers import check_sizes
from toolkit.testing.samples import image
from toolkit.testing.subject import Subject, demand
from toolkit.testing.trained import check_gradients


def shapes(subject: Subject) -> None:
    """Checks sizes of predictions and latents, also of images that are not square."""
    generator: Generator = subject.made
    for lr in (input_of(subject), input_of(subject)[:1, ..., generator.multiple :]):
        with torch.no_grad():
            prediction = contracts.predict(generator, lr)
        _, _, height, width = prediction.image.shape
        demand(bool(prediction.image.isfinite().all()), "returned an image that is not finite")
        encoded = contracts.encode(
            generator, image(len(lr), height, width), [*prediction.latent.shape]
        )
        demand(not encoded.requires_grad, "encode must give no gradients")


def gradients(subject: Subject) -> None:
    """Checks that gradients of image and latent reach every trainable parameter."""
    prediction = contracts.predict(subject.made, input_of(subject))
    check_gradients(subject.made, prediction.image.mean() + prediction.latent.mean())


def determinism(subject: Subject) -> None:
    """Checks that predictions repeat, and that LR images are left as they are."""
    lr = input_of(subject)
    before = lr.clone()
    with torch.no_grad():
        first, again = (contracts.predict(subject.made, lr).image for _ in range(2))
    demand(torch.equal(first, again), "the same LR image must have the same prediction again")
    demand(torch.equal(lr, before), "LR images must not be modified")


def restorer(subject: Subject) -> None:
    """Checks the restorer that the generator becomes."""
    check_sizes(contracts.as_restorer(subject.take()))
