"""The one-step generator: eq. 1 by hand."""

import pytest
import torch

import toolkit
from toolkit.errors import OptionsError
from toolkit.images import bicubic_resize
from toolkit.streams import torch_stream
from toolkit_generators.one_step import OneStep


def generator(**options):
    return toolkit.make("generator", "one-step", **{"lora_rank": 2, **options})


def lr(height=16, width=24):
    return torch.rand(1, 3, height, width, generator=torch_stream(0, "lr"))


@pytest.mark.parametrize("timestep", [0, 399, 999])
def test_the_latent_is_equation_1(timestep):
    made = generator(timestep=timestep)
    backbone = toolkit.make("backbone", "pocket")
    with torch.no_grad():
        prediction = made.predict(lr())
        enlarged = bicubic_resize(lr(), 4) * 2 - 1
        z_l = made.vae.encode(enlarged).latent_dist.mode() * backbone.latent_scaling
        noise = made.unet(z_l, timestep, made.condition.text).sample
    signal = backbone.alphas_cumprod()[timestep]
    expected = (z_l.double() - (1 - signal).sqrt() * noise.double()) / signal.sqrt()
    torch.testing.assert_close(prediction.latent.double(), expected, rtol=1e-4, atol=1e-4)


def test_the_image_is_the_decoded_latent():
    made = generator()
    backbone = toolkit.make("backbone", "pocket")
    with torch.no_grad():
        prediction = made.predict(lr())
        decoded = made.vae.decode(prediction.latent / backbone.latent_scaling).sample
    torch.testing.assert_close(prediction.image, (decoded + 1) / 2)


def test_fresh_lora_changes_nothing_yet():
    made = generator()
    backbone = toolkit.make("backbone", "pocket")
    latent = made.encode(torch.rand(1, 3, 32, 32))
    with torch.no_grad():
        adapted = made.unet(latent, 399, made.condition.text).sample
        plain = backbone.unet()(latent, 399, made.condition.text).sample
    torch.testing.assert_close(adapted, plain)


def test_only_lora_and_text_are_trainable():
    made = generator()
    trainable = {id(parameter) for parameter in made.trainable().values()}
    for module in (made.vae, made.unet):
        for name, parameter in module.named_parameters():
            assert parameter.requires_grad == (id(parameter) in trainable), name
    assert made.condition.text.shape == (1, 77, 64)
    assert {name.rpartition(".lora_")[0] for name in made.trainable() if "lora_" in name}


def test_rank_0_trains_all_of_the_unet_and_none_of_what_others_share():
    made, other = generator(lora_rank=0), generator()
    names = {f"unet.{name}" for name, _ in made.unet.named_parameters()}
    assert set(made.trainable()) == names | {"text"}
    assert all(parameter.requires_grad for parameter in made.trainable().values())
    with torch.no_grad():
        made.unet.conv_in.weight.add_(1)
    assert not torch.equal(other.unet.conv_in.weight, made.unet.conv_in.weight)


def test_nothing_is_decoded_before_the_image_is_asked_for(monkeypatch):
    made = generator()
    decoded = []
    monkeypatch.setattr(made, "decode", lambda latent: decoded.append(latent) or latent)
    prediction = made.predict(lr())
    assert not decoded
    assert prediction.image is prediction.image
    assert len(decoded) == 1


def test_a_compact_state_restores_the_weights_within_its_steps():
    made, second = generator(lora_rank=0), generator(lora_rank=0)
    before = {name: tensor.clone() for name, tensor in made.state().items()}
    with torch.no_grad():
        for name, parameter in made.trainable().items():
            rng = torch_stream(0, name)
            parameter.add_(0.01 * torch.randn(parameter.shape, generator=rng))
    kept = made.compact_state()
    assert sum(tensor.nbytes for tensor in kept.values()) < 9e6
    second.load_state(kept)
    for name, tensor in made.state().items():
        most = (tensor - before[name]).abs().max().item() / 254
        restored = second.state()[name]
        if tensor.ndim < 2 or name == "text":
            torch.testing.assert_close(restored, tensor.half().float())
        else:
            torch.testing.assert_close(restored, tensor, atol=1.01 * most, rtol=0)


def test_a_compact_state_of_lora_is_float16():
    assert all(tensor.dtype == torch.float16 for tensor in generator().compact_state().values())


def test_every_kind_of_layer_takes_lora():
    backbone = toolkit.make("backbone", "pocket")
    names = set(generator().trainable())
    for target in backbone.lora_layers["dfosd"]:
        assert any(f".{target}.lora_A" in name for name in names), target


def test_restoring_does_not_depend_on_the_padding():
    restorer = generator().as_restorer()
    image = lr(13, 18)
    assert restorer(image).shape == (1, 3, 52, 72)
    assert torch.equal(restorer(image), restorer(image))


class Foreign:
    """A backbone with lists of LoRA layers of its own, and no others."""

    def __init__(self):
        self.real = toolkit.make("backbone", "pocket")
        self.lora_layers = {"attention": ("to_q", "to_k")}
        self.taken = []

    def __getattr__(self, name):
        return getattr(self.real, name)

    def add_lora(self, module, rank, alpha, layers):
        assert layers in self.lora_layers
        self.taken.append(layers)
        return self.real.add_lora(module, rank, alpha, "dfosd")


def test_lora_layers_that_a_backbone_lacks_are_told():
    made = {"timestep": 399, "lora_rank": 2, "lora_alpha": 2.0}
    with pytest.raises(OptionsError, match="no list of LoRA layers named 'dfosd'") as told:
        OneStep(Foreign(), **made)
    assert "--set gen.lora_layers=attention" in told.value.hint
    backbone = Foreign()
    OneStep(backbone, lora_layers="attention", **made)
    assert backbone.taken == ["attention"]
