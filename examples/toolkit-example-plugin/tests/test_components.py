"""Tests both components through the toolkit's API."""

import pytest
import torch

import toolkit


def test_conformance(toolkit_check):
    toolkit_check()


def test_charbonnier_lies_between_square_and_magnitude():
    prediction, target = torch.zeros(2, 3, 8, 8), torch.full((2, 3, 8, 8), 0.5)
    distance = toolkit.make("loss", "charbonnier")(prediction, target)
    assert distance.shape == (2,)
    assert distance[0].item() == pytest.approx(0.5, abs=1e-3)


def test_charbonnier_has_a_gradient_even_where_nothing_differs():
    prediction = torch.zeros(1, 3, 8, 8, requires_grad=True)
    toolkit.make("loss", "charbonnier")(prediction, torch.zeros(1, 3, 8, 8)).sum().backward()
    assert prediction.grad is not None
    assert prediction.grad.isfinite().all()


def test_patch_votes_once_for_each_region():
    judge = toolkit.make("discriminator", "patch", width=4, halvings=3)
    assert judge.logits(torch.rand(2, 3, 64, 48), torch.Generator()).shape == (2, 1, 8, 6)


def test_patch_gives_its_state_to_another():
    images, rng = torch.rand(1, 3, 16, 16), torch.Generator()
    first, second = (toolkit.make("discriminator", "patch", width=4) for _ in range(2))
    assert not torch.equal(first.logits(images, rng), second.logits(images, rng))
    second.load_state(first.state())
    assert torch.equal(first.logits(images, rng), second.logits(images, rng))
