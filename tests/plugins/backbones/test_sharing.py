"""`unet(shared=True)`: one set of frozen weights for all who ask so."""

import gc

import pytest
import torch

import toolkit
from toolkit.component import Context
from toolkit.discovery import installed


@pytest.fixture
def backbone(sd21, tmp_path):
    """Narrow, from a file."""
    return sd21.load(sd21.write_file(tmp_path / "model.safetensors"))


def places(unet):
    """Where the frozen weights lie, by name, whether there is LoRA on them or not."""
    found = {name: tensor for name, tensor in unet.named_parameters() if "lora_" not in name}
    return {name.replace(".base_layer", ""): each.data_ptr() for name, each in found.items()}


@pytest.fixture
def noise_of():
    """What a UNet predicts of one latent and text."""
    rng = torch.Generator().manual_seed(0)
    latent = torch.randn((1, 4, 8, 8), generator=rng)
    text = torch.randn((1, 77, 32), generator=rng)

    @torch.no_grad()
    def predict(unet):
        return unet(latent, 399, text).sample

    return predict


def grown(backbone, unet, spread=0.1):
    """Adds LoRA that does something."""
    lora = backbone.add_lora(unet, 2, 2.0, "dfosd")
    with torch.no_grad():
        for parameter in lora.values():
            parameter.normal_(std=spread)
    return lora


def test_two_have_one_set_of_weights_in_layers_of_their_own(backbone):
    one, other = backbone.unet(shared=True), backbone.unet(shared=True)
    assert places(one) == places(other)
    assert not set(one.modules()) & set(other.modules())
    assert not any(parameter.requires_grad for parameter in one.parameters())


@pytest.mark.parametrize("named", ["sd21:tiny", "sdxl:tiny", "pocket"])
def test_random_and_shipped_ones_share_too(named):
    one = toolkit.make("backbone", named).unet(shared=True)
    assert places(toolkit.make("backbone", named).unet(shared=True)) == places(one)
    assert not set(places(toolkit.make("backbone", named).unet()).values()) & set(
        places(one).values()
    )


def test_another_backbone_of_the_same_weights_shares_too(sd21, tmp_path):
    folder = sd21.write_folder(tmp_path / "folder")
    one = sd21.load(folder).unet(shared=True)
    assert places(sd21.load(folder).unet(shared=True)) == places(one)
    half = sd21.load(folder, precision=torch.bfloat16).unet(shared=True)
    assert not set(places(half).values()) & set(places(one).values())
    (tmp_path / "moved").mkdir()
    elsewhere = sd21.load(sd21.write_folder(tmp_path / "moved")).unet(shared=True)
    assert not set(places(elsewhere).values()) & set(places(one).values())


def test_weights_that_were_written_anew_are_read_anew(sd21, tmp_path):
    path = sd21.write_file(tmp_path / "model.safetensors")
    one = sd21.load(path).unet(shared=True)
    changed = {name: tensor + 1 for name, tensor in sd21.original().items()}
    sd21.write_file(tmp_path / "new.safetensors", changed).replace(path)
    other = sd21.load(path).unet(shared=True)
    assert torch.equal(other.conv_in.bias, one.conv_in.bias + 1)


def test_one_that_does_not_ask_has_its_own(backbone):
    shared, own, another = backbone.unet(shared=True), backbone.unet(), backbone.unet()
    sets = [set(places(unet).values()) for unet in (shared, own, another)]
    assert not sets[0] & sets[1]
    assert not sets[1] & sets[2]
    with torch.no_grad():
        own.conv_in.weight.add_(1)
    assert torch.equal(own.conv_in.weight, shared.conv_in.weight + 1)
    assert torch.equal(backbone.unet(shared=True).conv_in.weight, shared.conv_in.weight)


def test_lora_on_one_is_none_on_the_other(backbone, noise_of):
    one, other = backbone.unet(shared=True), backbone.unet(shared=True)
    before, layers = noise_of(other), [type(each) for each in other.modules()]
    lora = grown(backbone, one)
    assert not torch.equal(noise_of(one), before)
    assert torch.equal(noise_of(other), before)
    assert [type(each) for each in other.modules()] == layers
    assert places(one) == places(other)
    assert all(parameter.requires_grad for parameter in lora.values())
    assert not any(parameter.requires_grad for parameter in other.parameters())


def test_each_has_lora_of_its_own(backbone, noise_of):
    one, other = backbone.unet(shared=True), backbone.unet(shared=True)
    mine, theirs = grown(backbone, one), grown(backbone, other)
    assert mine.keys() == theirs.keys()
    assert not {id(each) for each in mine.values()} & {id(each) for each in theirs.values()}
    before = noise_of(other)
    with torch.no_grad():
        for parameter in mine.values():
            parameter.zero_()
    assert torch.equal(noise_of(other), before)
    assert places(one) == places(other)


def test_gradients_reach_the_lora_alone(backbone):
    one, other = backbone.unet(shared=True), backbone.unet(shared=True)
    lora = grown(backbone, one)
    one(torch.ones(1, 4, 8, 8), 399, torch.ones(1, 77, 32)).sample.mean().backward()
    assert all(parameter.grad is not None for parameter in lora.values())
    frozen = [each for name, each in one.named_parameters() if "lora_" not in name]
    assert all(parameter.grad is None for parameter in (*frozen, *other.parameters()))


def test_merging_one_leaves_the_other(backbone, noise_of):
    one, other = backbone.unet(shared=True), backbone.unet(shared=True)
    before = {name: tensor.clone() for name, tensor in other.state_dict().items()}
    grown(backbone, one)
    wanted = noise_of(one)
    backbone.merge_lora(one)
    assert [type(each) for each in one.modules()] == [type(each) for each in other.modules()]
    torch.testing.assert_close(noise_of(one), wanted, rtol=1e-3, atol=1e-3)
    assert all(torch.equal(before[name], each) for name, each in other.state_dict().items())
    assert not torch.equal(
        one.mid_block.resnets[0].conv1.weight, other.mid_block.resnets[0].conv1.weight
    )
    assert places(backbone.unet(shared=True)) == places(other)


def test_when_all_are_gone_it_is_loaded_again(backbone, noise_of):
    one, other = backbone.unet(shared=True), backbone.unet(shared=True)
    before = noise_of(one)
    grown(backbone, one)
    del one, other
    gc.collect()
    assert torch.equal(noise_of(backbone.unet(shared=True)), before)


def test_after_merging_the_last_it_is_loaded_again(backbone, noise_of):
    one = backbone.unet(shared=True)
    before = noise_of(one)
    grown(backbone, one)
    backbone.merge_lora(one)
    gc.collect()
    assert torch.equal(noise_of(backbone.unet(shared=True)), before)
    assert not torch.equal(noise_of(one), before)


def test_moving_one_keeps_them_together(backbone):
    one, other = backbone.unet(shared=True), backbone.unet(shared=True)
    one.to(torch.device("cpu"))
    assert places(one) == places(other)
    grown(backbone, one)
    torch.nn.Module.to(one, memory_format=torch.channels_last)
    assert places(one) == places(other)


def test_hollow_ones_are_kept_apart_from_real_ones(backbone):
    real = backbone.unet(shared=True)
    without_values = Context(installed(), read_weights=False).make("backbone", backbone.name)
    hollow = without_values.unet(shared=True)
    assert hollow.conv_in.weight.is_meta
    assert without_values.unet(shared=True).conv_in.weight is hollow.conv_in.weight
    assert backbone.unet(shared=True).conv_in.weight is real.conv_in.weight
