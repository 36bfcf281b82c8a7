"""Photographs that cannot be used, and datasets that decide their own order."""

import errno
import json

import pytest
import torch

import toolkit
from toolkit.errors import ComponentError, DataError, ImageError
from toolkit.training.data import batches


def test_a_streamed_dataset_decides_the_order(stream, pairs, same):
    source = pairs(stream(40, 48, 64), seed=2)
    assert source.samples([0, 1, 1 << 40]).names == ("photo-2.png", "photo-0.png", "photo-0.png")
    assert same(batches(source, 4, 6, 3), batches(pairs(stream(40, 48, 64), seed=2), 4, 6, 3))


def test_a_streamed_dataset_is_asked_again_for_another_photograph(stream, pairs):
    source = pairs(stream(None, 16, 64, 48))
    assert source.samples([0, 1, 2, 3, 4]).names == tuple(
        f"photo-{index}.png" for index in (2, 2, 2, 3, 2)
    )
    assert source.skipped == [
        ("notes.png", "not an image"),
        ("sample 0", "photo-0.png is torn"),
        ("photo-1.png", "16x16 px is smaller than a crop of 32 px"),
    ]


def test_a_streamed_dataset_is_not_asked_forever(stream, pairs):
    with pytest.raises(DataError, match="Of the 100 images that photos of the test chose none"):
        pairs(stream(None, None)).check()


def test_each_streamed_photograph_is_checked(part, stream, pairs):
    with pytest.raises(ComponentError, match="'rough' of my-plugin returned None, not a Sample"):
        pairs(part(kind="dataset", skipped=(), draw=lambda *_: None)).check()


@pytest.mark.parametrize("error", [TimeoutError("no answer"), FileNotFoundError("gone")])
def test_a_file_that_vanishes_or_times_out_is_skipped(part, photos, pairs, error):
    def read(index):
        if index == 1:
            raise error
        return photos(40, 40, 40)[index]

    class Failing(type(part())):
        def __len__(self):
            return 3

        def __getitem__(self, index):
            return read(index)

    dataset = part(kind="dataset", skipped=())
    dataset.__class__ = Failing
    source = pairs(dataset)
    assert len(source.samples(range(6)).names) == 6
    assert source.skipped == [("image 2", f"a photograph cannot be read: {error}")]


def test_a_full_disk_is_no_fault_of_a_photograph(photos, pairs):
    class Full(photos):
        def __getitem__(self, _index):
            raise OSError(errno.ENOSPC, "No space left on device")

    with pytest.raises(OSError, match="No space left"):
        pairs(Full(40)).check()


def test_files_deleted_and_cut_short_in_the_midst_of_a_run_are_skipped(
    tmp_path, photo_folder, pairs
):
    for path in photo_folder.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    first, second, third = sorted(tmp_path.iterdir())
    source = pairs(toolkit.make("dataset", f"folder:{tmp_path}"))
    first.unlink()
    second.write_bytes(second.read_bytes()[:2000])
    assert set(source.samples(range(9)).names) == {third.name}
    assert {name for name, _ in source.skipped} == {"image 1", "image 2"}


MANY = [None] * 12 + [40] * 48


def test_training_stops_where_too_many_cannot_be_read(photos, pairs):
    source = pairs(photos(*MANY), max_bad_files=0.1)
    with pytest.raises(
        DataError, match=r"of the .* photographs of photos of the test tried"
    ) as told:
        source.samples(range(60))
    assert ".png is torn" in str(told.value)
    assert "; and 7 more" in str(told.value)
    option = told.value.hint.rpartition("--set train.max_bad_files=")[2]
    assert len(pairs(photos(*MANY), max_bad_files=float(option)).samples(range(60)).names) == 60


def test_few_photographs_are_no_measure(photos, pairs):
    source = pairs(photos(*[None] * 9, 40), max_bad_files=0.1)
    assert len(source.samples(range(40)).names) == 40
    with pytest.raises(DataError, match="none can be used"):
        pairs(photos(*[None] * 19), max_bad_files=0.1).check()


def test_small_photographs_do_not_count_as_unreadable(photos, pairs):
    source = pairs(photos(*[16] * 60, *[None] * 10, *[40] * 90), max_bad_files=0.2)
    assert len(source.samples(range(160)).names) == 160


def test_the_share_of_a_stream_counts_every_attempt(stream, pairs):
    with pytest.raises(DataError, match="10 of the 55 photographs"):
        pairs(stream(*([None, 40, 40, 40, 40] * 30)), max_bad_files=0.15).samples(range(60))


def test_what_was_set_aside_is_remembered_as_json(photos, pairs):
    source = pairs(photos(None, 16, 64))
    source.samples(range(6))
    remembered = json.loads(json.dumps(source.set_aside()))
    healed = pairs(photos(64, 64, 64))
    healed.recall(remembered)
    healed.recall(remembered)
    assert set(healed.samples(range(6)).names) == {"photo-2.png"}
    assert healed.skipped == source.skipped
    assert healed.set_aside() == remembered


def test_what_is_recalled_does_not_stop_a_run(photos, pairs):
    source = pairs(photos(*MANY))
    source.samples(range(60))
    more = [*MANY, *[None] * 10, *[40] * 90]
    resumed = pairs(photos(*more), max_bad_files=0.12)
    resumed.recall(source.set_aside())
    assert len(resumed.samples(range(160)).names) == 160


def test_an_order_takes_little_memory():
    from toolkit.training.data.photographs import _epoch_order

    assert _epoch_order(0, 0, 200_000).nbytes <= 1_600_000
    assert torch.equal(torch.from_numpy(_epoch_order(1, 2, 50)).sort().values, torch.arange(50))


def test_an_image_error_names_the_photograph(photos):
    with pytest.raises(ImageError, match=r"photo-0\.png"):
        photos(None)[0]
