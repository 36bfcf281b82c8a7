"""The draws of a batch: each image has its own, however the batch is divided."""

from dataclasses import replace

import pytest
import torch

from toolkit.discovery import installed
from toolkit.recipe import compose, resolve
from toolkit.training.build import build_system
from toolkit.training.data import Batch
from toolkit.training.draws import Draws
from toolkit.training.step import train_step
from toolkit.training.system import Learner

CPU = torch.device("cpu")
NUMBERS = (40, 41, 42, 43)
DIVISIONS = ([NUMBERS], [NUMBERS[:2], NUMBERS[2:]], [NUMBERS[:1], NUMBERS[1:]],
             [[number] for number in NUMBERS])  # fmt: skip


def draws(numbers, step=10, seed=0, device=CPU):
    return Draws(seed, step, numbers, device)


def drawn(draw, numbers, **where):
    """What `draw(b, rng)` returns for these images."""
    with draws(numbers, **where).for_images("noise") as rng:
        return draw(len(numbers), rng)


def in_pieces(draw, division):
    return torch.cat([drawn(draw, numbers) for numbers in division])


def rows(b, *values):
    return torch.tensor(values).expand(b, -1)


def filled(method, *arguments, shape=(3,)):
    return lambda b, rng: getattr(torch.empty(b, *shape), method)(*arguments, generator=rng)


def in_place_of_a_part(b, rng):
    x = torch.zeros(b, 2, 3)
    x[:, 1].normal_(generator=rng)
    return x


def into_another(b, rng):
    out = torch.empty(b, 3)
    assert torch.randn(b, 3, generator=rng, out=out) is out
    return out


def in_turn(b, rng):
    """Some for each image, some for all, and those of each image once more."""
    first = torch.randn(b, 2, generator=rng)
    return torch.cat([first * torch.rand((), generator=rng), torch.rand(b, 3, generator=rng)], 1)


OF_EACH = {
    "randn": lambda b, rng: torch.randn(b, 3, 2, generator=rng),
    "randn of a shape": lambda b, rng: torch.randn((b, 3, 2), generator=rng),
    "randn of a size by name": lambda b, rng: torch.randn(size=(b, 3), generator=rng),
    "randn of torch.Size": lambda b, rng: torch.randn(torch.zeros(b, 5).shape, generator=rng),
    "randn of half": lambda b, rng: torch.randn(b, 9, generator=rng, dtype=torch.bfloat16),
    "randn_like": lambda b, rng: torch.randn_like(torch.zeros(b, 3), generator=rng),
    "rand": lambda b, rng: torch.rand(b, generator=rng),
    "rand of a list": lambda b, rng: torch.rand([b, 2], generator=rng),
    "rand_like": lambda b, rng: torch.rand_like(torch.zeros(b, 3), generator=rng),
    "randint": lambda b, rng: torch.randint(1000, (b,), generator=rng),
    "randint of a range": lambda b, rng: torch.randint(5, 10_000, (b, 2), generator=rng),
    "normal": lambda b, rng: torch.normal(0.0, 2.0, (b, 3), generator=rng),
    "normal of means": lambda b, rng: torch.normal(torch.ones(b, 3), 1.0, generator=rng),
    "normal of both": lambda b, rng: torch.normal(torch.ones(b), torch.ones(b), generator=rng),
    "normal by columns": lambda b, rng: torch.normal(
        torch.arange(4.0), torch.ones(b, 4), generator=rng
    ),
    "normal_": filled("normal_", 1.0, 2.0),
    "uniform_": filled("uniform_", -1.0, 1.0),
    "random_": filled("random_", 0, 10_000),
    "exponential_": filled("exponential_"),
    "bernoulli_": filled("bernoulli_", 0.5, shape=(30,)),
    "bernoulli_ by channel": filled("bernoulli_", torch.full((4,), 0.5), shape=(30, 4)),
    "bernoulli": lambda b, rng: torch.bernoulli(torch.full((b, 30), 0.5), generator=rng),
    "poisson": lambda b, rng: torch.poisson(torch.full((b, 9), 50.0), generator=rng),
    "multinomial": lambda b, rng: torch.multinomial(rows(b, *[1.0] * 40), 5, generator=rng),
    "multinomial of one row": lambda b, rng: torch.multinomial(
        torch.ones(1000), b, replacement=True, generator=rng
    ),
    "its method": lambda b, rng: torch.ones(1000).multinomial(b, True, generator=rng),
    "nn.init": lambda b, rng: torch.nn.init.trunc_normal_(torch.empty(b, 3), generator=rng),
    "into a part": in_place_of_a_part,
    "into another": into_another,
    "in turn": in_turn,
}  # fmt: skip
SHARED = {
    "a number": lambda _b, rng: torch.rand((), generator=rng),
    "a choice": lambda _b, rng: torch.randint(1000, (), generator=rng),
    "an order": lambda _b, rng: torch.randperm(50, generator=rng),
    "a kernel": lambda _b, rng: torch.randn(7, 7, generator=rng),
    "drops": lambda _b, rng: torch.bernoulli(torch.full((64,), 0.5), generator=rng),
    "some of many": lambda _b, rng: torch.multinomial(torch.ones(64), 9, generator=rng),
}


@pytest.mark.parametrize("name", OF_EACH)
def test_each_image_has_its_own_however_the_batch_is_divided(name):
    whole = drawn(OF_EACH[name], NUMBERS)
    assert len(whole) == len(NUMBERS)
    assert len({str(row.tolist()) for row in whole}) == len(NUMBERS)
    for division in DIVISIONS:
        pieces = in_pieces(OF_EACH[name], division)
        assert pieces.dtype == whole.dtype
        assert torch.equal(pieces, whole), division


@pytest.mark.parametrize("name", SHARED)
def test_other_draws_are_the_same_for_all_images(name):
    whole = drawn(SHARED[name], NUMBERS)
    for division in DIVISIONS:
        for numbers in division:
            assert torch.equal(drawn(SHARED[name], numbers), whole)


@pytest.mark.parametrize("count", [1, 2, 4])
def test_draws_of_few_images_have_their_distributions(count):
    """What looks like a batch is one only if it is: means, weights or probabilities are none."""
    found = {"means": [], "weights": [], "odds": []}
    weights, odds = torch.zeros(count), torch.zeros(count)
    weights[-1] = odds[-1] = 1.0
    for step in range(50):
        with draws(range(count), step=step).for_images("noise") as rng:
            means = torch.normal(torch.arange(float(count)), 0.01 * torch.ones(count, count),
                                 generator=rng)  # fmt: skip
            found["means"].append(means)
            found["weights"].append(torch.multinomial(weights, count, True, generator=rng))
            found["odds"].append(torch.empty(count, count).bernoulli_(odds, generator=rng))
    assert (torch.stack(found["means"]) - torch.arange(count)).abs().max() < 0.1
    assert (torch.stack(found["weights"]) == count - 1).all()
    assert (torch.stack(found["odds"]) == odds).all()


def test_normal_noise_is_normal_and_of_one_image_independent_of_the_next():
    noise = drawn(lambda b, rng: torch.randn(b, 20_000, generator=rng), range(4))
    correlations = torch.corrcoef(noise)
    assert noise.mean().abs() < 0.01
    assert abs(noise.std() - 1) < 0.01
    assert (correlations - torch.eye(4)).abs().max() < 0.03


def test_images_purposes_and_seeds_have_draws_of_their_own():
    def noise(seed=0, purpose="noise", numbers=(1,)):
        with draws(numbers, seed=seed).for_images(purpose) as rng:
            return torch.randn(1, 4, generator=rng)

    made = [noise(), noise(seed=1), noise(purpose="real"), noise(numbers=(2,))]
    assert len({str(each.tolist()) for each in made}) == 4
    assert torch.equal(noise(), made[0])


def test_shared_draws_are_of_a_step():
    shared = [torch.rand(3, generator=draws((1,), step).shared("crop")) for step in (1, 1, 2)]
    assert torch.equal(shared[0], shared[1])
    assert not torch.equal(shared[0], shared[2])
    other = torch.rand(3, generator=draws((1,), 1).shared("other"))
    assert not torch.equal(shared[0], other)


def test_other_generators_draw_as_ever():
    own, same = (torch.Generator().manual_seed(3) for _ in range(2))
    expected = torch.randn(4, 3, generator=same)
    torch.manual_seed(5)
    without = torch.rand(4)
    torch.manual_seed(5)
    with draws(NUMBERS).for_images("noise"):
        assert torch.equal(torch.randn(4, 3, generator=own), expected)
        assert torch.equal(torch.rand(4), without)
    with draws(NUMBERS).for_images("noise") as rng:
        pass
    assert torch.randn(4, 3, generator=rng).shape == (4, 3)  # and after the block


def test_a_gradient_may_be_taken_of_a_draw():
    with draws(NUMBERS).for_images("noise") as rng:
        noise = torch.randn(4, 3, generator=rng, requires_grad=True)
    noise.square().sum().backward()
    assert torch.equal(noise.grad, 2 * noise)


def test_the_meta_device_has_no_streams():
    made = draws(NUMBERS, device=torch.device("meta"))
    assert made.shared("crop") is None
    with made.for_images("noise") as rng:
        assert rng is None


class Judge(torch.nn.Module):
    """A discriminator that uses its generator in ways of its own."""

    judges, shared_draws = "images", False

    def __init__(self):
        super().__init__()
        self.layer = torch.nn.Conv2d(3, 1, 4, 4, bias=False)
        torch.nn.init.normal_(self.layer.weight, generator=torch.Generator().manual_seed(0))
        self.drawn = []

    def trainable(self):
        return dict(self.named_parameters())

    def state(self):
        return self.state_dict()

    def observe(self, real_logits, fake_logits):
        pass

    def logits(self, x, rng):
        b, c, h, w = x.shape
        gain = 1 + 0.1 * torch.rand((), generator=rng)  # the same for all
        cut = torch.stack(torch.meshgrid(torch.arange(h), torch.arange(w), indexing="ij"))
        hole = torch.randint(h, (b, 2, 1, 1), generator=rng)  # cutout
        kept = ((cut - hole).abs().amax(1, keepdim=True) > h // 8).float()
        level = torch.multinomial(torch.tensor([0.5, 0.3, 0.2]), b, True, generator=rng)
        noise = torch.empty_like(x).normal_(generator=rng) * level.view(b, 1, 1, 1) * 0.1
        flip = torch.rand(b, generator=rng) < 0.5
        channels = torch.bernoulli(torch.full((b, c, 1, 1), 0.8), generator=rng)
        shift = int(torch.randint(h, (), generator=rng))
        order = torch.randperm(c, generator=rng)
        x = torch.where(flip.view(b, 1, 1, 1), x.flip(3), x)
        x = (gain * x * kept * channels + noise).roll(shift, 2)[:, order]
        drawn = [gain.expand(b, 1), hole, level, noise, flip, channels, order.expand(b, -1)]
        self.drawn.append(torch.cat([each.reshape(b, -1).double() for each in drawn], 1))
        return self.layer(x).float()


def judged(accumulate, steps=2):
    """What the discriminator judges in some steps, and their losses."""
    options = ["train.device=cpu", "train.precision=float32", "gen.lora_rank=2", "train.batch=4",
               f"train.accumulate={accumulate}"]  # fmt: skip
    recipe = resolve(compose({}, {"disc": "none", "loss": "mse"}, options), installed())
    judge = Judge()
    system = build_system(recipe, installed())
    optimizer = torch.optim.SGD(judge.parameters(), lr=0.1)
    learner = Learner(judge, judge.trainable(), optimizer, 0.1)
    learners = {**system.learners, "discriminator": learner}
    system = replace(system, discriminator=judge, learners=learners)
    rng = torch.Generator().manual_seed(0)
    hr = torch.rand(4, 3, 32, 32, generator=rng)
    batch = Batch(torch.nn.functional.avg_pool2d(hr, 4), hr)
    losses, drawn = [], []
    for step in range(steps):
        losses.append(train_step(system, batch, step).losses)
        # The generator's fakes in all pieces, then fakes and real images of each piece.
        first, calls = judge.drawn[:accumulate], judge.drawn[accumulate:]
        drawn += [torch.cat(first), torch.cat(calls[::2]), torch.cat(calls[1::2])]
        judge.drawn.clear()
    return drawn, losses


@pytest.mark.parametrize("accumulate", [2, 4])
def test_any_discriminator_gets_the_same_noise_in_pieces(accumulate):
    (whole, losses), (pieces, their_losses) = judged(1), judged(accumulate)
    assert len({str(each.tolist()) for each in whole}) == len(whole) == 6
    for mine, theirs in zip(whole, pieces, strict=True):
        assert torch.equal(mine, theirs)
    for mine, theirs in zip(losses, their_losses, strict=True):
        assert mine == pytest.approx(theirs, rel=1e-5)
