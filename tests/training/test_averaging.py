"""The moving average of a generator's weights."""

import torch

from toolkit.training.averaging import Average


class Counter:
    """A generator whose weight is its step, with a counter beside it."""

    def __init__(self):
        self.weight, self.count = torch.zeros(2), torch.tensor(0)

    def state(self):
        return {"weight": self.weight, "count": self.count}

    def load_state(self, state):
        self.weight.copy_(state["weight"])
        self.count.copy_(state["count"])


def test_it_follows_with_its_decay_and_faster_at_first():
    generator = Counter()
    average = Average(generator, 0.5)
    generator.weight += 1
    average.update(0)
    assert average.weights["weight"].tolist() == torch.full((2,), 0.9).tolist()
    generator.weight += 1
    average.update(1000)
    assert torch.allclose(average.weights["weight"], torch.full((2,), 1.45))


def test_what_is_not_a_number_to_average_is_taken_over():
    generator = Counter()
    average = Average(generator, 0.5)
    generator.count += 7
    average.update(3)
    assert average.weights["count"].item() == 7


def test_the_averaged_weights_are_in_place_for_a_while_only():
    generator = Counter()
    average = Average(generator, 0.5)
    generator.weight += 1
    with average.in_place():
        assert generator.weight.tolist() == [0, 0]
    assert generator.weight.tolist() == [1, 1]


def test_a_saved_average_is_a_copy():
    generator = Counter()
    average = Average(generator, 0.5)
    average.load(generator.state())
    generator.weight += 1
    assert average.weights["weight"].tolist() == [0, 0]
