"""Checks of discriminators."""

from __future__ import annotations

import torch
from torch import Tensor

from toolkit import contracts
from toolkit.abilities import JudgesBoth
from toolkit.interfaces import Discriminator
from toolkit.members import trainable
from toolkit.streams import torch_stream
from toolkit.testing.calls import input_of, same
from toolkit.testing.losses import check_precision
from toolkit.testing.subject import Subject, demand
from toolkit.testing.trained import check_gradients

_CLOSE = 1e-4


def shapes(subject: Subject) -> None:
    """Checks logits, `[b, 1, regions...]`, finite, of batches of several sizes."""
    judge: Discriminator = subject.made
    if _judges_nothing(judge):
        return
    for x in (input_of(subject), input_of(subject)[:1], input_of(subject)[..., :-8]):
        with torch.no_grad():
            verdict = _logits(judge, x)
        demand(bool(verdict.isfinite().all()), "returned logits that are not finite")
        contracts.observe(judge, verdict, verdict)


def gradients(subject: Subject) -> None:
    """Checks that gradients reach every trainable parameter and what is judged."""
    judge: Discriminator = subject.made
    if _judges_nothing(judge):
        demand(not trainable(judge), "it judges nothing, but has trainable parameters")
        return
    check_gradients(judge, _logits(judge, input_of(subject)).mean())
    x = input_of(subject).requires_grad_(True)
    (found,) = torch.autograd.grad(_logits(judge, x).sum(), x)
    demand(found.abs().sum() > 0, "gradients must reach the input of logits")
    demand(bool(found.isfinite().all()), "gradients to the input of logits must be finite")


def determinism(subject: Subject) -> None:
    """Checks that `rng` alone decides what is random, and that both samples fit one batch."""
    judge: Discriminator = subject.made
    if _judges_nothing(judge):
        return
    x, other = input_of(subject), input_of(subject).flip(0)
    before = x.clone()
    with torch.no_grad():
        first, again = _logits(judge, x), _logits(judge, x)
        demand(
            torch.equal(first, again),
            "logits must be the same again for the same rng, from which all noise is drawn",
        )
        demand(torch.equal(x, before), "the input of logits must not be modified")
        if not isinstance(judge, JudgesBoth):
            return
        fake, real = contracts.logits_of_both(judge, x, other, _draws(), _draws())
    demand(
        same(fake, first, _CLOSE) and same(real, _logits(judge, other), _CLOSE),
        "logits_of_both must return the logits of both samples, as `logits` does",
    )


def precision(subject: Subject) -> None:
    """Checks for float32, also in autocast if declared, with nearly the same gradient."""
    judge: Discriminator = subject.made
    if not _judges_nothing(judge):
        check_precision(judge, lambda x: _logits(judge, x), input_of(subject))


def _judges_nothing(judge: Discriminator) -> bool:
    return judge.judges == "nothing"


def _logits(judge: Discriminator, x: Tensor) -> Tensor:
    return contracts.logits(judge, x, _draws())


def _draws() -> torch.Generator:
    return torch_stream(0, "draws")
