"""The conformance kit itself: what is wrong does not pass."""

import pytest
import torch

import toolkit
from toolkit.component import Component
from toolkit.errors import CheckpointError, DataError
from toolkit.testing import check_component


def check(kind, build):
    """Gives a component of this kind all checks; `build` takes nothing."""
    summary = "Made for a test"
    component = Component(kind=kind, name="rough", summary=summary, build=lambda *_: build())
    check_component(component)


def check_degradation(build):
    check("degradation", build)


class Plain:
    """As little as a degradation may have: noise, then every fourth pixel."""

    scale = 4

    def __call__(self, hr, rng):
        lr = hr[:, ::4, ::4]
        return (lr + torch.from_numpy(rng.normal(0, 0.1, lr.shape)).float()).clamp(0, 1)

    def target(self, hr):
        return hr


class Recorded:
    """Makes nothing."""

    scale = 4
    recorded = True

    def __call__(self, hr, rng):
        raise DataError("nothing is made")

    def target(self, hr):
        return hr


class Replayed:
    """A degradation that can be replayed, handed through."""

    def __init__(self):
        self.real = toolkit.make("degradation", "bicubic+noise")
        self.scale = self.real.scale

    def __call__(self, hr, rng):
        return self.real(hr, rng)

    def target(self, hr):
        return hr

    def describe(self, seed, index):
        return self.real.describe(seed, index)

    def apply(self, hr, history):
        return self.real.apply(hr, history)

    def batch(self, hr, seed, indices):
        return self.real.batch(hr, seed, indices)


@pytest.mark.parametrize("good", [Plain, Recorded, Replayed])
def test_what_is_right_passes(good):
    check_degradation(good)


class OwnDraws(Plain):
    calls = 0

    def __call__(self, hr, rng):
        self.calls += 1
        return super().__call__(hr, rng) / self.calls


class WrongSize(Plain):
    scale = 2


class OutOfRange(Plain):
    def __call__(self, hr, rng):
        return super().__call__(hr, rng) * 2


class WritesIntoHR(Plain):
    def __call__(self, hr, rng):
        return super().__call__(hr.mul_(1.0).add_(0.01).clamp_(0, 1), rng) * 0


class SmallTarget(Plain):
    def target(self, hr):
        return hr[:, ::4, ::4]


class WordlessRecorded(Recorded):
    def __call__(self, hr, rng):
        return hr[:, ::4, ::4]


class SmallTargetRecorded(Recorded):
    def target(self, hr):
        return hr[:, ::4, ::4]


class Forgetful(Replayed):
    """Does not tell of the noise."""

    def describe(self, seed, index):
        return super().describe(seed, index)[:1]


class Moody(Replayed):
    calls = 0

    def describe(self, seed, index):
        self.calls += 1
        return [*super().describe(seed, index), {"step": "jpeg", "quality": self.calls}]


class Unserialisable(Replayed):
    def describe(self, seed, index):
        return [{**step, "step": {step["step"]}} for step in super().describe(seed, index)]


class ByPlace(Replayed):
    """In a batch the place counts, and not the index."""

    def batch(self, hr, seed, indices):
        return super().batch(hr, seed, range(len(indices)))


class Drifting(Replayed):
    """A batch differs by the last bit."""

    def batch(self, hr, seed, indices):
        return torch.nextafter(super().batch(hr, seed, indices), torch.tensor(0.5))


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (OwnDraws, "only the stream may determine"),
        (
            WrongSize,
            r"returned a tensor \[1, 3, 16, 16\] .* as LR, not a float tensor \[1, 3, 32, 32\]",
        ),
        (OutOfRange, r"returned LR of \S+ to \S+, not in \[0, 1\]"),
        (WritesIntoHR, "must not be modified"),
        (SmallTarget, r"\[3, 16, 16\] of float32 as a target, not a float tensor \[3, 64, 64\]"),
        (SmallTargetRecorded, "as a target"),
        (WordlessRecorded, "must raise DataError"),
        (Forgetful, "apply must reproduce LR"),
        (Moody, "describe must be reproducible"),
        (ByPlace, "one by one"),
        (Drifting, "one by one"),
    ],
)
def test_what_is_wrong_fails(wrong, message):
    with pytest.raises(AssertionError, match=message):
        check_degradation(wrong)


def test_a_history_that_json_cannot_hold_fails():
    with pytest.raises(AssertionError, match="must be made of JSON's types"):
        check_degradation(Unserialisable)


class Distance:
    """A loss by one convolution, as autocast has it."""

    weight = torch.randn(8, 3, 5, 5, generator=torch.Generator().manual_seed(0))

    def to(self, device):
        self.weight = self.weight.to(device)

    def __call__(self, prediction, target):
        features = torch.nn.functional.conv2d(prediction - target, self.weight)
        return self.finish(features).square().flatten(1).mean(1)

    def finish(self, features):
        return features


class Careful(Distance):
    autocast = True

    def finish(self, features):
        return features.float()


class Half(Distance):
    autocast = True


class AlwaysHalf(Distance):
    def finish(self, features):
        return features.bfloat16()


class Astray(Careful):
    def finish(self, features):
        noise = torch.randn(features.shape, generator=torch.Generator().manual_seed(1))
        return features.float() * noise if torch.is_autocast_enabled("cpu") else features


class Judge:
    """A discriminator of images by a loss."""

    judges, shared_draws = "images", False

    def __init__(self, kind):
        self.autocast = getattr(kind, "autocast", False)
        self.loss = kind()
        self.bias = torch.nn.Parameter(torch.zeros(1))

    def logits(self, x, _rng):
        return self.loss(x, torch.zeros_like(x))[:, None] + self.bias.to(x.dtype)

    def observe(self, real, fake):
        pass

    def trainable(self):
        return {"bias": self.bias}

    def state(self):
        return {"bias": self.bias.detach()}

    def load_state(self, state):
        if "bias" not in state:
            raise CheckpointError("bias is missing")
        self.bias.data.copy_(state["bias"])

    def to(self, device):
        self.loss.to(device)
        self.bias = torch.nn.Parameter(self.bias.to(device))


@pytest.mark.parametrize("good", [Distance, Careful])
def test_a_loss_or_a_judge_may_declare_autocast(good):
    check("loss", good)
    check("discriminator", lambda: Judge(good))


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (Half, "returned distances of bfloat16, not of float32"),
        (AlwaysHalf, "returned distances of bfloat16, not of float32"),
        (Astray, "autocast changes the gradient: cosine"),
    ],
)
def test_what_loses_precision_fails(wrong, message):
    with pytest.raises(AssertionError, match=message):
        check("loss", wrong)
    if wrong is Astray:
        with pytest.raises(AssertionError, match=message):
            check("discriminator", lambda: Judge(wrong))
