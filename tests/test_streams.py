"""A stream follows from its seed, purpose and counters, and from nothing else."""

import doctest

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from toolkit import streams
from toolkit.streams import stream, torch_stream

PLACES = [(0, "crop", 7), (1, "crop", 7), (0, "order", 7), (0, "crop", 8), (7, "crop", 0)]


def draws(*place):
    return tuple(stream(*place).integers(1 << 60, size=4).tolist())


def torch_draws(*place):
    return tuple(torch.randint(1 << 60, (4,), generator=torch_stream(*place)).tolist())


@pytest.mark.parametrize("drawn", [draws, torch_draws])
def test_every_place_has_a_stream_of_its_own(drawn):
    assert len({drawn(*place) for place in PLACES}) == len(PLACES)


@given(st.integers(0, 1 << 40), st.text(max_size=20), st.lists(st.integers(0, 1 << 41), max_size=3))
def test_the_same_place_has_the_same_stream(seed, purpose, counters):
    assert draws(seed, purpose, *counters) == draws(seed, purpose, *counters)
    assert torch_draws(seed, purpose, *counters) == torch_draws(seed, purpose, *counters)


def test_global_generators_neither_decide_nor_are_touched():
    before = torch.random.get_rng_state()
    first = draws(0, "crop", 1), torch_draws(0, "crop", 1)
    assert torch.equal(torch.random.get_rng_state(), before)
    with torch.random.fork_rng():
        torch.manual_seed(123)
        assert (draws(0, "crop", 1), torch_draws(0, "crop", 1)) == first


def test_streams_stay_the_same_across_versions():
    assert stream(0, "crop", 7).integers(1000, size=4).tolist() == [329, 5, 573, 493]
    assert torch_stream(0, "noise of fake", 3).initial_seed() == 6093274961585408228


def test_examples():
    assert doctest.testmod(streams).failed == 0
