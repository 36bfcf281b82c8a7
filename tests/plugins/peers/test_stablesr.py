"""The restorer `stablesr`, built from options and files."""

import dataclasses
import pickle

import pytest
import torch

import toolkit
from toolkit.costs.components import component_costs
from toolkit.discovery import installed
from toolkit.plugin import LDM_PREFIXES, Context, OptionsError, WeightsError, ldm_name
from toolkit.specs import Selection
from toolkit_peers.stablesr import build, fusion, networks
from toolkit_peers.stablesr.published import FUSION, MAIN

NETWORKS = {"unet", "structure", "vae", "fusion", "text_encoder"}


@pytest.fixture
def tiny():
    """Makes a restorer with narrow networks at a small size, as the options say."""

    def make(**options):
        made = toolkit.make("restorer", "stablesr:tiny", **{"steps": 2} | options)
        made._settings = dataclasses.replace(made._settings, floor=128)
        return made

    return make


@pytest.mark.parametrize("size", [(37, 53), (16, 16), (24, 40)])
def test_restores_images_of_any_size(tiny, size):
    lr = torch.rand(1, 3, *size, generator=torch.Generator().manual_seed(0))
    sr = tiny(latent_tile=16, latent_overlap=8)(lr)
    assert sr.shape == (1, 3, 4 * size[0], 4 * size[1])
    assert 0 <= sr.min() < sr.max() <= 1
    assert not sr.requires_grad


def test_a_small_image_at_its_published_size():
    made = toolkit.make("restorer", "stablesr:tiny", steps=1, compatible=True)
    sr = made(torch.rand(1, 3, 90, 150))
    assert sr.shape == (1, 3, 382, 607)


def test_images_of_a_batch_are_restored_one_by_one(tiny):
    made = tiny(steps=1)
    lr = torch.rand(2, 3, 32, 36, generator=torch.Generator().manual_seed(0))
    together = made(lr)
    assert torch.equal(together, torch.cat([made(lr[:1]), made(lr[1:])]))
    assert torch.equal(tiny(steps=1)(lr), together)
    assert not torch.equal(tiny(steps=1, seed=1)(lr), together)


def test_both_programs_restore_crops(tiny):
    lr = torch.rand(1, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    tiled, crop = tiny(), tiny(program="crop")
    assert set(tiled.networks) == NETWORKS
    assert set(crop.networks) == NETWORKS - {"vae"}
    assert tiled(lr).shape == crop(lr).shape == (1, 3, 128, 128)
    assert not torch.equal(tiled(lr), crop(lr))
    assert tiled.name == "stablesr"
    assert tiled.tiles_itself
    assert tiled.matches_colours


def test_colours_are_those_of_the_lr_image(tiny):
    lr = torch.full((1, 3, 32, 32), 0.25)
    lr[:, 0] = 0.75
    sr = tiny(steps=1)(lr)
    torch.testing.assert_close(sr.mean((2, 3)), lr.mean((2, 3)), atol=0.02, rtol=0)
    plain = tiny(steps=1, colour="none")(lr)
    assert (plain.mean((2, 3)) - lr.mean((2, 3))).abs().max() > 0.05


def test_the_fingerprint_tells_settings_apart(tiny):
    plain = tiny().fingerprint
    assert plain["prompt"] == ""
    for options in (
        {"steps": 3}, {"colour": "none"}, {"seed": 7}, {"latent_tile": 32},
        {"latent_overlap": 16}, {"image_tile": 1024}, {"image_overlap": 32},
        {"program": "crop"}, {"compatible": True}, {"precision": "bfloat16"},
    ):  # fmt: skip
        assert tiny(**{"latent_overlap": 8} | options).fingerprint != plain, options


def test_steps_can_be_changed(tiny):
    made = tiny(steps=200)
    fewer = made.with_steps(1)
    assert made.steps == 200
    assert fewer.steps == 1
    assert fewer.networks == made.networks
    lr = torch.rand(1, 3, 32, 32)
    assert torch.equal(fewer(lr), tiny(steps=1)(lr))


def test_the_prompt_is_encoded_once(tiny, monkeypatch):
    made, lr = tiny(steps=1), torch.rand(2, 3, 32, 32)
    made(lr)
    monkeypatch.setattr(made._networks.text, "network", None)
    made(lr)
    assert made._text().shape[:2] == (1, 77)


def test_bfloat16_is_close_to_float32(tiny):
    lr = torch.rand(1, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    made = tiny(precision="bfloat16")
    assert {p.dtype for n in made.networks.values() for p in n.parameters()} == {torch.bfloat16}
    assert (made(lr) - tiny()(lr)).abs().mean() < 0.05


def test_options_are_checked():
    for wrong in (
        {"steps": 0}, {"steps": 1001}, {"latent_tile": 60}, {"latent_overlap": 64},
        {"image_tile": 500}, {"image_overlap": 1280}, {"program": "whole"}, {"prompt": "a cat"},
    ):  # fmt: skip
        with pytest.raises(OptionsError, match=next(iter(wrong))):
            toolkit.make("restorer", "stablesr:tiny", **wrong)


def test_the_published_system_needs_no_values_for_counting():
    with torch.device("meta"):
        context = Context(installed(), read_weights=False)
        made = context.make("restorer", "stablesr", steps=1)
        sr = made(torch.zeros(1, 3, 130, 140))
    assert sr.is_meta
    assert sr.shape == (1, 3, 520, 560)
    parameters = [p for network in made.networks.values() for p in network.parameters()]
    assert all(each.is_meta and not each.requires_grad for each in parameters)


def test_costs_are_those_of_table_3():
    counted = component_costs("restorer", Selection(use="stablesr"), installed())
    assert counted["gmacs"] == pytest.approx(83_827, abs=300)
    assert counted["params_m"] == pytest.approx(1523.2, abs=0.1)


def original(made):
    """A restorer's weights, times 1.1, under the names of the published files."""
    unet, vae = made.networks["unet"], made.networks["vae"]
    main = {
        ldm_name(part, name, network.config): 1.1 * value
        for part, network in (("unet", unet), ("vae", vae))
        for name, value in network.state_dict().items()
    }
    for name, value in made.networks["structure"].state_dict().items():
        main[f"structcond_stage_model.{name}"] = 1.1 * value
    text = made.networks["text_encoder"].state_dict()
    prefix = "cond_stage_model.model."
    for name, value in text.items():
        plain = name.removeprefix("text_model.")
        for ours, theirs in {
            "embeddings.token_embedding.weight": "token_embedding.weight",
            "embeddings.position_embedding.weight": "positional_embedding",
            "final_layer_norm": "ln_final",
            "encoder.layers": "transformer.resblocks",
            "layer_norm": "ln_", "mlp.fc1": "mlp.c_fc", "mlp.fc2": "mlp.c_proj",
            "self_attn.out_proj": "attn.out_proj",
        }.items():  # fmt: skip
            plain = plain.replace(ours, theirs)
        if "self_attn" in plain:
            continue
        main[prefix + plain] = 1.1 * value
    for layer in range(2):
        for kind in ("weight", "bias"):
            stem = next(n for n in text if f"layers.{layer}.self_attn.q_proj.{kind}" in n)
            parts = [text[stem.replace("q_proj", f"{each}_proj")] for each in "qkv"]
            whole = 1.1 * torch.cat(parts)
            main[f"{prefix}transformer.resblocks.{layer}.attn.in_proj_{kind}"] = whole
    main[f"{prefix}transformer.resblocks.2.ln_1.weight"] = torch.zeros(1)

    both = {}
    for name, value in made.networks["fusion"].state_dict().items():
        if ".fusion_layer_" in name:
            plain = fusion.original_name(name)
        else:
            plain = ldm_name("vae", name, vae.config).removeprefix(LDM_PREFIXES["vae"])
        both[plain] = 1.1 * value
    return main, both | {"loss.logvar": torch.zeros(1)}


@pytest.fixture
def folder(tmp_path, tiny):
    """Files of narrow networks under the authors' names, as a trainer leaves them."""
    for file, content in zip((MAIN, FUSION), original(tiny()), strict=True):
        torch.save({"state_dict": content, "global_step": 1}, tmp_path / file.name)
    return tmp_path


def read(path, **options):
    """Reads narrow networks from files, which options alone cannot ask for."""
    known = installed().find("restorer", "stablesr").options(weights="tiny", **options)
    files = {MAIN: path / MAIN.name, FUSION: path / FUSION.name}
    return build.build(known, Context(installed()), files)


def test_reads_the_authors_files(folder, tiny):
    made = read(folder, precision="float16")
    assert set(made.networks) == NETWORKS
    for name, network in made.networks.items():
        wanted = tiny().networks[name].state_dict()
        for key, value in network.state_dict().items():
            assert torch.equal(value, (1.1 * wanted[key]).half()), key
        assert not any(each.requires_grad for each in network.parameters())


def test_files_of_another_network_are_refused(folder):
    (folder / FUSION.name).write_bytes((folder / MAIN.name).read_bytes())
    with pytest.raises(WeightsError, match=r"vqgan_cfw_00011\.ckpt lacks") as error:
        read(folder)
    assert str(folder / FUSION.name) in str(error.value)
    (folder / MAIN.name).write_bytes(pickle.dumps({"state_dict": {}}))
    with pytest.raises(WeightsError, match=r"stablesr_000117\.ckpt"):
        read(folder)


def test_missing_files_are_named_before_any_network_is_made(folder, monkeypatch):
    (folder / FUSION.name).unlink()
    monkeypatch.setattr(build, "_made", lambda *_: pytest.fail("made a network"))
    monkeypatch.setattr(networks, "read_main", lambda *_: pytest.fail("read a file"))
    with pytest.raises(WeightsError, match=r"vqgan_cfw_00011\.ckpt"):
        toolkit.make("restorer", "stablesr", weights=str(folder))


def test_files_must_be_accepted_for_their_licence():
    for file in (MAIN, FUSION):
        assert file.restricted == "commercial use"
        assert file.on_request
        assert file.page
        assert not file.sources
