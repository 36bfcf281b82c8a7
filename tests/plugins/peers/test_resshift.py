"""ResShift's and SinSR's restoration, against the authors' results."""

import itertools
from types import SimpleNamespace

import pytest
import torch
from torch import nn
from torch.nn import functional

from toolkit.plugin import Checkpoint
from toolkit_peers.images import rounded
from toolkit_peers.latent_tiles import blended
from toolkit_peers.resshift import restorer
from toolkit_peers.resshift.autoencoder import Autoencoder, autoencoder_network
from toolkit_peers.resshift.autoencoder import read_autoencoder as read_vq
from toolkit_peers.resshift.build import read_unet
from toolkit_peers.resshift.network import TINY, UNet
from toolkit_peers.resshift.restorer import SCHEDULE, Networks, ResShift, Settings
from toolkit_peers.resshift.schedule import Schedule, advance, sample

STEPS = {"resshift": 15, "sinsr": 1}
PIPELINES = [
    ("resshift", "pipeline/whole_2", ["pipeline/whole_2"]),
    ("resshift", "pipeline/chopped_16", [f"pipeline/chopped_16/patch{n}" for n in (0, 1)]),
    ("sinsr", "pipeline/whole_0", ["pipeline/whole_0"]),
    ("sinsr", "pipeline/chopped_8", [f"pipeline/chopped_8/patch{n}" for n in (0, 1)]),
]


class SimpleUNet(nn.Module):
    """The network of the goldens of the diffusion."""

    sizes = SimpleNamespace(multiple=1)

    def forward(self, noisy, timesteps, lr):
        return estimate(noisy, timesteps[:, None, None, None], lr)


class SimpleAutoencoder:
    """The autoencoder of the goldens of the diffusion."""

    network = nn.Identity()

    def encode(self, image):
        return functional.avg_pool2d(image, 4)

    def decode(self, latent):
        return latent.repeat_interleave(4, 2).repeat_interleave(4, 3)


def estimate(noisy, timestep, lr):
    return 0.5 * noisy + 0.1 * lr + 0.05 * torch.sin(0.7 * torch.as_tensor(timestep))


@pytest.fixture(scope="module")
def known(golden):
    return golden("resshift")


@pytest.fixture(scope="module")
def agrees(known, close):
    """Compares with the golden tensor of a name, within its tolerance."""
    return lambda found, label: close(found, known[label], known.atol(label))


@pytest.fixture(scope="module")
def tiny(known):
    """The networks of the pipelines."""

    def content(layout):
        return Checkpoint(layout, known.state(known.published(f"tiny:{layout}")))

    with torch.device("meta"):
        unet, network = UNet(TINY), autoencoder_network(32, 64)
    read_unet(unet, content("unet_tiny_rect"))
    read_vq(network, content("vq"))
    return Networks(unet.eval(), Autoencoder(network))


def named_noise(known, places):
    """The noise of a pipeline in the authors' order, tile by tile; SinSR draws one in vain."""

    def labels(place):
        yield f"{place}/in.noise_init"
        for timestep in reversed(range(15)):
            for kind in ("in", "unused"):
                if (label := f"{place}/{kind}.noise_t{timestep}") in known.tensors:
                    yield label

    drawn = itertools.chain.from_iterable(map(labels, places))

    def noise(shape):
        tensor = known[next(drawn)]
        assert tensor.shape == shape
        return tensor

    return noise, drawn


def test_the_schedule_is_as_published(known, agrees):
    etas = torch.tensor(SCHEDULE.etas, dtype=torch.float64)
    previous = torch.cat([torch.zeros(1), etas[:-1]])
    steps = list(SCHEDULE.steps(15))[::-1]
    column = lambda name: torch.tensor([getattr(step, name) for step in steps]).double()  # noqa: E731
    variance = column("deviation").square()
    found = {
        "alpha": etas - previous,
        "etas": etas,
        "etas_prev": previous,
        "sqrt_etas": etas.sqrt(),
        "posterior_mean_coef1": column("keep"),
        "posterior_mean_coef2": column("estimate"),
        "posterior_variance": variance,
        "posterior_log_variance_clipped": torch.cat([variance[1:2], variance[1:]]).log(),
    }
    wanted = [label for label in known.labels if label.startswith("schedule/s15/")]
    assert {f"schedule/s15/{name}" for name in found} == set(wanted)
    for name, values in found.items():
        agrees(values.float(), f"schedule/s15/{name}")
    later = torch.tensor(Schedule(timesteps=4, first=0.1).etas).sqrt()
    agrees(later, "schedule/s4_v3/sqrt_etas")
    assert [step.timestep for step in steps] == list(range(15))


def test_the_start_and_means_are_as_published(known, agrees):
    x0, y, noise = (known[f"diffusion/q/in.{name}"] for name in ("x0", "y", "noise"))
    steps = {step.timestep: step for step in SCHEDULE.steps(15)}
    etas = torch.tensor([SCHEDULE.etas[14], SCHEDULE.etas[6]])[:, None, None, None]
    agrees(SCHEDULE.start(y, noise), "diffusion/q/out.prior")
    noised = x0 + etas * (y - x0) + SCHEDULE.kappa * etas.sqrt() * noise
    agrees(noised, "diffusion/q/out.q_sample_t14_6")
    scaled = torch.stack([steps[14].scale * x0[0], steps[6].scale * x0[1]])
    agrees(scaled, "diffusion/q/out.scaled_input_t14_6")
    zero = torch.zeros_like(y[0])
    means = [advance(steps[t], y[n], x0[n], zero) for n, t in enumerate((14, 6))]
    agrees(torch.stack(means), "diffusion/q/out.posterior_mean_t14_6")


@pytest.mark.parametrize("timestep", [14, 7, 1, 0])
def test_a_step_is_as_published(known, agrees, timestep):
    latent, lr = known["diffusion/step/in.x"], known["diffusion/step/in.lq"]
    step = next(each for each in SCHEDULE.steps(15) if each.timestep == timestep)
    x0 = estimate(step.scale * latent, timestep, lr)
    agrees(x0, f"diffusion/step/out.x0_t{timestep}")
    noise = known[f"diffusion/step/in.noise_t{timestep}"]
    agrees(advance(step, latent, x0, noise), f"diffusion/step/out.t{timestep}")


def test_the_loop_is_as_published(known, agrees):
    lr = known["diffusion/loop/in.lq"]
    networks = Networks(SimpleUNet(), SimpleAutoencoder())
    latent = ResShift(networks, Settings()).sample(lr, named_noise(known, ["diffusion/loop"])[0])
    agrees(networks.autoencoder.decode(latent), "diffusion/loop/out.image")

    large = functional.interpolate(lr, scale_factor=4, mode="bicubic")
    agrees(large, "diffusion/loop/out.bicubic")
    start = networks.autoencoder.encode(large)
    agrees(start, "diffusion/loop/out.zy")
    predict = lambda noisy, timestep: estimate(noisy, timestep, lr)  # noqa: E731
    latents = sample(SCHEDULE, 15, start, predict, named_noise(known, ["diffusion/loop"])[0])
    agrees(torch.stack(list(latents)), "diffusion/loop/out.samples_t14_to_t0")


def test_one_step_is_as_published(golden, close):
    known = golden("sinsr")
    networks = Networks(SimpleUNet(), SimpleAutoencoder())
    noise, left = named_noise(known, ["diffusion/one_step"])
    made = ResShift(networks, Settings(steps=1))
    latent = made.sample(known["diffusion/one_step/in.lq"], noise)
    for name, found in {"x0": latent, "image": networks.autoencoder.decode(latent)}.items():
        label = f"diffusion/one_step/out.{name}"
        close(found, known[label], known.atol(label))
    assert next(left, None) is None


def test_tiles_start_as_published(known):
    for length, size, stride, *starts in known["chop/out.starts"].tolist():
        wanted = [start for start in starts if start >= 0]
        boxes = restorer.tiles(length, 5, size, size - stride)
        assert [box.top for box in boxes] == wanted
        assert {box.bottom - box.top for box in boxes} == {min(length, size)}
        assert [box.left for box in restorer.tiles(5, length, size, size - stride)] == wanted


def test_tiles_are_averaged_as_published(known, agrees):
    image = known["chop/in.image"]
    boxes = restorer.tiles(*image.shape[2:], 12, 4)

    def predict(box):
        tile = box.crop(image).repeat_interleave(2, 2).repeat_interleave(2, 3)
        return tile * (1 + 0.1 * boxes.index(box))

    agrees(blended(boxes, predict, 2, torch.ones), "chop/out.image")


def test_images_are_padded_as_published(known, agrees):
    agrees(restorer.reflected(known["pad/in.image"], 16), "pad/out.image")


@pytest.mark.parametrize("length", [33, 40, 64, 65, 100])
def test_sides_that_pytorch_can_reflect_are_as_there(length):
    image = torch.rand(1, 3, 64, length, generator=torch.Generator().manual_seed(0))
    wanted = functional.pad(image, (0, -length % 64, 0, 0), mode="reflect")
    assert torch.equal(restorer.reflected(image, 64), wanted)


@pytest.mark.parametrize("size", [(1, 1), (1, 2), (2, 3), (16, 5), (32, 31)])
def test_short_sides_are_reflected_to_and_fro(size):
    image = torch.rand(1, 3, *size, generator=torch.Generator().manual_seed(0))
    found = restorer.reflected(image, 64)
    assert found.shape == (1, 3, 64, 64)
    assert torch.equal(found[..., : size[0], : size[1]], image)
    if min(size) > 1:  # around each edge, both sides are equal
        last = size[1] - 1
        for near in range(1, size[1]):
            assert torch.equal(found[..., last + near], found[..., last - near])
        assert torch.equal(found[..., 2 * last], found[..., 0])


def test_images_are_rounded_as_published(known):
    found = rounded(known["to_uint8/in.image"]) * 255
    assert torch.equal(found.permute(1, 2, 0).round().byte(), known["to_uint8/out.rgb"])


@pytest.mark.parametrize(("system", "name", "places"), PIPELINES)
def test_the_pipeline_is_as_published(golden, tiny, close, monkeypatch, system, name, places):
    known = golden(system)
    sizes = {"tile": 32, "overlap": 8} if len(places) > 1 else {"tile": 64, "overlap": 16}
    made = ResShift(tiny, Settings(steps=STEPS[system], compatible=True, **sizes))
    latents, restore = [], ResShift.sample

    def keep(*inputs):
        latents.append(restore(*inputs))
        return latents[-1]

    monkeypatch.setattr(ResShift, "sample", keep)
    lr = known[f"{name}/in.lr"].permute(2, 0, 1)[None] / 255
    noise, left = named_noise(known, places)
    close(made.enhance(lr, noise), known[f"{name}/out.image"], known.atol(f"{name}/out.image"))
    assert next(left, None) is None
    for place, latent in zip(places, latents, strict=True):
        close(latent, known[f"{place}/out.latent"], known.atol(f"{place}/out.latent"))
    png = made.restore(lr, named_noise(known, places)[0])[0].mul(255).round().permute(1, 2, 0)
    close(png, known[f"{name}/out.png"], known.atol(f"{name}/out.png"))
