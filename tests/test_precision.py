"""Losses and discriminators are given float32, and autocast only where they declare it."""

import pytest
import torch

from toolkit import contracts

IMAGE = torch.rand(2, 3, 8, 8)


class Witness:
    """A loss or a discriminator that keeps what it was called with."""

    def __call__(self, *given):
        types = {each.dtype for each in given if each is not None}
        self.seen = torch.is_autocast_enabled("cpu"), types
        return given[0].flatten(1).mean(1)

    def logits(self, x, rng):
        return self(x, rng)[:, None]


class Declared(Witness):
    autocast = True


def judge(witness, x):
    return contracts.logits(witness, x, None)


def compare(witness, x):
    return contracts.distances(witness, x, IMAGE)


@pytest.mark.parametrize("call", [judge, compare])
@pytest.mark.parametrize(("kind", "declared"), [(Witness, False), (Declared, True)])
def test_float32_comes_in_and_autocast_where_it_is_declared(call, kind, declared):
    witness, x = kind(), IMAGE.bfloat16().requires_grad_()
    with torch.autocast("cpu", torch.bfloat16):
        call(witness, x).sum().backward()
        assert torch.is_autocast_enabled("cpu")
    assert witness.seen == (declared, {torch.float32})
    assert x.grad.abs().sum() > 0
    call(witness, IMAGE)
    assert witness.seen == (False, {torch.float32})


def test_float64_stays():
    witness = Witness()
    contracts.distances(witness, IMAGE.double(), IMAGE.double())
    assert witness.seen == (False, {torch.float64})


@pytest.mark.parametrize("half", [torch.bfloat16, torch.float16])
def test_half_precision_is_refused(part, refused, half):
    x = IMAGE.clone().requires_grad_()
    rough = x.flatten(1).mean(1).to(half)
    with refused(f"returned distances of {str(half)[6:]}, not of float32"):
        contracts.distances(part(rough), x, IMAGE)
    with refused(f"returned logits of {str(half)[6:]}, not of float32"):
        contracts.logits(part(rough[:, None], "discriminator"), x, None)
