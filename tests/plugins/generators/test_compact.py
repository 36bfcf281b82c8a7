"""Compact states: how exact each row is, and what is kept of all else."""

import torch

from toolkit.streams import torch_stream
from toolkit_generators.compact import compact, expand, is_compact


def weights(*shape, seed=0):
    return torch.randn(*shape, generator=torch_stream(seed, "weights"))


def test_a_difference_is_off_by_half_a_step_of_its_own_row_at_most():
    base = {"unet.w": weights(4, 5, 3, 3)}
    moved = weights(4, 5, 3, 3, seed=1) * torch.tensor([1.0, 0.1, 1e-3, 0.0]).view(4, 1, 1, 1)
    kept = compact({"unet.w": base["unet.w"] + moved}, base)
    assert is_compact(kept)
    assert kept["unet.w/int8"].dtype == torch.int8
    assert kept["unet.w/int8"].flatten(1)[:3].abs().amax(1).tolist() == [127] * 3
    error = (expand(kept, base)["unet.w"] - base["unet.w"] - moved).flatten(1).abs().amax(1)
    assert (error <= moved.flatten(1).abs().amax(1) / 254 * 1.001 + 1e-6).all()


def test_vectors_and_what_the_base_lacks_are_kept_in_float16():
    state = {"unet.bias": weights(5), "text": weights(2, 3)}
    kept = compact(state, {"unet.bias": torch.zeros(5)})
    assert not is_compact(kept)
    assert {name: each.dtype for name, each in kept.items()} == dict.fromkeys(state, torch.float16)
    found = expand(kept, {})
    assert found.keys() == state.keys()
    assert all(torch.equal(found[name], state[name].half()) for name in state)
