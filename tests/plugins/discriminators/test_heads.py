"""Heads: how large they are, and what each vote sees."""

import pytest
import torch
from torch.nn import functional as F

import toolkit
from toolkit.errors import UsageError
from toolkit.streams import torch_stream
from toolkit_discriminators.heads import make_head


def features(side, width=32):
    return torch.randn(1, width, side, side, generator=torch_stream(0, "features"))


@pytest.mark.parametrize(
    ("name", "parameters"),
    [
        # 1280 -> 1280 -> 1, with biases.
        ("mlp", 1280 * 1280 + 1280 + 1280 + 1),
        ("convolutions", 2 * (16 * 1280 * 1280 + 3 * 1280) + 1280 + 1),
    ],
)
def test_sizes_at_the_width_of_stable_diffusion(name, parameters):
    with torch.device("meta"):
        head = make_head(name, 1280)
    assert sum(each.numel() for each in head.parameters()) == parameters
    assert parameters == pytest.approx({"mlp": 1_640_961, "convolutions": 52.44e6}[name], rel=1e-4)


@pytest.mark.parametrize(("name", "votes"), [("mlp", 8), ("convolutions", 2)])
def test_the_map_of_votes(name, votes):
    assert make_head(name, 32)(features(8)).shape == (1, 1, votes, votes)


@torch.no_grad()
def test_a_vote_of_the_mlp_sees_its_own_location_alone():
    head, one, other = make_head("mlp", 32), features(8), features(8)
    other[0, :, 2, 5] += 1
    changed = head(one) != head(other)
    assert changed[0, 0].nonzero().tolist() == [[2, 5]]


@torch.no_grad()
def test_a_vote_of_the_convolutions_sees_its_surroundings():
    head, one, other = make_head("convolutions", 32), features(32), features(32)
    head[1], head[4] = torch.nn.Identity(), torch.nn.Identity()  # norms see everything
    other[0, :, 15, 15] += 1
    changed = (head(one) != head(other))[0, 0]
    assert changed.shape == (8, 8)
    assert {(3, 3), (3, 4), (4, 3), (4, 4)} == {tuple(each) for each in changed.nonzero().tolist()}


@pytest.mark.parametrize(("head", "votes"), [("mlp", 4), ("convolutions", 1)])
def test_a_discriminator_has_the_head_that_is_chosen(head, votes):
    judge = toolkit.make("discriminator", "nad:sd21:tiny", lora_rank=2, head=head)
    x = torch.randn(2, 4, 32, 32, generator=torch_stream(0, "latents"))
    assert judge.logits(x, torch_stream(0, "draws")).shape == (2, 1, votes, votes)
    names = {name for name in judge.trainable() if name.startswith("head.")}
    assert names == {f"head.{name}" for name, _ in judge.head.named_parameters()}


@torch.no_grad()
def test_the_mlp_is_computed_by_hand():
    head, x = make_head("mlp", 32), features(5)
    weight, bias, vote, offset = head.parameters()
    expected = F.conv2d(F.silu(F.conv2d(x, weight, bias)), vote, offset)
    torch.testing.assert_close(head(x), expected)


@torch.no_grad()
def test_the_convolutions_are_computed_by_hand():
    head, x = make_head("convolutions", 64), features(11, width=64)
    for parameter in head.parameters():
        parameter.normal_(std=0.1, generator=torch_stream(0, str(parameter.shape)))
    found = head(x)
    own = iter(head.parameters())
    for _ in range(2):
        x = F.conv2d(x, next(own), next(own), stride=2, padding=1)
        x = F.silu(F.group_norm(x, 32, next(own), next(own)))
    torch.testing.assert_close(found, F.conv2d(x, next(own), next(own)))


@pytest.mark.parametrize(("head", "least"), [("mlp", 1), ("convolutions", 4)])
def test_the_smallest_map_that_a_head_can_judge(head, least):
    judge = toolkit.make("discriminator", "nad:sd21:tiny", lora_rank=2, head=head)
    x = torch.randn(2, 4, 40, 8 * least, generator=torch_stream(0, "latents"))
    assert judge.logits(x, torch_stream(0, "draws")).shape[-1] == 1
    if least > 1:
        message = f"'{head}' needs feature maps with sides of at least {least}; these latents give"
        with pytest.raises(UsageError, match=message):
            judge.logits(x[..., :-8], torch_stream(0, "draws"))
