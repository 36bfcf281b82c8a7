"""Diffusion-GAN's noise: a pool of timesteps that grows while the discriminator is too sure."""

import pytest
import torch

import toolkit
from toolkit.checkpoints import load_part, save_checkpoint
from toolkit.streams import torch_stream
from toolkit_discriminators.noising import AdaptiveNoise

CPU = torch.device("cpu")


def adaptive(*, target=0.6, ramp=100_000, sampling="priority", seed=0):
    return AdaptiveNoise(target=target, ramp=ramp, sampling=sampling, seed=seed)


def verdicts(real=10, fake=0, batch=4, size=1.0):
    """Logits of which so many of ten call the real real, and so many call it fake."""
    votes = [size] * real + [-size] * fake + [0.0] * (10 - real - fake)
    return torch.tensor(votes).view(1, 1, 2, 5).expand(batch, -1, -1, -1)


def told(noising, *observations):
    """p after each of these observations."""
    found = []
    for each in observations:
        noising.observe(each)
        found.append(noising.state["p"].item())
    return found


def grown(noising):
    """Tells it that all is recognised until p is 1."""
    noising.observe(verdicts(batch=noising._ramp))
    told(noising, *[verdicts(batch=1)] * 3)
    assert noising.state["p"] == 1
    return noising


def pools(noising, count=100):
    """The drawn halves of so many pools, one after the other."""
    drawn = []
    for _ in range(count):
        told(noising, *[verdicts(batch=1)] * 4)
        drawn.append(noising.state["pool"][:32].clone())
    return torch.cat(drawn)


def diffusion_gan(seed, **options):
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return toolkit.make("discriminator", "diffusion-gan:sd21:tiny", lora_rank=2, **options)


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("sampling", ["priority", "uniform"])
def test_it_begins_with_ten_timesteps_and_half_of_the_pool_clean(seed, sampling):
    noising = adaptive(seed=seed, sampling=sampling)
    pool = noising.state["pool"]
    assert noising.state["p"] == 0
    assert pool.shape == (64,)
    assert pool.min() == 0
    assert 5 <= pool.max() < 10
    zeros = (pool == 0).sum()
    # In proportion to t, no zero is drawn for the other half.
    assert zeros == 32 if sampling == "priority" else zeros >= 32


def test_p_moves_after_every_fourth_observation_by_the_images_seen():
    noising = adaptive()
    before = noising.state["pool"].clone()
    assert told(noising, *[verdicts(batch=8)] * 3) == [0, 0, 0]
    assert torch.equal(noising.state["pool"], before)
    assert told(noising, verdicts(batch=8)) == [pytest.approx(32 / 100_000)]
    assert not torch.equal(noising.state["pool"], before)
    mixed = [verdicts(batch=batch) for batch in (1, 2, 3, 4)]
    assert told(noising, *mixed)[-1] == pytest.approx(42 / 100_000)
    assert told(noising, *[verdicts(0, 10)] * 4)[-1] == pytest.approx(26 / 100_000)


@pytest.mark.parametrize(
    ("votes", "goes"),
    [
        ([(9, 1)] * 4, 1),  # mean sign 0.8
        ([(7, 3)] * 4, -1),  # 0.4
        ([(10, 0), (10, 0), (10, 0), (5, 5)], 1),  # 0.75
        ([(10, 0), (10, 0), (10, 0), (0, 10)], -1),  # 0.5: sure on the whole, and not enough
        ([(5, 5)] * 4, -1),
        ([(5, 0)] * 4, -1),  # undecided counts as nothing
    ],
)
@pytest.mark.parametrize("size", [1e-3, 50.0])
def test_the_mean_sign_decides_and_how_sure_a_vote_is_does_not(votes, goes, size):
    noising = adaptive(ramp=100)
    noising.state["p"].fill_(0.5)
    found = told(noising, *(verdicts(*each, size=size) for each in votes))
    assert found == [0.5, 0.5, 0.5, pytest.approx(0.5 + goes * 0.16)]


def test_p_stays_between_0_and_1():
    noising = adaptive(ramp=10)
    assert told(noising, *[verdicts(0, 10)] * 4)[-1] == 0
    assert told(noising, *[verdicts()] * 8)[3::4] == [1, 1]
    assert 900 < noising.state["pool"].max() < 1000


@pytest.mark.parametrize("p", [0.0, 0.25, 0.5])
def test_timesteps_stay_below_what_p_allows(p):
    noising = adaptive(ramp=10**9)
    noising.state["p"].fill_(p)
    reach = 10 + p * 990
    assert 0.9 * reach - 1 < pools(noising).max() < reach + 0.1
    assert (noising.state["pool"][32:] == 0).all()


def test_what_adds_up_does_so_in_double_precision():
    whole = dict.fromkeys(("pool", "images", "steps", "seed"), torch.long)
    kept = dict.fromkeys(("p", "signs"), torch.float64)
    assert {name: each.dtype for name, each in adaptive().state.items()} == whole | kept


def test_a_new_pool_keeps_nothing_of_the_one_before():
    noising = adaptive()
    noising.state["pool"].fill_(999)
    told(noising, *[verdicts()] * 4)
    assert noising.state["pool"][:32].max() < 11
    assert (noising.state["pool"][32:] == 0).all()


@pytest.mark.parametrize(
    ("sampling", "quarters", "mean"),
    [
        ("priority", (1 / 16, 3 / 16, 5 / 16, 7 / 16), 666),
        ("uniform", (1 / 4, 1 / 4, 1 / 4, 1 / 4), 499.5),
    ],
)
def test_timesteps_are_drawn_in_proportion_to_t_or_evenly(sampling, quarters, mean):
    drawn = pools(grown(adaptive(sampling=sampling, ramp=1000)))
    found = torch.bincount(drawn // 250, minlength=4) / len(drawn)
    assert found.tolist() == pytest.approx(quarters, abs=0.04)
    assert drawn.float().mean().item() == pytest.approx(mean, abs=20)


def test_draws_are_the_pools_and_follow_the_stream():
    noising = grown(adaptive(ramp=1000))
    drawn = noising.draw(4000, torch_stream(0, "draws"), CPU)
    assert set(drawn.tolist()) == set(noising.state["pool"].tolist())
    assert (drawn == 0).float().mean().item() == pytest.approx(0.5, abs=0.05)
    assert torch.equal(drawn, noising.draw(4000, torch_stream(0, "draws"), CPU))
    assert not torch.equal(drawn, noising.draw(4000, torch_stream(1, "draws"), CPU))


def test_the_verdicts_on_fakes_change_nothing():
    one, other = diffusion_gan(0, ramp=100), diffusion_gan(0, ramp=100)
    for _ in range(4):
        one.observe(verdicts(), verdicts())
        other.observe(verdicts(), verdicts(0, 10))
    assert one.noising.state["p"] == other.noising.state["p"] == pytest.approx(0.16)


@pytest.mark.parametrize("seen", [4, 6])  # also between two changes
def test_a_state_goes_on_as_if_nothing_had_happened(tmp_path, seen):
    first, second = diffusion_gan(1, ramp=200), diffusion_gan(2, ramp=200)
    own = {"p", "pool", "signs", "images", "steps", "seed"}
    assert {f"noising.{name}" for name in own} < set(first.state())
    assert not torch.equal(first.noising.state["pool"], second.noising.state["pool"])
    for _ in range(seen):
        first.observe(verdicts(9, 1), verdicts())
    save_checkpoint(tmp_path / "saved", {"discriminator": first.state()}, {})
    second.load_state(load_part(tmp_path / "saved", "discriminator"))
    for votes in [(9, 1), (7, 3), (10, 0), (10, 0), (9, 1), (10, 0)] * 2:
        for judge in (first, second):
            judge.observe(verdicts(*votes), verdicts())
        for name, tensor in first.state().items():
            assert torch.equal(tensor, second.state()[name]), name
    assert first.noising.state["p"] > 0.1


def test_the_seed_decides_the_pools():
    same = [diffusion_gan(seed).noising.state["pool"] for seed in (3, 3, 4)]
    assert torch.equal(same[0], same[1])
    assert not torch.equal(same[0], same[2])


def test_it_can_be_made_where_nothing_is_computed():
    with torch.device("meta"):
        judge = diffusion_gan(0)
        votes = judge.logits(torch.zeros(1, 4, 32, 32), None)
    assert votes.is_meta
    assert {each.device for each in judge.noising.state.values()} == {CPU}
