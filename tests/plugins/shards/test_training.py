"""Training from shards: the core's batches, by several processes and ranks."""

import pytest
import torch

import toolkit
from toolkit.abilities import Streamed
from toolkit.errors import DataError
from toolkit.training.data import Pairs, batches
from toolkit_shards.plugin import SHIPPED


def pairs(urls, kind="shards", **options):
    dataset = toolkit.make("dataset", {"use": kind, "urls": str(urls), **options})
    assert isinstance(dataset, Streamed)
    return Pairs(dataset, toolkit.make("degradation", "bicubic"), 8, 3)


def names(made, first, last, **more):
    return [name for batch in batches(made, first, last, 4, **more) for name in batch.names]


def test_workers_and_ranks_share_the_samples(folder):
    options = {"group": 3, "visit": 4}
    whole = list(batches(pairs(folder, **options), 0, 8, 4))
    for workers in (1, 2):
        again = list(batches(pairs(folder, **options), 0, 8, 4, workers=workers))
        for one, other in zip(whole, again, strict=True):
            assert one.names == other.names
            assert torch.equal(one.lr, other.lr)
    expected = [name for batch in whole for name in batch.names]
    ranks = [names(pairs(folder, **options), 0, 8, rank=rank, ranks=2) for rank in (0, 1)]
    assert sorted(ranks[0] + ranks[1]) == sorted(expected)
    assert names(pairs(folder, **options), 5, 8) == expected[20:]


@pytest.mark.parametrize("workers", [0, 2])
def test_training_goes_on_without_what_cannot_be_read(folder, workers):
    (folder / "data-2.tar").unlink()
    (folder / "data-3.tar").write_bytes(b"no tar")
    whole = (folder / "data-4.tar").read_bytes()
    (folder / "data-4.tar").write_bytes(whole[: whole.index(b"0045.png") + 550])
    made = pairs(folder / "data-{0..4}.tar", group=5, visit=10)
    found = names(made, 0, 30, workers=workers)
    assert len(found) == 120
    assert {name.partition("/")[0] for name in found} == {f"data-{i}.tar" for i in (0, 1, 4)}
    told = "\n".join(f"{name}: {reason}" for name, reason in made.skipped)
    assert "data-2.tar cannot be read: there is no such file" in told
    assert "data-3.tar is no tar file" in told
    assert "data-4.tar: 0045.png cannot be read" in told


def test_nothing_usable_is_told_at_once(folder):
    for path in folder.iterdir():
        path.write_bytes(b"no tar")
    with pytest.raises(DataError, match="none can be used"):
        pairs(folder).check()


@pytest.mark.parametrize("name", ["parquet:tiny.parquet", "list:tiny.txt"])
def test_the_others_are_streamed_too(name):
    kind, _, file = name.partition(":")
    assert len(names(pairs(SHIPPED / file, kind), 0, 3, workers=1)) == 12


@pytest.mark.parametrize("name", ["shards:tiny.tar", "parquet:tiny.parquet", "list:tiny.txt"])
def test_large_photographs_are_decoded_at_reduced_size(name):
    kind, _, file = name.partition(":")
    for least, side in ((0, 64), (20, 32), (16, 16)):
        spec = {"use": kind, "urls": str(SHIPPED / file), "min_side": least}
        assert toolkit.make("dataset", spec).draw(0, 0, 0).hr.shape == (3, side, side)
