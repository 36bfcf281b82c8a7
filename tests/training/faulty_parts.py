"""A plugin of parts that are not finite for bright images; tests install it, or add its parts."""

from typing import Literal

from toolkit.component import Component, Options
from toolkit.hookspecs import hookimpl
from toolkit.specs import Selection


class LossOptions(Options):
    """Options of the loss."""

    loss: str = "mse"
    """The loss that it is for other images."""
    fault: Literal["nan", "inf", "gradient"] = "nan"
    """The value, or the gradient of a finite value."""
    above: float = 0.0
    """Mean of an HR image from which it is faulty."""


class Loss:
    """A distance that is at fault for bright images."""

    def __init__(self, options, context):
        self.inner = context.make("loss", Selection(use=options.loss))
        self.fault, self.above = options.fault, options.above

    def to(self, device):
        self.inner.to(device)

    def __call__(self, prediction, target):
        distance = self.inner(prediction, target)
        if not (target.mean((1, 2, 3)) >= self.above).any():
            return distance
        if self.fault == "gradient":  # the root of nothing is 0, and its slope is not finite
            return distance + (prediction - prediction.detach()).square().sum((1, 2, 3)).sqrt()
        return distance * float(self.fault)


class Wrapped:
    """What ships, but for a member."""

    def __init__(self, inner, **own):
        self.inner = inner
        self.__dict__.update(own)

    def __getattr__(self, name):
        return getattr(self.inner, name)


class GeneratorOptions(Options):
    """Options of the generator."""

    backbone: Selection | None = None
    fault: Literal["encode", "weight"] = "encode"
    """Encoded images are not finite, or the gradients of the learnt prompt."""


def generator(options, context):
    """Builds the smallest generator."""
    inner = context.make("generator", Selection(use="one-step", options={"lora_rank": 2}))
    if options.fault == "encode":
        return Wrapped(inner, encode=lambda hr: inner.encode(hr) * float("nan"))
    inner.trainable()["text"].register_hook(lambda gradient: gradient * float("nan"))
    return inner


class JudgeOptions(Options):
    """Options of the discriminator."""

    backbone: Selection | None = None
    fault: Literal["generator", "discriminator"] = "generator"
    """In whose step the logits are not finite."""


def judge(options, context):
    """Builds the smallest discriminator."""
    inner = context.make("discriminator", Selection(use="nad", options={"lora_rank": 2}))

    def logits(x, rng):
        found = inner.logits(x, rng)
        whose = "generator" if x.requires_grad else "discriminator"
        return found * float("inf") if whose == options.fault else found

    def logits_of_both(fake, real, fake_rng, real_rng):
        return logits(fake, fake_rng), logits(real, real_rng)

    return Wrapped(inner, logits=logits, logits_of_both=logits_of_both)


@hookimpl
def toolkit_components():
    """Yields the components of this file."""
    for kind, build, options in (
        ("loss", Loss, LossOptions),
        ("generator", generator, GeneratorOptions),
        ("discriminator", judge, JudgeOptions),
    ):
        yield Component(kind=kind, name="faulty", summary="", build=build, options=options)
