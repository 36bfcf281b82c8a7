"""The degradations as the core calls them."""

from __future__ import annotations

import pytest
import torch

import toolkit
from toolkit.errors import DataError
from toolkit.streams import stream
from toolkit_degradations.operations import Settings
from toolkit_degradations.pipeline import _degrade

REALESRGAN = toolkit.make("degradation", "realesrgan")
BICUBIC = toolkit.make("degradation", "bicubic")
BSRGAN = toolkit.make("degradation", "bsrgan")


def photo(height, width, seed=0):
    """A smooth random image with an edge, `[3, h, w]`."""
    coarse = torch.rand(1, 3, 5, 5, generator=torch.Generator().manual_seed(seed))
    image = torch.nn.functional.interpolate(coarse, size=(height, width), mode="bilinear")[0]
    image[:, : height // 2, : width // 2] *= 0.3
    return image.clamp(0, 1)


def test_lr_is_on_the_8_bit_grid():
    for degradation in (REALESRGAN, BICUBIC, BSRGAN):
        for index in range(5):
            levels = degradation(photo(48, 64), stream(0, "test", index)) * 255
            torch.testing.assert_close(levels, levels.round(), atol=1e-4, rtol=0)


def test_a_stream_and_its_seed_and_index_are_the_same_sample():
    hr = photo(64, 48)
    for degradation in (REALESRGAN, BSRGAN):
        for index in range(5):
            single = degradation(hr, stream(9, "degradation", index))
            assert torch.equal(single, degradation.batch(hr[None], 9, [index])[0])
            assert torch.equal(single, degradation.apply(hr, degradation.describe(9, index)))


def test_other_streams_give_other_images():
    hr = photo(64, 48)
    seen = {REALESRGAN(hr, stream(1, "test", n)).numpy().tobytes() for n in range(20)}
    assert len(seen) == 20


def test_an_edited_history_does_what_it_says():
    hr, history = photo(64, 64), REALESRGAN.describe(0, 3)
    plain = REALESRGAN.apply(hr, history)
    for step in history:
        if step["step"] == "jpeg":
            step["quality"] = 2
    assert not torch.equal(plain, REALESRGAN.apply(hr, history))
    flat = REALESRGAN.apply(hr, [{"step": "resize", "mode": "area", "of": "lr"}])
    expected = torch.nn.functional.avg_pool2d(hr, 4)
    torch.testing.assert_close(flat, expected, atol=0.5 / 255 + 1e-6, rtol=0)


def test_a_history_must_end_at_the_lr_size():
    with pytest.raises(
        DataError, match=r"ends at 64x48 pixels, but the LR image must have 16x12"
    ) as caught:
        BICUBIC.apply(photo(48, 64), [{"step": "jpeg", "quality": 50}])
    assert "resize" in caught.value.hint
    with pytest.raises(DataError, match="ends at"):
        BICUBIC.apply(photo(48, 64), [])


def test_hr_is_left_as_it_was():
    hr = photo(32, 32)
    before = hr.clone()
    REALESRGAN(hr, stream(0, "test"))
    BSRGAN(hr, stream(0, "test"))
    assert torch.equal(hr, before)


@pytest.mark.parametrize("degradation", [REALESRGAN, BSRGAN])
def test_lr_stays_aligned_with_hr(degradation):
    """The mean of many degradations is nearest to the bicubic LR unshifted."""
    hr = photo(96, 96, seed=4)
    clean = BICUBIC(hr, stream(0, "test"))
    mean = degradation.batch(hr.expand(60, -1, -1, -1), 0, range(60)).mean(0)
    errors = {
        (dy, dx): float((mean.roll((dy, dx), (1, 2)) - clean)[:, 2:-2, 2:-2].square().mean())
        for dy in (-1, 0, 1)
        for dx in (-1, 0, 1)
    }
    assert min(errors, key=errors.__getitem__) == (0, 0)
    assert errors[0, 0] < 0.01


def test_channels_keep_their_order():
    red = torch.zeros(3, 32, 32)
    red[0] = 0.9
    mean = REALESRGAN.batch(red.expand(10, -1, -1, -1), 0, range(10)).mean((0, 2, 3))
    assert mean[0] > 0.7
    assert mean[1:].max() < 0.2


def test_the_target_is_hr_unless_it_shall_be_sharpened():
    hr = photo(64, 64)
    assert REALESRGAN.target(hr) is hr
    sharpened = toolkit.make("degradation", "realesrgan", sharpen_target=True).target(hr)
    assert sharpened.shape == hr.shape
    assert sharpened.dtype == torch.float32
    assert 0 <= sharpened.min() <= sharpened.max() <= 1
    assert sharpened.std() > hr.std()


def test_gradients_reach_hr_through_the_whole_pipeline():
    hr = photo(64, 64)
    for degradation, index in ((REALESRGAN, 0), (REALESRGAN, 5), (BSRGAN, 1)):
        history = degradation.describe(0, index)
        leaf = hr.clone().requires_grad_(True)
        lr = degradation.apply(leaf, history)
        (gradient,) = torch.autograd.grad(lr.mean(), leaf)
        assert gradient.isfinite().all()
        assert gradient.abs().sum() > 0
    differentiable = toolkit.make("degradation", "realesrgan", codec="differentiable")
    torch.testing.assert_close(
        differentiable.apply(hr, REALESRGAN.describe(0, 0)),
        REALESRGAN.apply(hr.clone().requires_grad_(True), REALESRGAN.describe(0, 0)).detach(),
        atol=1 / 255 + 1e-6,
        rtol=0,
    )


def test_the_codecs_make_images_alike_but_not_the_same():
    real, ours = (
        toolkit.make("degradation", "realesrgan", codec=codec).batch(photo(128, 128)[None], 0, [2])
        for codec in ("libjpeg", "differentiable")
    )
    assert not torch.equal(real, ours)
    assert (real - ours).abs().mean() < 0.03


@pytest.mark.parametrize("degradation", [REALESRGAN, BICUBIC, BSRGAN])
@pytest.mark.parametrize("shape", [(3, 30, 32), (3, 32, 30), (3, 0, 4), (3, 2, 2)])
def test_sides_that_are_no_multiples_are_refused(degradation, shape):
    with pytest.raises(DataError, match=rf"{shape[1]} x {shape[2]} pixels") as caught:
        degradation(torch.zeros(shape), stream(0, "test"))
    assert "multiples of 4" in caught.value.hint


@pytest.mark.parametrize(
    ("image", "named"),
    [
        (torch.zeros(1, 3, 32, 32), "one RGB image"),
        (torch.zeros(32, 32), "one RGB image"),
        (torch.zeros(1, 32, 32), "RGB images"),
        (torch.zeros(4, 32, 32), "RGB images"),
        (torch.zeros(3, 32, 32, dtype=torch.uint8), "uint8"),
        (torch.full((3, 32, 32), float("nan")), "not finite"),
        (torch.full((3, 32, 32), float("inf")), "not finite"),
    ],
)
def test_what_is_no_rgb_image_in_range_is_refused(image, named):
    with pytest.raises(DataError, match=named) as caught:
        REALESRGAN(image, stream(0, "test"))
    assert caught.value.hint


def test_as_many_indices_as_images():
    with pytest.raises(DataError, match="2 images and 3 indices"):
        REALESRGAN.batch(torch.zeros(2, 3, 16, 16), 0, [0, 1, 2])


def test_images_taken_together_are_those_taken_alone():
    """What a GPU does with a batch, here on the processor."""
    hr = torch.stack([photo(64, 48, seed) for seed in range(6)])
    settings = Settings((16, 12), "differentiable")
    for degradation in (REALESRGAN, BSRGAN):
        histories = [degradation.draw(stream(0, "test", index)) for index in range(6)]
        together = _degrade(hr, histories, settings)
        for place, history in enumerate(histories):
            single = _degrade(hr[place : place + 1], [history], settings)[0]
            # A sum in another order may lead to the next level, or to another coefficient.
            assert (together[place] - single).abs().mean() < 0.2 / 255


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_a_gpu_makes_the_same_but_for_its_noise():
    hr = photo(64, 64)[None]
    plain = toolkit.make(
        "degradation", "realesrgan", noise_range=[0, 0], noise_range2=[0, 0],
        gaussian_noise_prob=1, gaussian_noise_prob2=1, codec="differentiable",
    )  # fmt: skip
    expected = plain.batch(hr.expand(8, -1, -1, -1), 0, range(8))
    made = plain.batch(hr.expand(8, -1, -1, -1).cuda(), 0, range(8)).cpu()
    assert (made - expected).abs().mean() < 1 / 255
