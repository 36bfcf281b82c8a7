"""The restorers `resshift` and `sinsr`, built from options and files."""

import dataclasses

import pytest
import torch
from torch import nn

import toolkit
from toolkit.abilities import Stepwise
from toolkit.costs.components import component_costs
from toolkit.discovery import installed
from toolkit.plugin import Checkpoint, Context, OptionsError, Selection, WeightsError
from toolkit_peers import files
from toolkit_peers.noise import seeded
from toolkit_peers.resshift import build, published
from toolkit_peers.resshift.component import ResShiftOptions, SinSROptions
from toolkit_peers.resshift.network import FULL
from toolkit_peers.resshift.restorer import SCHEDULE, ResShift, Settings
from toolkit_peers.resshift.swin import GroupNorm, WindowAttention

SYSTEMS = ["resshift", "sinsr"]
FILES = {
    "resshift": ("resshift_realsrx4_s15_v1.pth", "resshift_realsrx4_s15_v2.pth"),
    "sinsr": ("SinSR_v1.pth", "SinSR_v2.pth"),
}


def make(name, **options):
    """A restorer with narrow networks, in few steps."""
    steps = {"steps": 2} if name == "resshift" else {}
    return toolkit.make("restorer", f"{name}:tiny", **steps | options)


def image(*shape):
    return torch.rand(*shape, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("name", SYSTEMS)
@pytest.mark.parametrize("size", [(37, 53), (16, 16), (24, 40), (1, 1)])
def test_restores_images_of_any_size(name, size):
    made = make(name)
    sr = made(image(1, 3, *size))
    assert made.name == name
    assert sr.shape == (1, 3, 4 * size[0], 4 * size[1])
    assert 0 <= sr.min() < sr.max() <= 1
    assert torch.equal(sr, sr.mul(255).round().div(255))
    assert not sr.requires_grad


@pytest.mark.parametrize(("size", "tile"), [((90, 150), 64), ((900, 700), 512)])
def test_large_images_are_restored_in_tiles(size, tile):
    made = make("sinsr", tile=tile).to(torch.device("meta"))
    sr = made(torch.empty(1, 3, *size, device="meta"))
    assert sr.shape == (1, 3, 4 * size[0], 4 * size[1])


@pytest.mark.parametrize("name", SYSTEMS)
def test_images_of_a_batch_are_restored_one_by_one(name):
    lr = image(2, 3, 16, 20)
    together = make(name)(lr)
    assert torch.equal(together, torch.cat([make(name)(lr[:1]), make(name)(lr[1:])]))
    assert not torch.equal(make(name, seed=1)(lr), together)
    assert not torch.equal(together[0], together[1])


@pytest.mark.parametrize("name", SYSTEMS)
def test_tiles_have_noise_of_their_own_and_meet_without_seams(name):
    whole, lr = make(name), image(1, 3, 16, 25)
    settings = dataclasses.replace(whole._settings, tile=16, overlap=4, compatible=True)
    tiled = ResShift(whole._networks, settings)
    noise = seeded(12345, lr.device)
    left, right = whole.enhance(lr[..., :16], noise), whole.enhance(lr[..., 9:], noise)
    found = tiled.enhance(lr, seeded(12345, lr.device))
    assert torch.equal(found[..., : 4 * 9], left[..., : 4 * 9])
    torch.testing.assert_close(found[..., 4 * 16 :], right[..., 4 * 7 :])
    both = (left[..., 4 * 9 :] + right[..., : 4 * 7]) / 2
    torch.testing.assert_close(found[..., 4 * 9 : 4 * 16], both)
    faded = ResShift(whole._networks, dataclasses.replace(settings, compatible=False))
    smooth = faded.enhance(lr, seeded(12345, lr.device))
    torch.testing.assert_close(smooth[..., 4 * 9], left[..., 4 * 9], atol=1e-3, rtol=0)
    torch.testing.assert_close(smooth[..., 4 * 16 - 1], right[..., 4 * 7 - 1], atol=1e-3, rtol=0)
    untiled = ResShift(whole._networks, dataclasses.replace(whole._settings, tile=0))
    alone = untiled.enhance(lr, seeded(12345, lr.device))
    assert not torch.equal(alone, found)
    assert torch.equal(whole.enhance(lr, seeded(12345, lr.device)), alone)


def test_colours_are_matched_before_rounding():
    lr = image(1, 3, 16, 16)
    matched = make("sinsr", colour="adain")(lr)
    assert not torch.equal(make("sinsr")(lr), matched)
    assert (matched.mean((2, 3)) - lr.mean((2, 3))).abs().max() < 0.02
    assert torch.equal(matched, matched.mul(255).round().div(255))


@pytest.mark.parametrize("name", SYSTEMS)
def test_the_defaults_are_the_authors(golden, name):
    told, hollow = golden(name).config["inference"], Context(installed(), read_weights=False)
    with torch.device("meta"):
        made = hollow.make("restorer", name)
    system = {"resshift": "ResShift", "sinsr": "SinSR"}[name]
    overlap = told["tile"] - told["tile_stride"]
    wanted = Settings(system, "v1", told["steps_run"], told["tile"], overlap, seed=told["seed"])
    assert made._settings == wanted
    small = toolkit.make("restorer", f"{name}:tiny", tile=told["tile_small"])
    assert small._settings.overlap == told["tile_small"] - told["tile_small_stride"]
    assert make(name, tile=64)._settings.overlap == 64 - 48
    assert make(name, tile=64, overlap=0)._settings.overlap == 0
    assert FULL.multiple == told["pad_multiple"]
    diffusion = golden(name).config["diffusion"]
    assert SCHEDULE.timesteps == diffusion["steps"]
    assert SCHEDULE.kappa == diffusion["kappa"]


@pytest.mark.parametrize("name", SYSTEMS)
def test_the_fingerprint_tells_settings_apart(name):
    plain = make(name).fingerprint
    chosen = [
        {"version": "v2"}, {"tile": 128}, {"overlap": 0}, {"colour": "adain"}, {"seed": 7},
        {"compatible": True},
        {"precision": "bfloat16"},
    ]  # fmt: skip
    chosen += [{"steps": 3}] if name == "resshift" else []
    found = [make(name, **options).fingerprint for options in chosen]
    assert all(each != plain for each in found)
    assert plain["system"].lower() == name
    assert set(map(type, plain.values())) == {str}


def test_steps_are_spaced_from_the_last_timestep():
    def timesteps(count):
        return [step.timestep for step in SCHEDULE.steps(count)]

    assert timesteps(1) == [14]
    assert timesteps(2) == [14, 0]
    assert timesteps(3) == [14, 7, 0]
    made = make("resshift")
    assert isinstance(made, Stepwise)
    assert made.with_steps(3).steps == 3
    lr = image(1, 3, 16, 16)
    assert torch.equal(made.with_steps(2)(lr), made(lr))
    assert not torch.equal(made.with_steps(1)(lr), made(lr))


@pytest.mark.parametrize(
    ("name", "wrong"),
    [
        ("resshift", {"steps": 0}),
        ("resshift", {"steps": 16}),
        ("sinsr", {"steps": 1}),
        ("resshift", {"version": "v3"}),
        ("sinsr", {"tile": 100}),
        ("sinsr", {"tile": 64, "overlap": 64}),
        ("sinsr", {"overlap": 512}),
    ],
)
def test_options_are_checked(name, wrong):
    with pytest.raises(OptionsError, match=list(wrong)[-1]):
        make(name, **wrong)


def test_paths_of_weights_become_absolute(tmp_path, monkeypatch):
    (tmp_path / "own").mkdir()
    monkeypatch.chdir(tmp_path)
    for options in (ResShiftOptions, SinSROptions):
        assert options(weights="own").weights == str(tmp_path / "own")
        assert options(weights="tiny").weights == "tiny"


@pytest.mark.parametrize("precision", ["bfloat16", "float16"])
def test_norms_and_biases_stay_in_float32(precision):
    made = make("sinsr", precision=precision)
    dtype = getattr(torch, precision)
    for layer in made.networks["unet"].modules():
        own = {each.dtype for each in layer.parameters(recurse=False)}
        kept = isinstance(layer, GroupNorm | WindowAttention)
        assert own <= {torch.float32 if kept else dtype}
    assert {each.dtype for each in made.networks["vae"].parameters()} == {dtype}
    assert made.fingerprint["precision"] == precision


def test_bfloat16_is_close_to_float32():
    lr = image(1, 3, 16, 16)
    difference = make("sinsr", precision="bfloat16")(lr) - make("sinsr")(lr)
    assert 0 < difference.abs().mean() < 0.05


@pytest.mark.parametrize(("name", "gmacs", "near"), [("resshift", 4901.7, 2), ("sinsr", 2095, 3)])
def test_complexity_is_counted_as_in_the_paper(name, gmacs, near):
    found = component_costs("restorer", Selection(use=name), installed())
    assert found["gmacs"] == pytest.approx(gmacs, abs=near)
    assert found["params_m"] == pytest.approx(173.83, abs=0.005)


@pytest.mark.parametrize("name", SYSTEMS)
def test_the_published_system_needs_no_values_for_counting(golden, name):
    with torch.device("meta"):
        made = Context(installed(), read_weights=False).make("restorer", name)
    assert set(made.networks) == {"unet", "vae"}
    counts = golden(name).config["parameters"]
    for part, wanted in {"unet": counts["unet"], "vae": counts["vq"]}.items():
        parameters = list(made.networks[part].parameters())
        assert sum(each.numel() for each in parameters) == wanted
        assert all(each.is_meta and not each.requires_grad for each in parameters)


@pytest.fixture
def folder(tmp_path, golden, monkeypatch):
    """A folder with the published files at full size, whose tensors are one number each."""
    layouts = [("resshift", "autoencoder_vq_f4.pth")]
    layouts += [(system, name) for system, names in FILES.items() for name in names]
    for number, (system, name) in enumerate(layouts):
        shapes = golden(system).published(name)
        content = {
            key: torch.tensor(number, dtype=each.dtype).expand(each.shape)
            for key, each in shapes.items()
        }
        torch.save(content, tmp_path / name)
    # The copies that reading makes would be gigabytes.
    monkeypatch.setattr(Checkpoint, "__getitem__", lambda self, name: self._content[name])
    return tmp_path


@pytest.mark.parametrize("name", SYSTEMS)
@pytest.mark.parametrize("version", ["v1", "v2"])
def test_everything_is_read_from_the_users_folder(folder, name, version):
    made = toolkit.make("restorer", name, weights=str(folder), version=version)
    value = 1 + 2 * SYSTEMS.index(name) + ["v1", "v2"].index(version)
    for part, wanted in {"unet": value, "vae": 0}.items():
        network = made.networks[part]
        assert isinstance(network, nn.Module)
        assert not network.training
        for tensor in [*network.parameters(), *network.buffers()]:
            assert not tensor.requires_grad
            assert tensor.flatten()[0] == wanted


@pytest.mark.parametrize("torn", [0, 1])
@pytest.mark.parametrize("name", SYSTEMS)
def test_a_torn_file_is_named(folder, name, torn):
    file = (FILES[name][0], "autoencoder_vq_f4.pth")[torn]
    content = (folder / file).read_bytes()
    (folder / file).write_bytes(content[: len(content) // 2])
    with pytest.raises(WeightsError, match=file):
        toolkit.make("restorer", name, weights=str(folder))


@pytest.mark.parametrize("name", SYSTEMS)
def test_missing_files_are_asked_for_at_once(tmp_path, name, monkeypatch):
    asked = []

    def fetch_all(wanted):
        asked.extend(wanted)
        raise WeightsError("not here")

    monkeypatch.setattr(files.weights, "fetch_all", fetch_all)
    monkeypatch.setattr(build, "UNet", lambda *_: pytest.fail("made a network"))
    with pytest.raises(WeightsError, match="not here"):
        toolkit.make("restorer", name, version="v2")
    assert [file.name for file in asked] == [FILES[name][1], "autoencoder_vq_f4.pth"]
    (tmp_path / "mine.pth").touch()
    with pytest.raises(WeightsError, match="not here"):
        toolkit.make("restorer", name, weights=str(tmp_path / "mine.pth"))
    assert asked[2:] == [published.AUTOENCODER]


def test_no_file_may_be_used_commercially():
    for name in SYSTEMS:
        component = installed().find("restorer", name)
        assert [file.name for file in component.weights] == [*FILES[name], "autoencoder_vq_f4.pth"]
        assert {file.restricted for file in component.weights} == {"commercial use"}
        for file in component.weights:
            assert file.licence in component.licence
