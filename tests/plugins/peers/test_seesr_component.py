"""The restorer `seesr`, built from options and files."""

import dataclasses

import pytest
import torch
from safetensors.torch import save_file

import toolkit
from toolkit.plugin import Context, OptionsError, WeightsError
from toolkit_peers.seesr import build

ADDED = "clean, high-resolution, 8k"


@pytest.fixture
def tiny():
    """Makes a restorer with narrow networks at a small size, as the options say."""

    def make(**options):
        made = toolkit.make("restorer", "seesr:tiny", **{"steps": 2} | options)
        made._settings = dataclasses.replace(made._settings, process_size=64)
        return made

    return make


@pytest.mark.parametrize("size", [(37, 53), (16, 16), (24, 40)])
def test_restores_images_of_any_size(tiny, size):
    lr = torch.rand(1, 3, *size, generator=torch.Generator().manual_seed(0))
    sr = tiny()(lr)
    assert sr.shape == (1, 3, 4 * size[0], 4 * size[1])
    assert 0 <= sr.min() < sr.max() <= 1
    assert not sr.requires_grad


def test_images_of_a_batch_are_restored_one_by_one(tiny):
    made = tiny(tagger=False, steps=1)
    lr = torch.rand(2, 3, 16, 20, generator=torch.Generator().manual_seed(0))
    together = made(lr)
    assert torch.equal(together, torch.cat([made(lr[:1]), made(lr[1:])]))
    assert torch.equal(tiny(tagger=False, steps=1)(lr), together)
    assert not torch.equal(tiny(tagger=False, steps=1, seed=1)(lr), together)


def test_without_a_tagger_the_prompt_is_fixed_and_image_tokens_are_zero(tiny):
    with_tags, without = tiny(prompt="a cat"), tiny(prompt="a cat", tagger=False)
    assert with_tags.fingerprint["prompt"] == f"{{tags}}, a cat,{ADDED}"
    assert with_tags.fingerprint["image_tokens"] == "RAM with DAPE"
    assert without.fingerprint["tagger"] == f"none; fixed prompt 'a cat, {ADDED}'"
    assert without.fingerprint["image_tokens"] == "none; zeros"
    assert "tagger" in with_tags.networks
    assert set(without.networks) == {"unet", "controlnet", "vae", "text_encoder"}
    lr = torch.rand(1, 3, 16, 16)
    assert not without._conditions(lr)[1].any()
    assert without._conditions(lr)[1].shape == (1, 145, 512)
    assert tiny(tagger=False)._prompts.describe(lr) == (ADDED, None)


def test_the_fingerprint_tells_settings_apart(tiny):
    plain = tiny(tagger=False).fingerprint
    for options in (
        {"steps": 3}, {"guidance": 2.0}, {"guidance": 1.0}, {"negative_prompt": "ugly"},
        {"added_prompt": ""}, {"colour": "none"}, {"seed": 7}, {"latent_tile": 64},
        {"latent_overlap": 8}, {"precision": "bfloat16"}, {"tagger": True}, {"prompt": "a cat"},
    ):  # fmt: skip
        assert tiny(**{"tagger": False} | options).fingerprint != plain, options
    assert tiny(tagger=False, guidance=1.0).fingerprint["guidance"] == "none"


def test_bfloat16_is_close_to_float32(tiny):
    lr = torch.rand(1, 3, 16, 16, generator=torch.Generator().manual_seed(0))
    made = tiny(precision="bfloat16", tagger=False)
    assert {p.dtype for n in made.networks.values() for p in n.parameters()} == {torch.bfloat16}
    assert (made(lr) - tiny(tagger=False)(lr)).abs().mean() < 0.05


def test_options_are_checked():
    for wrong in ({"steps": 0}, {"steps": 1000}, {"guidance": -1.0}):
        with pytest.raises(OptionsError):
            toolkit.make("restorer", "seesr:tiny", **wrong)


def test_the_published_system_needs_no_values_for_counting():
    from toolkit.discovery import installed

    with torch.device("meta"):
        context = Context(installed(), read_weights=False)
        made = context.make("restorer", "seesr", steps=1, guidance=1.0)
        sr = made(torch.zeros(1, 3, 128, 128))
    assert sr.is_meta
    assert sr.shape == (1, 3, 512, 512)
    parameters = [p for network in made.networks.values() for p in network.parameters()]
    assert all(each.is_meta and not each.requires_grad for each in parameters)


@pytest.fixture
def folder(tmp_path, tiny):
    """Files of narrow networks under the authors' names."""
    made = tiny(tagger=False)
    for name in ("unet", "controlnet", "text_encoder"):
        state = {k: (1.1 * v).contiguous() for k, v in made.networks[name].state_dict().items()}
        file = "model" if name == "text_encoder" else "diffusion_pytorch_model"
        place = tmp_path / ("" if name == "text_encoder" else "seesr") / name
        place.mkdir(parents=True)
        save_file(state, place / f"{file}.safetensors")
    return tmp_path


def test_reads_a_folder_of_the_authors_files(folder, tiny):
    made = tiny(weights=str(folder), base="tiny", tagger=False, precision="float16")
    for name in ("unet", "controlnet", "text_encoder"):
        wanted = tiny(tagger=False).networks[name].state_dict()
        for key, value in made.networks[name].state_dict().items():
            assert torch.equal(value, (1.1 * wanted[key]).half()), key
    assert not any(p.requires_grad for n in made.networks.values() for p in n.parameters())


def test_missing_files_are_named_before_any_network_is_made(folder, monkeypatch):
    (folder / "seesr/controlnet/diffusion_pytorch_model.safetensors").unlink()
    monkeypatch.setattr(build, "Parts", lambda *_: pytest.fail("made a network"))
    with pytest.raises(WeightsError, match=r"seesr-controlnet\.safetensors"):
        toolkit.make("restorer", "seesr", weights=str(folder), base="tiny", tagger=False)


def test_files_of_another_network_are_refused(folder):
    path = folder / "seesr/controlnet/diffusion_pytorch_model.safetensors"
    path.write_bytes((folder / "seesr/unet/diffusion_pytorch_model.safetensors").read_bytes())
    with pytest.raises(WeightsError, match=r"lacks controlnet_cond_embedding") as error:
        toolkit.make("restorer", "seesr", weights=str(folder), base="tiny", tagger=False)
    assert str(path) in str(error.value)
