"""What a generator becomes for inference: the same images, by less and less work."""

import pytest
import torch
from torch.nn import functional as F

import toolkit
from toolkit.images import bicubic_resize
from toolkit.streams import torch_stream
from toolkit_generators import restorer as restoring
from toolkit_generators.folding import FoldedUNet
from toolkit_generators.winograd_layers import (
    WideConvolution,
    WideGroupNorm,
    use_winograd,
    use_winograd_with_gradients,
)

BACKBONES = ["pocket", "sd21:tiny", "sdxl:tiny"]


def trained(backbone, **options):
    """A generator whose LoRA and embeddings have values as after a training."""
    made = toolkit.make("generator", f"one-step:{backbone}", lora_rank=2, **options)
    rng = torch_stream(0, "lora")
    state = made.state()
    made.load_state({name: 0.05 * torch.randn(t.shape, generator=rng) for name, t in state.items()})
    return made


def lr(height=16, width=32, batch=2):
    return torch.rand(batch, 3, height, width, generator=torch_stream(0, "lr"))


@pytest.mark.parametrize("backbone", BACKBONES)
@pytest.mark.parametrize("form", ["merged", "folded"])
def test_every_form_gives_the_same_images(backbone, form):
    plain = trained(backbone).as_restorer("unmerged")(lr())
    assert plain.std() > 0.01
    torch.testing.assert_close(trained(backbone).as_restorer(form)(lr()), plain, rtol=0, atol=1e-5)


@pytest.mark.parametrize("backbone", BACKBONES)
def test_folding_drops_what_is_constant(backbone):
    merged, folded = trained(backbone).as_restorer("merged"), trained(backbone).as_restorer()
    unet = folded.networks["unet"]
    assert isinstance(unet, FoldedUNet)
    names = " ".join(name for name, _ in unet.named_parameters())
    for gone in ("time_emb", "add_embedding", "attn2.to_k", "attn2.to_v", "lora_"):
        assert gone not in names
    assert "attn2.to_q" in names
    assert count(folded) < count(merged)


@pytest.mark.parametrize(("form", "widened"), [("folded", 1), ("merged", 0), ("unmerged", 0)])
def test_folding_makes_wide_convolutions_of_the_autoencoders(monkeypatch, form, widened):
    made, seen = trained("pocket"), []
    monkeypatch.setattr(restoring, "use_winograd", seen.append)
    made.as_restorer(form)
    assert seen == [made.vae] * widened


def count(restorer):
    return sum(p.numel() for net in restorer.networks.values() for p in net.parameters())


def test_a_restorer_leaves_other_generators_on_the_same_weights_alone():
    first, second = trained("pocket"), trained("pocket")
    before = second.predict(lr()).image.detach()
    first.as_restorer()(lr())
    assert torch.equal(second.predict(lr()).image, before)


@pytest.mark.parametrize(("height", "width"), [(16, 16), (37, 50), (1, 3)])
def test_sides_of_any_length_are_padded_and_cropped_back(height, width):
    restorer = trained("sd21:tiny").as_restorer()
    image = lr(height, width, batch=1)
    found = restorer(image)
    assert found.shape == (1, 3, 4 * height, 4 * width)
    repeated = F.pad(image, (0, -width % 16, 0, -height % 16), mode="replicate")
    assert torch.equal(found, restorer(repeated)[..., : 4 * height, : 4 * width])


def test_half_precision_stays_near():
    full = trained("pocket").as_restorer()(lr())
    for precision in ("bfloat16", "float16"):
        backbone = {"use": "pocket", "precision": precision}
        made = toolkit.make("generator", "one-step", backbone=backbone, lora_rank=2)
        assert all(parameter.dtype == torch.float32 for parameter in made.trainable().values())
        made.load_state(trained("pocket").state())
        half = made.as_restorer()(lr())
        assert half.dtype == torch.float32
        assert (half - full).abs().mean() < 0.02


def test_a_sample_of_the_posterior_is_a_function_of_the_image():
    sampled, mode = trained("pocket", posterior="sample"), trained("pocket")
    with torch.no_grad():
        one, again = sampled.encode(lr()), sampled.encode(lr())
        alone = sampled.encode(lr()[1:])
        noise = one - mode.encode(lr())
        std = sampled.vae.encode(2 * lr() - 1).latent_dist.std * sampled.latent_scaling
    assert torch.equal(one, again)
    torch.testing.assert_close(one[1:], alone, rtol=1e-4, atol=1e-5)  # whatever the batch
    assert not torch.equal(noise[0], noise[1])
    assert (noise / std).std().item() == pytest.approx(1, abs=0.1)


@pytest.mark.parametrize(
    ("layers", "has", "has_not"),
    [
        ("dfosd", "time_emb_proj", "conv_in"),
        ("osediff", "conv_in", "time_emb_proj"),
        ("img2img-turbo", "conv_out", "conv_in"),
    ],
)
def test_lists_of_lora_layers_by_name(layers, has, has_not):
    made = toolkit.make("generator", "one-step:sd21:tiny", lora_rank=2, lora_layers=layers)
    names = " ".join(made.trainable())
    assert f"{has}.lora_A" in names
    assert f"{has_not}.lora_A" not in names
    restorer = made.as_restorer()
    assert restorer(lr()).shape == (2, 3, 64, 128)


def test_wide_convolutions_are_convolutions():
    plain = torch.nn.Sequential(torch.nn.Conv2d(256, 256, 3, padding=1), torch.nn.ReLU())
    plain.append(torch.nn.Conv2d(256, 8, 3, padding=1))
    x = torch.randn(1, 256, 40, 36, generator=torch_stream(0, "x"))
    with torch.no_grad():
        expected = plain(x)
        use_winograd(plain)
        found = plain(x)
    assert isinstance(plain[0], WideConvolution)
    assert found.shape == expected.shape
    assert (found - expected).abs().max() < 1e-5 * expected.abs().max()
    assert plain[0]._matrices is not None  # it did go the other way


@pytest.mark.parametrize(("size", "offset"), [((40, 36), 0.0), ((200, 131), 3.0), ((7, 5), 0.5)])
def test_norms_with_channels_last_are_as_exact_as_with_channels_first(size, offset):
    plain = torch.nn.GroupNorm(8, 64, eps=1e-6)
    rng = torch_stream(0, "norm")
    plain.weight.data = torch.rand(64, generator=rng) + 0.5
    plain.bias.data = torch.randn(64, generator=rng)
    x = torch.randn(2, 64, *size, generator=rng) + offset
    x[0, :8] = 0.25  # a flat group
    last = x.contiguous(memory_format=torch.channels_last)
    with torch.no_grad():
        exact = torch.nn.functional.group_norm(
            x.double(), 8, plain.weight.double(), plain.bias.double(), 1e-6
        )
        found = WideGroupNorm(plain)(last)
    assert found.is_contiguous(memory_format=torch.channels_last)
    error = (found - exact).abs()
    assert error[1:].max() < 2e-5  # an offset of 3 costs digits of the squares' mean
    assert error[0].max() < 5e-5  # the flat group, whose deviation is eps alone


def test_narrow_networks_are_left_as_they_are():
    plain = torch.nn.Sequential(torch.nn.Conv2d(16, 16, 3, padding=1))
    use_winograd(plain)
    assert type(plain[0]) is torch.nn.Conv2d


def test_the_step_is_computed_in_float32_from_a_half_precision_network():
    backbone = {"use": "pocket", "precision": "bfloat16"}
    made = toolkit.make("generator", "one-step", backbone=backbone, timestep=999, lora_rank=2)
    with torch.no_grad():
        z_l = made.encode(bicubic_resize(lr(), 4))
        noise = made.noise(z_l)
        z_h = made.one_step(z_l, noise)
    assert (z_l.dtype, noise.dtype, z_h.dtype) == (torch.float32, torch.bfloat16, torch.float32)
    signal = made.backbone.alphas_cumprod()[999]
    exact = (z_l.double() - (1 - signal).sqrt() * noise.double()) / signal.sqrt()
    torch.testing.assert_close(z_h.double(), exact, rtol=1e-5, atol=1e-5)


def test_generator_and_restorer_move_as_a_whole():
    made = toolkit.make("generator", "one-step:sd21:tiny", lora_rank=0)
    restorer = toolkit.make("generator", "one-step:sd21:tiny", lora_rank=0).as_restorer()
    for each in (made, restorer):
        assert each.to(torch.device("meta")) is each
        parts = each.networks.values()
        assert all(parameter.is_meta for part in parts for parameter in part.parameters())


def test_gradients_pass_through_wide_frozen_convolutions():
    rng = torch_stream(0, "wide")
    plain = torch.nn.Sequential(torch.nn.Conv2d(192, 256, 3, padding=1)).requires_grad_(False)
    x = torch.randn(1, 192, 32, 40, generator=rng)
    upstream = torch.randn(1, 256, 32, 40, generator=rng)

    def both():
        leaf = x.clone().requires_grad_()
        out = plain(leaf)
        return out.detach(), *torch.autograd.grad(out, leaf, upstream)

    expected = both()
    use_winograd_with_gradients(plain)
    found = both()
    for one, other in zip(found, expected, strict=True):
        assert one.is_contiguous()
        assert not torch.equal(one, other), "the other algorithm rounds otherwise"
        assert (one - other).abs().max() < 2e-5 * other.abs().max()
    plain[0].weight.mul_(2)  # the transformed weights are those of before
    doubled = both()
    assert (doubled[1] - 2 * expected[1]).abs().max() < 4e-5 * expected[1].abs().max()
    plain.requires_grad_(True)(x).sum().backward()
    assert plain[0].weight.grad is not None
