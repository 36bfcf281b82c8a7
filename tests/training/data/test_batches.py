"""Batches by rank, and what they tell about their samples."""

import time

import pytest
import torch

from toolkit.training.data import Batch, batches
from toolkit.training.data.workers import Share


def test_ranks_together_see_the_samples_of_one(photos, pairs, same):
    whole = list(batches(pairs(photos(40, 48, 64)), 3, 6, 5))
    parts = [
        list(batches(pairs(photos(40, 48, 64)), 3, 6, 5, rank=rank, ranks=2)) for rank in (0, 1)
    ]
    assert [len(batch.numbers) for batch in parts[0]] == [2, 2, 2]
    joined = [
        Batch(
            torch.cat([a.lr, b.lr]),
            torch.cat([a.hr, b.hr]),
            *(x + y for x, y in zip(a[2:], b[2:], strict=True)),
        )
        for a, b in zip(*parts, strict=True)
    ]
    assert same(whole, joined)
    assert [batch.numbers for batch in whole] == [tuple(range(5 * s, 5 * s + 5)) for s in (3, 4, 5)]


def test_every_sample_of_a_step_belongs_to_one_rank():
    for ranks in (1, 2, 3, 4):
        shares = [Share(8, rank, ranks).of(2) for rank in range(ranks)]
        assert [number for share in shares for number in share] == list(range(16, 24))


def test_a_resumed_run_goes_on_with_the_same_samples(photos, pairs, same):
    whole = list(batches(pairs(photos(40, None, 64, 48)), 0, 6, 3))
    first = pairs(photos(40, None, 64, 48))
    begun = list(batches(first, 0, 2, 3))
    resumed = pairs(photos(40, None, 64, 48))
    resumed.recall(first.set_aside())
    assert same(whole, begun + list(batches(resumed, 2, 6, 3)))


def test_a_batch_tells_numbers_photographs_and_crops(photos, pairs):
    source = pairs(photos(33))
    batch = source.samples(range(40))
    assert batch.names == ("photo-0.png",) * 40
    assert len(set(batch.crops)) == 8  # 2 rows, 2 columns, mirrored or not
    for crop in set(batch.crops):
        same = [hr for hr, name in zip(batch.hr, batch.crops, strict=True) if name == crop]
        other = next(hr for hr, name in zip(batch.hr, batch.crops, strict=True) if name != crop)
        assert all(torch.equal(same[0], hr) for hr in same)
        assert not torch.equal(same[0], other)


def test_crops_of_photographs_of_one_name_differ(photos, pairs):
    class Namesakes(photos):
        def __getitem__(self, index):
            return super().__getitem__(index)._replace(name="a.png")

    assert len(set(pairs(Namesakes(32, 32)).samples(range(40)).crops)) == 4


def test_pieces_keep_what_is_told_of_their_samples(photos, pairs):
    batch = pairs(photos(40, 48)).batch(1, 6)
    pieces = batch.split(3)
    assert [piece.numbers for piece in pieces] == [(6, 7), (8, 9), (10, 11)]
    assert sum((piece.names for piece in pieces), ()) == batch.names
    assert sum((piece.crops for piece in pieces), ()) == batch.crops
    assert torch.equal(torch.cat([piece.hr for piece in pieces]), batch.hr)
    moved = batch.to(torch.device("meta"))
    assert moved.lr.is_meta
    assert moved.hr.is_meta
    assert moved[2:] == batch[2:]
    assert Batch(batch.lr, batch.hr).split(2)[1].names == ()


@pytest.mark.parametrize("ahead", [1, 2, 9])
def test_a_thread_makes_the_same_batches_ahead(photos, pairs, same, ahead):
    made = batches(pairs(photos(40, 48)), 1, 6, 2, ahead=ahead)
    assert same(made, batches(pairs(photos(40, 48)), 1, 6, 2))


def test_a_thread_goes_no_further_ahead_than_asked(photos, pairs):
    source, made = pairs(photos(40)), []
    samples = source.samples
    source.samples = lambda numbers: made.append(numbers) or samples(numbers)
    waiting = batches(source, 0, 50, 1, ahead=3)
    next(waiting)
    deadline = time.monotonic() + 5
    while len(made) < 4 and time.monotonic() < deadline:
        time.sleep(0.01)
    time.sleep(0.02)
    assert len(made) == 4
    waiting.close()
