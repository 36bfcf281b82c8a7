"""Which photographs the samples of a run get."""

from collections import Counter

import pytest

from toolkit_shards.order import Order, Place, another, item_of, line_of


def drawn(order, counts, numbers, seed=0):
    """(shard, item) of samples."""
    places = [(number, order.place(seed, number)) for number in numbers]
    return [
        (place.shard, item_of(seed, number, 0, place, counts[place.shard]))
        for number, place in places
    ]


@pytest.mark.parametrize(
    ("shards", "group", "visit", "count"),
    [(12, 4, 5, 10), (3, 8, 4, 8), (1, 8, 16, 30), (7, 3, 10, 10), (5, 1, 6, 6)],
)
def test_every_photograph_is_drawn_equally_often(shards, group, visit, count):
    order, counts = Order(shards, group, visit), [count] * shards
    # So many visits of each shard that all passes are whole, and all groups.
    visits = count * group
    found = Counter(drawn(order, counts, range(shards * visits * visit)))
    assert len(found) == shards * count
    assert set(found.values()) == {visits * visit // count}


def test_the_first_pass_of_a_shard_repeats_nothing():
    order = Order(shards=6, group=3, visit=4)
    found = drawn(order, [12] * 6, range(6 * 12))
    assert len(set(found)) == 6 * 12


def test_each_pass_of_a_shard_has_an_order_of_its_own():
    passes = [[item_of(0, 0, 0, Place(1, 50 * turn + i), 50) for i in range(50)] for turn in (0, 1)]
    assert sorted(passes[0]) == sorted(passes[1]) == list(range(50))
    assert passes[0] != passes[1]
    assert passes[0] != [item_of(0, 0, 0, Place(2, i), 50) for i in range(50)]


def test_shards_of_unequal_length_are_each_seen_whole():
    order, counts = Order(shards=4, group=2, visit=6), [3, 7, 12, 40]
    found = Counter(drawn(order, counts, range(4 * 6 * 70)))
    for shard, count in enumerate(counts):
        seen = [times for (where, _), times in found.items() if where == shard]
        assert len(seen) == count
        assert max(seen) - min(seen) <= 1


def test_successive_samples_come_from_different_shards():
    order = Order(shards=20, group=8, visit=16)
    shards = [order.place(3, number).shard for number in range(16 * 16)]
    for start in range(0, len(shards), 8):
        assert len(set(shards[start : start + 8])) == 8
    assert len(set(shards[: 8 * 16])) == 8
    assert not set(shards[: 8 * 16]) & set(shards[8 * 16 :])


def test_all_shards_are_visited_before_one_is_again():
    order = Order(shards=6, group=2, visit=3)
    visits = [order.place(1, number).shard for number in range(36)]
    assert set(visits) == set(range(6))
    assert set(Counter(visits).values()) == {6}
    assert [order.place(1, number).shard for number in range(36, 72)] != visits


def test_the_order_follows_from_seed_and_number_alone():
    order, counts = Order(shards=9, group=4, visit=5), [11] * 9
    whole = drawn(order, counts, range(200))
    assert whole == drawn(order, counts, range(200))
    assert whole != drawn(order, counts, range(200), seed=1)
    ranks = [drawn(order, counts, range(rank, 200, 3)) for rank in range(3)]
    for rank, part in enumerate(ranks):
        assert part == whole[rank::3]
    assert drawn(order, counts, range(199, 99, -1)) == whole[:99:-1]


def test_further_attempts_go_round_the_shards_of_the_group():
    order = Order(shards=40, group=10, visit=8)
    tried = [order.place(0, 5, attempt).shard for attempt in range(20)]
    assert sorted(tried[:10]) == sorted(order.place(0, number).shard for number in range(10))
    assert tried[10:] == tried[:10]


def test_further_attempts_do_not_depend_on_a_single_shard():
    order = Order(shards=20, group=1, visit=8)
    assert len({order.place(0, 5, attempt).shard for attempt in range(100)}) == 8


def test_further_attempts_take_random_photographs_of_their_shard():
    place = Place(2, 7)
    found = [item_of(0, 5, attempt, place, 1000) for attempt in range(1, 9)]
    assert len(set(found)) > 6
    assert found[2] == another(0, 5, 3, 1000)
    assert max(item_of(0, 5, attempt, place, 3) for attempt in range(1, 40)) == 2


def test_the_following_shards_are_those_that_come_next_and_are_not_in_use():
    order = Order(shards=9, group=3, visit=4)
    groups = [[order.place(0, 12 * block + lane).shard for lane in range(3)] for block in range(12)]
    for number in range(11 * 12):
        now, then = groups[number // 12], groups[number // 12 + 1]
        assert order.following(0, number) == [shard for shard in then if shard not in now]
    assert order.following(0, 0) == groups[1]
    assert Order(shards=2, group=3, visit=4).following(0, 0) == []


def test_a_list_is_drawn_whole_in_every_epoch():
    epochs = [[line_of(0, number, 0, 50) for number in range(e * 50, e * 50 + 50)] for e in (0, 1)]
    assert sorted(epochs[0]) == sorted(epochs[1]) == list(range(50))
    assert epochs[0] != epochs[1]
    assert line_of(0, 7, 2, 50) == another(0, 7, 2, 50)
