"""Files restored in a row: what is kept of each, and what happens when one fails."""

import pytest
import torch

from toolkit.errors import ImageError, ToolkitError, UsageError
from toolkit.images import Metadata, Picture, bicubic_resize, read_picture, write_picture
from toolkit.restoring.folder import restore_files
from toolkit.restoring.jobs import Job, plan_jobs
from toolkit.restoring.pictures import restore_picture
from toolkit.restoring.treatment import Treatment


class Bicubic:
    """Bicubic with a red tint; runs out of memory above `limit` pixels."""

    name = "toy"
    scale = 4

    def __init__(self, limit=10**9, error=None):
        self.limit = limit
        self.error = error or RuntimeError("CUDA out of memory. Tried to allocate 2.00 GiB")

    def __call__(self, lr):
        if lr.shape[-2] * lr.shape[-1] > self.limit:
            raise self.error
        tint = torch.tensor([0.05, 0, 0])[:, None, None]
        return (bicubic_resize(lr, 4) + tint).clamp(0, 1)


def image(height=20, width=30, **fields):
    return Picture(rgb=torch.rand(3, height, width, generator=torch.manual_seed(0)), **fields)


def test_one_broken_image_does_not_stop_the_others(tmp_path):
    (tmp_path / "in").mkdir()
    for name in ("a.png", "c.png"):
        write_picture(image(), tmp_path / "in" / name)
    (tmp_path / "in/b.png").write_bytes((tmp_path / "in/a.png").read_bytes()[:500])
    results = restore_files(Bicubic(), plan_jobs([tmp_path / "in"], tmp_path / "out"))
    assert [result.job.source.name for result in results] == ["a.png", "b.png", "c.png"]
    good, broken, _ = results
    assert (good.lr_size, good.sr_size, good.error) == ((30, 20), (120, 80), None)
    assert good.seconds > 0
    assert isinstance(broken.error, ImageError)
    assert "b.png" in str(broken.error)
    assert broken.sr_size is None
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["a.png", "c.png"]


def test_everything_of_a_file_is_kept(tmp_path):
    alpha = torch.linspace(0, 1, 30).expand(1, 20, 30)
    xmp = b"<x:xmpmeta/>"
    source, destination = tmp_path / "a.png", tmp_path / "b.png"
    write_picture(image(alpha=alpha, bits=16, metadata=Metadata(xmp=xmp)), source)
    (result,) = restore_files(Bicubic(), [Job(source, destination)])
    assert result.error is None
    again = read_picture(destination)
    assert again.bits == 16
    assert again.metadata.xmp == xmp
    assert torch.allclose(again.alpha, bicubic_resize(alpha[None], 4)[0].clamp(0, 1), atol=1e-4)


def test_grey_stays_grey(tmp_path):
    level = torch.rand(1, 8, 8, generator=torch.manual_seed(0)).repeat(3, 1, 1)
    restored, _ = restore_picture(Bicubic(), Picture(rgb=level, grey=True))
    assert torch.equal(restored.rgb[0], restored.rgb[1])
    assert torch.equal(restored.rgb[0], restored.rgb[2])
    write_picture(restored, tmp_path / "a.png")
    assert read_picture(tmp_path / "a.png").grey


def test_notes_reach_the_result(tmp_path):
    write_picture(image(alpha=torch.ones(1, 20, 30)), tmp_path / "a.png")
    (result,) = restore_files(Bicubic(), [Job(tmp_path / "a.png", tmp_path / "a.jpg")])
    assert "white" in result.notes[0]


def test_colour_is_matched():
    picture = Picture(rgb=torch.full((3, 16, 16), 0.4))
    tinted, _ = restore_picture(Bicubic(), picture)
    mended, _ = restore_picture(Bicubic(), picture, Treatment(colour="wavelet"))
    assert torch.allclose(tinted.rgb[0], torch.tensor(0.45), atol=1e-5)
    assert torch.allclose(mended.rgb, torch.tensor(0.4), atol=1e-5)


@pytest.mark.parametrize(
    "error",
    [
        None,
        MemoryError(),
        torch.OutOfMemoryError("no"),
        RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 bytes"),
    ],
)
@pytest.mark.parametrize(("tile", "limit", "used"), [(0, 100**2, 96), (None, 60**2, 48)])
def test_short_memory_falls_back_to_tiles(tile, limit, used, error):
    picture = image(120, 110)
    whole, none = restore_picture(Bicubic(), picture, Treatment(tile=tile))
    tiled, notes = restore_picture(Bicubic(limit, error), picture, Treatment(tile=tile))
    assert none == ()
    assert notes == (f"tiles of {used} pixels, as memory was short",)
    assert torch.allclose(whole.rgb, tiled.rgb, atol=1e-4)


def test_memory_that_never_suffices():
    with pytest.raises(ToolkitError, match="Memory does not suffice") as caught:
        restore_picture(Bicubic(limit=10), image(120, 110))
    assert "--tile" in caught.value.hint


def test_a_restorer_that_fails_is_reported_as_it_failed(tmp_path):
    for name in ("a.png", "b.png"):
        write_picture(image(60 if name == "a.png" else 20), tmp_path / name)
    jobs = plan_jobs([tmp_path / "a.png", tmp_path / "b.png"])
    first, second = restore_files(Bicubic(1000, ValueError("odd sides")), jobs)
    assert str(first.error) == "odd sides"
    assert isinstance(first.error, ValueError)
    assert first.lr_size == (30, 60)
    assert second.error is None


def test_progress(tmp_path):
    write_picture(image(40, 40), tmp_path / "a.png")
    events = []
    restore_files(
        Bicubic(), plan_jobs([tmp_path / "a.png"]), Treatment(tile=24), on_event=events.append
    )
    assert [(event.tile, event.tiles) for event in events] == [
        (0, 0),
        (1, 4),
        (2, 4),
        (3, 4),
        (4, 4),
        (0, 0),
    ]
    assert [event.result is not None for event in events] == [False] * 5 + [True]
    assert {(event.index, event.count) for event in events} == {(0, 1)}


def test_an_unwritable_folder_is_found_before_the_work(tmp_path):
    write_picture(image(), tmp_path / "a.png")
    events = []
    with pytest.raises(UsageError, match=r"a\.png/out"):
        restore_files(
            Bicubic(),
            [Job(tmp_path / "a.png", tmp_path / "a.png/out/a.png")],
            on_event=events.append,
        )
    assert events == []


@pytest.mark.parametrize("setting", [{"tile": -1}, {"colour": "sepia"}])
def test_impossible_settings_are_found_before_the_work(tmp_path, setting):
    write_picture(image(), tmp_path / "a.png")
    with pytest.raises(UsageError, match=str(*setting.values())):
        restore_files(Bicubic(), plan_jobs([tmp_path / "a.png"]), Treatment(**setting))
    assert [path.name for path in tmp_path.iterdir()] == ["a.png"]


@pytest.mark.parametrize(("tile", "told"), [(16, True), (30, False), (0, False), (None, False)])
def test_tiles_that_may_show_are_told(tile, told):
    restorer = Bicubic()
    restorer.avoids_tiles = True
    _, notes = restore_picture(restorer, image(), Treatment(tile=tile))
    assert notes == (("restored in tiles, which toy may show: try --tile 0",) if told else ())
    restorer.avoids_tiles = False
    assert restore_picture(restorer, image(), Treatment(tile=16))[1] == ()


def test_tiles_for_want_of_memory_are_told_once():
    restorer = Bicubic(limit=300 * 200)
    restorer.avoids_tiles = True
    _, notes = restore_picture(restorer, image(260, 300))
    assert notes == ("restored in tiles, which toy may show: try --tile 0",)
    restorer.limit = 150 * 150
    _, notes = restore_picture(restorer, image(260, 300))
    assert notes == ("tiles of 96 pixels, as memory was short",)
