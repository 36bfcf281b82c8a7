"""Discriminators made of a diffusion model: eq. 4, their trunk, their draws, what is trained."""

import pytest
import torch

import toolkit
from toolkit.component import Context
from toolkit.discovery import installed
from toolkit.errors import UsageError
from toolkit.streams import torch_stream
from toolkit_discriminators.diffusion import DiffusionDiscriminator, add_noise
from toolkit_discriminators.noising import NoNoise


def nad(**options):
    return toolkit.make("discriminator", "nad:pocket", lora_rank=2, **options)


def latents(count=2, channels=None, side=16):
    channels = channels or toolkit.make("backbone", "pocket").latent_channels
    return torch.randn(count, channels, side, side, generator=torch_stream(0, "latents"))


def spied(judge):
    """The latents and timesteps that the trunk is given from here on, call by call."""
    seen = []

    def forward(x, t, _told):
        seen.append((x, t))
        return x.new_zeros(len(x), judge.trunk.width, 4, 4)

    judge.trunk.forward = forward
    return seen


def always(judge, timestep):
    """Makes it judge at one timestep alone."""
    judge.noising.draw = lambda batch, _rng, _device: torch.full((batch,), timestep)


def is_noised(noisy, z, timestep):
    """Whether eq. 4 holds of some noise that is N(0, 1)."""
    signal = toolkit.make("backbone", "pocket").alphas_cumprod()[timestep]
    noise = (noisy.double() - signal.sqrt() * z) / (1 - signal).sqrt()
    return abs(noise.mean()) < 0.1 and abs(noise.std() - 1) < 0.1


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
    judge = nad()
    assert judge.logits(latents(), torch_stream(0, "draws")).shape == (2, 1, 4, 4)
    assert judge.autocast  # else training would call it in float32


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
    with pytest.raises(UsageError, match="latents with 16 channels, but the generator's have 4"):
        nad().logits(latents(channels=4), torch_stream(0, "draws"))


@pytest.mark.parametrize("timestep", [0, 399, 999])
def test_nad_noises_at_every_timestep_and_at_0_too(timestep):
    judge = nad()
    seen = spied(judge)
    always(judge, timestep)
    judge.logits(latents(), torch_stream(0, "draws"))
    [(noisy, t)] = seen
    assert t.tolist() == [timestep] * 2
    assert not torch.equal(noisy, latents())
    assert is_noised(noisy, latents(), timestep)


def test_nads_noise_follows_the_stream():
    judge = nad()
    seen = spied(judge)
    for seed in (0, 0, 1):
        judge.logits(latents(), torch_stream(seed, "draws"))
    assert all(torch.equal(one, again) for one, again in zip(*seen[:2], strict=True))
    assert not torch.equal(seen[0][0], seen[2][0])


@pytest.mark.parametrize("seed", range(3))
def test_vanilla_judges_the_latents_themselves(seed):
    judge = toolkit.make("discriminator", "vanilla:pocket", lora_rank=2)
    seen = spied(judge)
    for _ in range(5):
        judge.observe(torch.ones(2, 1, 4, 4), torch.ones(2, 1, 4, 4))  # and stays as it is
        judge.logits(latents(), torch_stream(seed, "draws"))
    assert len(seen) == 5
    for x, t in seen:
        assert torch.equal(x, latents())
        assert t.tolist() == [0, 0]


def test_diffusion_gan_judges_at_its_pools_timesteps_and_at_0_clean():
    judge = toolkit.make("discriminator", "diffusion-gan:pocket", lora_rank=2)
    seen = spied(judge)
    judge.noising.state["pool"][:32] = 700
    judge.logits(latents(32), torch_stream(0, "draws"))
    [(x, t)] = seen
    assert set(t.tolist()) == {0, 700}
    assert torch.equal(x[t == 0], latents(32)[t == 0])
    assert is_noised(x[t == 700], latents(32)[t == 700], 700)


@pytest.mark.parametrize("name", ["nad", "vanilla", "diffusion-gan"])
def test_the_timestep_decides_the_verdict(name):
    judge = toolkit.make("discriminator", f"{name}:sd21:tiny", lora_rank=2, share=False)
    judge.trunk.conv_in.weight.zero_()  # so that the noise does not
    found = []
    for timestep in (0, 999):
        always(judge, timestep)
        found.append(judge.logits(latents(channels=4), torch_stream(0, "draws")))
    assert not torch.equal(*found)


@pytest.mark.parametrize("name", ["nad", "vanilla", "diffusion-gan"])
def test_shared_draws_are_an_option(name):
    make = toolkit.make
    assert make("discriminator", f"{name}:sd21:tiny", shared_draws=True).shared_draws is True
    assert make("discriminator", f"{name}:sd21:tiny").shared_draws is False


@pytest.mark.parametrize("backbone", ["pocket", "sd21:tiny", "sdxl:tiny"])
@pytest.mark.parametrize("name", ["nad", "vanilla", "diffusion-gan"])
def test_gradients_reach_what_is_trained_and_the_latents_and_nothing_else(name, backbone):
    judge = toolkit.make("discriminator", f"{name}:{backbone}", lora_rank=2)
    trainable = judge.trainable()
    with torch.no_grad():
        for key, parameter in trainable.items():
            if "lora_B" in key:  # at zero it would hold back the other factor's gradient
                parameter.normal_(std=0.1, generator=torch_stream(0, key))
    x = latents(channels=judge.trunk.latent_channels).requires_grad_()
    judge.logits(x, torch_stream(0, "draws")).square().sum().backward()
    assert x.grad.any()
    every = {id(p): p for net in judge.networks.values() for p in net.parameters()}
    trained = {id(parameter) for parameter in trainable.values()}
    assert trained == {key for key, parameter in every.items() if parameter.requires_grad}
    assert trained == {key for key, parameter in every.items() if parameter.grad is not None}
    assert [key for key, parameter in trainable.items() if not parameter.grad.any()] == []
    assert ("pooled" in trainable) == backbone.startswith("sdxl")


def test_no_discriminator_has_nothing_to_train():
    judge = toolkit.make("discriminator", "none")
    assert judge.judges == "nothing"
    assert judge.trainable() == judge.state() == {}


def test_sdxls_trunk_equals_the_unets_own_first_half():
    judge = toolkit.make("discriminator", "nad:sdxl:tiny", lora_rank=2)
    backbone = toolkit.make("backbone", "sdxl:tiny")
    unet, told = backbone.unet(), backbone.condition()(2, torch.float32)
    assert told["added_cond_kwargs"]["text_embeds"].std() > 0
    features = []
    unet.mid_block.register_forward_hook(lambda _m, _i, output: features.append(output))
    x, t = latents(channels=4), torch.tensor([399, 7])
    with torch.no_grad():
        unet(x, t, **told)
        found = judge.trunk(x, t, told)
        told["added_cond_kwargs"]["text_embeds"] = told["added_cond_kwargs"]["text_embeds"] + 1
        other = judge.trunk(x, t, told)
    torch.testing.assert_close(found, features[0])
    assert not torch.allclose(found, other)


@pytest.mark.parametrize(("backbone", "count"), [("sd21", 351_662_080), ("sdxl", 1_243_367_040)])
def test_trunks_are_as_large_as_published_and_are_counted_without_weights(
    backbone, count, toolkit_home, monkeypatch
):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    with torch.device("meta"):
        hollow = Context(installed(), read_weights=False)
        judge = hollow.make("discriminator", f"nad:{backbone}")
    parameters = {id(p): p for net in judge.networks.values() for p in net.parameters()}
    frozen = [each for each in parameters.values() if not each.requires_grad]
    assert sum(each.numel() for each in frozen) == count
    assert all(each.is_meta for each in parameters.values())
    assert not toolkit_home.exists()


def test_a_backbone_needs_no_lora_list_of_ours():
    class Foreign:
        lora_layers = {"attention": (), "more": ()}  # noqa: RUF012
        taken = ()

        def __getattr__(self, name):
            return getattr(toolkit.make("backbone", "pocket"), name)

        def add_lora(self, module, rank, alpha, layers):
            self.taken = (*self.taken, layers)
            return toolkit.make("backbone", "pocket").add_lora(module, rank, alpha, "dfosd")

    backbone = Foreign()
    DiffusionDiscriminator(backbone, NoNoise(), lora_rank=2, lora_alpha=2.0)
    assert backbone.taken == ("attention",)


def test_it_moves_to_a_device_as_a_whole_but_for_the_noisings_numbers():
    judge = toolkit.make("discriminator", "diffusion-gan:sd21:tiny", lora_rank=2, share=False)
    assert judge.to(torch.device("meta")) is judge
    parts = [*judge.networks.values()]
    assert all(each.is_meta for part in parts for each in part.parameters())
    assert judge._alphas_cumprod.is_meta
    assert not any(each.is_meta for each in judge.noising.state.values())


@pytest.mark.parametrize("name", ["nad", "vanilla", "diffusion-gan"])
def test_judging_both_at_once_is_judging_each(name):
    judge = toolkit.make("discriminator", f"{name}:pocket", lora_rank=2)
    fake, real = latents(), latents().flip(0)
    streams = ("fake", "real")

    def gradients(fake_logits, real_logits):
        loss = fake_logits.square().mean() - real_logits.sigmoid().mean()
        return torch.autograd.grad(loss, list(judge.trainable().values()), allow_unused=True)

    apart = [
        judge.logits(x, torch_stream(0, s)) for x, s in zip((fake, real), streams, strict=True)
    ]
    both = judge.logits_of_both(fake, real, *(torch_stream(0, s) for s in streams))
    torch.testing.assert_close(list(both), apart, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(gradients(*both), gradients(*apart), rtol=1e-3, atol=1e-5)
