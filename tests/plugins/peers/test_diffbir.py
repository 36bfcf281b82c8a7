"""DiffBIR as a restorer."""

import doctest
from dataclasses import replace

import pytest
import torch

import toolkit
from toolkit.component import Context
from toolkit.costs.complexity import complexity
from toolkit.costs.components import component_costs
from toolkit.discovery import installed
from toolkit.plugin import OptionsError, Selection
from toolkit.restoring.colour import match_colour
from toolkit_peers.diffbir import restorer as restoring
from toolkit_peers.diffbir import sizes
from toolkit_peers.diffbir.component import DiffBIROptions
from toolkit_peers.diffbir.restorer import DiffBIR, Settings
from toolkit_peers.diffbir.sizes import padded, resized, with_short_edge
from toolkit_peers.noise import seeded

NEGATIVE = DiffBIROptions().negative_prompt
SMALL = Settings(prompt="", negative=NEGATIVE, steps=2, floor=128)


@pytest.fixture(scope="module")
def known(golden):
    return golden("diffbir")


@pytest.fixture(scope="module")
def tiny():
    return toolkit.make("restorer", "diffbir:tiny", steps=2)


def photo(height, width, seed=0):
    """A smooth image with some texture, of 8 bits."""
    stream = torch.Generator().manual_seed(seed)
    coarse = torch.rand(1, 3, 4, 4, generator=stream)
    smooth = torch.nn.functional.interpolate(coarse, (height, width), mode="bilinear")
    noisy = smooth + 0.05 * torch.rand(1, 3, height, width, generator=stream)
    return noisy.clamp(0, 1).mul(255).round().div(255)


def recorded(noise, shapes):
    def draw(shape):
        shapes.append(tuple(shape))
        return noise(shape)

    return draw


def bytes_of(image):
    return image.mul(255).round().to(torch.uint8)[0].permute(1, 2, 0)


@pytest.mark.parametrize("case", ["small", "plain", "cond_start"])
def test_images_are_restored_as_published(known, tiny_diffbir, close, case):
    facts = known.config["e2e"][case]
    start = facts.get("start_point_type", "noise")
    settings = replace(SMALL, steps=facts["steps"], floor=facts["floor"], start=start)
    restorer = DiffBIR(tiny_diffbir, settings)
    lr = known[f"e2e.{case}.lr_u8"].permute(2, 0, 1)[None] / 255

    def noise():
        drawn = iter(known[f"e2e.{case}.noise.{number}"] for number in range(facts["steps"] + 1))
        return lambda _shape: next(drawn)

    clean = restorer.clean(lr)
    close(clean, known[f"e2e.{case}.stage1"], 1e-5)
    shapes = []
    enhanced = restorer.enhance(clean, recorded(noise(), shapes))
    close(2 * enhanced - 1, known[f"e2e.{case}.stage2"], 1e-4)
    assert shapes == [tuple(facts["latent"])] * (1 + facts["steps"])
    found = bytes_of(restorer.restore(lr, noise())).int()
    wanted = known[f"e2e.{case}.sr_u8"].int()
    assert found.shape == wanted.shape
    off = (found - wanted).abs()
    assert off.max() <= 1
    assert off.sum() <= wanted.numel() / 1000


@torch.no_grad()
def test_the_condition_is_as_published(known, tiny_diffbir, close):
    restorer = DiffBIR(tiny_diffbir, SMALL)
    close(restorer.encode(known["vae.image01"]), known["vae.condition"], 1e-5)
    close(2 * restorer.decode(known["vae.z"]) - 1, known["vae.decoded"], 1e-5)


def test_padding_is_as_published(known):
    image = known.uniform("diffbir.pad", 1, 3, 70, 130)
    assert torch.equal(image[:, :, ::2, ::2], known["pad.in_every2nd"])
    larger = padded(image, 64)
    assert list(larger.shape) == known["pad.shape64"].tolist()
    assert torch.equal(larger[:, :, :70, :130], image)
    assert larger[:, :, 70:].count_nonzero() == larger[:, :, :, 130:].count_nonzero() == 0


@pytest.mark.parametrize("edge", [32, 14])
def test_resizing_is_as_published(known, close, edge):
    image = known["resize.in"]
    size = with_short_edge(tuple(image.shape[2:]), edge)
    close(resized(image, size), known[f"resize.short_edge_to_{edge}"], 1e-5)


def test_sizes_are_those_of_the_shorter_edge():
    assert doctest.testmod(sizes).failed == 0
    assert with_short_edge((64, 64), 512) == (512, 512)
    assert with_short_edge((56, 40), 512) == (716, 512)
    image = torch.rand(1, 3, 8, 9)
    assert resized(image, (8, 9)) is image


def test_colours_are_matched_as_published(known, close):
    target = known.uniform("colour.target", 1, 3, 40, 36)
    source = known.uniform("colour.source", 1, 3, 40, 36, low=0.2, high=0.7)
    found = match_colour(target, source, "wavelet", clamp=False)
    close(found, known["colour.wavelet"], 1e-6)


@pytest.mark.parametrize("size", [(37, 53), (16, 16), (24, 40)])
def test_any_size_is_enlarged_by_four(tiny, size):
    sr = tiny(photo(*size))
    assert sr.shape == (1, 3, 4 * size[0], 4 * size[1])
    assert 0 <= sr.min() < sr.max() <= 1
    assert torch.equal(sr, sr.mul(255).round().div(255))


def test_each_image_has_the_same_noise(tiny_diffbir):
    restorer = DiffBIR(tiny_diffbir, SMALL)
    batch = torch.cat([photo(12, 20), photo(12, 20, seed=1)])
    found = restorer(batch)
    assert torch.equal(found[:1], restorer(batch[:1]))
    assert torch.equal(found[1:], restorer(batch[1:]))
    assert not torch.equal(found[:1], DiffBIR(tiny_diffbir, replace(SMALL, seed=1))(batch[:1]))


@pytest.mark.parametrize(
    "change",
    [
        {"prompt": "a cat"},
        {"negative": "a cat"},
        {"steps": 3},
        {"guidance": 3.0},
        {"rescaled": True},
        {"start": "cond"},
        {"colour": "none"},
        {"colour": "adain"},
    ],
)
def test_every_setting_matters_and_is_in_the_fingerprint(tiny_diffbir, change):
    usual, other = DiffBIR(tiny_diffbir, SMALL), DiffBIR(tiny_diffbir, replace(SMALL, **change))
    lr = photo(12, 20)
    assert not torch.equal(usual(lr), other(lr))
    assert usual.fingerprint != other.fingerprint


def test_without_guidance_there_is_one_pass_and_no_negative_prompt(tiny_diffbir, close):
    passes = []
    hook = tiny_diffbir.unet.register_forward_hook(lambda *_: passes.append(1))
    lr = photo(12, 20)
    alone = replace(SMALL, guidance=1.0)
    first = DiffBIR(tiny_diffbir, alone)(lr)
    assert len(passes) == 2
    assert torch.equal(first, DiffBIR(tiny_diffbir, replace(alone, negative="a cat"))(lr))
    # Rescaling has nothing to act on.
    assert torch.equal(first, DiffBIR(tiny_diffbir, replace(alone, rescaled=True))(lr))
    passes.clear()
    twice = DiffBIR(tiny_diffbir, replace(SMALL, guidance=1 + 1e-6))(lr)
    assert len(passes) == 4
    hook.remove()
    close(twice, first, 1.5 / 255)


def test_tiles_show_no_seams():
    tiled = toolkit.make("restorer", "diffbir:tiny", steps=2, latent_tile=64)
    passes = []
    tiled.networks["unet"].register_forward_hook(lambda *_: passes.append(1))
    sr = tiled(photo(132, 150))
    assert sr.shape == (1, 3, 528, 600)
    assert len(passes) == 2 * 2 * (2 * 2)  # tiles of 66 x 75, passes, steps
    for image in (sr, sr.transpose(2, 3)):
        jumps = image.diff(dim=3).abs().mean(dim=(0, 1, 2))
        assert jumps.max() < 2 * jumps.median()


def test_tiles_of_the_whole_change_nothing(tiny_diffbir, close):
    lr = photo(32, 32)
    whole = DiffBIR(tiny_diffbir, SMALL)(lr)
    tiled = DiffBIR(tiny_diffbir, replace(SMALL, tile=16))(lr)
    close(tiled, whole, 1.5 / 255)


def test_an_image_smaller_than_a_tile_is_padded_to_8_twice(tiny_diffbir):
    shapes, encoded, lr = [], [], photo(33, 36)
    restorer = DiffBIR(tiny_diffbir, replace(SMALL, tile=24))
    hook = tiny_diffbir.vae.encoder.register_forward_hook(
        lambda _, args, __: encoded.append(tuple(args[0].shape))
    )
    sr = restorer.restore(lr, recorded(seeded(0, lr.device), shapes))
    hook.remove()
    assert encoded == [(1, 3, 136, 144)]
    assert shapes == [(1, 4, 24, 24)] * 3
    assert sr.shape == (1, 3, 132, 144)


def test_tiled_latents_are_not_padded_and_tiles_overlap_by_half(tiny_diffbir):
    shapes, passes, lr = [], [], photo(33, 52)
    restorer = DiffBIR(tiny_diffbir, replace(SMALL, tile=16, guidance=1.0))
    hook = tiny_diffbir.unet.register_forward_hook(lambda *_: passes.append(1))
    sr = restorer.restore(lr, recorded(seeded(0, lr.device), shapes))
    hook.remove()
    assert shapes == [(1, 4, 17, 26)] * 3
    assert len(passes) == 2 * (2 * 3)  # steps; from rows 0 and 1, columns 0, 8 and 10
    assert sr.shape == (1, 3, 132, 208)


@pytest.mark.parametrize(("tile", "tiled"), [(0, False), (16, True)])
def test_other_networks_are_tiled_with_the_unet(tiny_diffbir, monkeypatch, tile, tiled):
    seen, real = [], restoring.cleaned
    watched = lambda network, lr, **more: seen.append(more) or real(network, lr, **more)  # noqa: E731
    monkeypatch.setattr(restoring, "cleaned", watched)
    for name in ("encode_moments", "decode"):
        function = getattr(restoring.vae_tiles, name)
        monkeypatch.setattr(
            restoring.vae_tiles,
            name,
            lambda *args, call=function, name=name: seen.append(name) or call(*args),
        )
    DiffBIR(tiny_diffbir, replace(SMALL, tile=tile, steps=1))(photo(32, 32))
    assert seen == ([{}, "encode_moments", "decode"] if tiled else [{"tile": 0}])


@pytest.mark.parametrize("tile", [12, -8])
def test_tiles_must_suit_the_unet(tile):
    with pytest.raises(OptionsError, match="latent_tile"):
        toolkit.make("restorer", "diffbir:tiny", latent_tile=tile)


def test_networks_may_be_of_half_precision():
    options = {"guidance": 1.0, "steps": 1, "precision": "bfloat16"}
    restorer = toolkit.make("restorer", "diffbir:tiny", **options)
    parameters = [each for net in restorer.networks.values() for each in net.parameters()]
    assert {each.dtype for each in parameters} == {torch.bfloat16}
    sr = restorer(photo(16, 16))
    assert sr.dtype == torch.float32
    assert sr.isfinite().all()
    assert restorer.fingerprint["precision"] == "bfloat16"


def test_a_hollow_restorer_runs_on_the_meta_device():
    context = Context(installed(), read_weights=False)
    for options in ({"colour": "wavelet"}, {"latent_tile": 64, "start": "cond"}):
        with torch.device("meta"):
            restorer = context.make("restorer", "diffbir:tiny", steps=1, **options)
            assert restorer(torch.zeros(1, 3, 9, 10)).shape == (1, 3, 36, 40)
        parameters = [each for net in restorer.networks.values() for each in net.parameters()]
        assert all(each.is_meta and not each.requires_grad for each in parameters)


@pytest.mark.parametrize("name", ["diffbir:tiny", "seesr:tiny"])
def test_the_count_of_two_steps_tells_the_rest(name):
    def counted(steps):
        selection = Selection(use=name, options={"steps": steps, "guidance": 1.0})
        return component_costs("restorer", selection, installed())["gmacs"]

    context = Context(installed(), read_weights=False)
    with torch.device("meta"):
        made = context.make("restorer", name, steps=4, guidance=1.0)
        lr = torch.zeros(1, 3, 128, 128)
        whole = complexity(made, lambda: made(lr))["paper"].macs / 1e9
    assert counted(4) == pytest.approx(whole, rel=1e-9)
    assert counted(4) > counted(3) > counted(2)


def test_only_large_images_are_tiled_by_default(tiny_diffbir, monkeypatch):
    tiles = []
    monkeypatch.setattr(restoring, "_WHOLE_PIXELS", 128 * 128)
    monkeypatch.setattr(
        DiffBIR,
        "clean",
        lambda self, lr: tiles.append(self._settings.tile) or lr.repeat(1, 1, 4, 4),
    )
    monkeypatch.setattr(DiffBIR, "enhance", lambda _self, clean, _noise: clean)
    restorer = DiffBIR(tiny_diffbir, replace(SMALL, tile=None))
    for side in (32, 33):
        assert restorer(photo(side, 32)).shape == (1, 3, 4 * side, 128)
    assert tiles == [0, 64]
