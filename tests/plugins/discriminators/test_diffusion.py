"""NAD: eq. 4, its trunk, and its draws."""

import pytest
import torch

import toolkit
from toolkit.errors import UsageError
from toolkit.streams import torch_stream
from toolkit_discriminators.diffusion import add_noise


def nad(**options):
    return toolkit.make("discriminator", "nad:pocket", lora_rank=2, **options)


def latents(count=2, channels=8, side=16):
    return torch.randn(count, channels, side, side, generator=torch_stream(0, "latents"))


def test_noise_is_equation_4():
    z, noise = latents(), latents().flip(0)
    signal = torch.tensor([0.25, 0.81])
    noisy = add_noise(z, noise, signal)
    torch.testing.assert_close(noisy[0], 0.5 * z[0] + 0.75**0.5 * noise[0])
    torch.testing.assert_close(noisy[1], 0.9 * z[1] + 0.19**0.5 * noise[1])


def test_the_trunk_equals_the_unets_own_first_half():
    judge = nad()
    unet = toolkit.make("backbone", "pocket").unet()
    features = []
    unet.mid_block.register_forward_hook(lambda _m, _i, output: features.append(output))
    t, text = torch.tensor([399, 7]), torch.randn(2, 77, 64)
    with torch.no_grad():
        unet(latents(), t, text)
        torch.testing.assert_close(
            judge.trunk(latents(), t, {"encoder_hidden_states": text}), features[0]
        )


def test_every_region_has_its_vote():
    assert nad().logits(latents(), torch_stream(0, "draws")).shape == (2, 1, 4, 4)


def test_draws_follow_the_stream_and_cover_the_schedule():
    judge = nad()
    seen = []
    judge.trunk.forward = lambda x, t, _told: (seen.append(t), torch.zeros(len(x), 160, 4, 4))[1]
    for number in range(40):
        judge.logits(latents(8), torch_stream(0, "draws", number))
    times = torch.cat(seen)
    assert times.min() < 50
    assert times.max() > 950
    assert abs(times.float().mean() - 499.5) < 60


def test_the_base_is_frozen_and_the_head_is_trained_in_full():
    judge = nad()
    trainable = judge.trainable()
    for name, parameter in judge.trunk.named_parameters():
        assert parameter.requires_grad == ("lora_" in name)
    assert {"head.0.weight", "head.0.bias", "head.2.weight", "head.2.bias", "text"} <= set(
        trainable
    )


def test_latents_of_another_kind_are_a_clear_error():
    with pytest.raises(UsageError, match="latents of 8 channels, the generator's have 4"):
        nad().logits(latents(channels=4), torch_stream(0, "draws"))
