"""Finds which part of a step is not finite, by computing each loss and its gradient alone."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from toolkit.contracts import predict
from toolkit.errors import lacks_memory
from toolkit.expectations import finite_or_not
from toolkit.makers import maker_of
from toolkit.training.data import Batch
from toolkit.training.step import Terms, discriminator_terms, generator_terms
from toolkit.training.system import Learner, Piece, System, frozen


@dataclass
class Diagnosis:
    """Values and gradients of a step's losses, unweighted, and what is not finite.

    Attributes:
        values: Losses by name.
        gradients: Norms of the gradients of the trained parameters, by loss.
        guilty: What is not finite, in words, causes before their effects.
        sources: The components that computed it, by these words, where they are known.
    """

    values: dict[str, float] = field(default_factory=dict)
    gradients: dict[str, float] = field(default_factory=dict)
    guilty: list[str] = field(default_factory=list)
    sources: dict[str, str] = field(default_factory=dict)

    def blame(self, words: str, part: object = None) -> None:
        """Adds what is not finite, and the object that computed it."""
        self.guilty.append(words)
        if maker := maker_of(part):
            self.sources[words] = f"the {maker.kind} {maker.name!r} of {maker.distribution}"

    def document(self) -> dict[str, Any]:
        """Returns it as JSON's types; numbers that are not finite become texts."""
        found = asdict(self)
        for name in ("values", "gradients"):
            found[name] = {key: as_json(value) for key, value in found[name].items()}
        return found


def as_json(value: float) -> float | str:
    """Returns a number that JSON has, or its name: "nan", "inf" or "-inf"."""
    return value if math.isfinite(value) else str(value)


@finite_or_not()
def diagnose(system: System, batch: Batch, step: int) -> Diagnosis:
    """Computes a step again, loss by loss, on this process's share of its batch.

    Changes nothing. Pieces for which the memory does not suffice are left out.
    """
    found = Diagnosis()
    for kind, images in (("LR", batch.lr), ("HR", batch.hr)):
        for name, image in zip(batch.names or batch.numbers, images, strict=False):
            found.guilty += _not_finite(f"the {kind} image of {name}", image)
    for name, learner in system.learners.items():
        for parameter, tensor in learner.parameters.items():
            found.guilty += _not_finite(f"the {name}'s weights {parameter}", tensor)
    first_loss_only = step < system.objective.first_loss_steps
    pieces = []
    for piece in system.pieces(batch, step):
        try:
            pieces.append(_diagnosed(system, piece, first_loss_only=first_loss_only))
        except (RuntimeError, MemoryError) as error:
            if not lacks_memory(error):
                raise
    return merged([found, *pieces])


def merged(diagnoses: Sequence[Diagnosis]) -> Diagnosis:
    """Combines those of pieces or ranks: means of values, largest gradients, all that is guilty."""
    whole = Diagnosis()
    for name in dict.fromkeys(name for each in diagnoses for name in each.values):
        values = [each.values[name] for each in diagnoses if name in each.values]
        whole.values[name] = sum(values) / len(values)
    for name in dict.fromkeys(name for each in diagnoses for name in each.gradients):
        gradients = [each.gradients[name] for each in diagnoses if name in each.gradients]
        whole.gradients[name] = _largest(gradients)
    whole.guilty = list(dict.fromkeys(words for each in diagnoses for words in each.guilty))
    whole.sources = {words: told for each in diagnoses for words, told in each.sources.items()}
    return whole


def _diagnosed(system: System, piece: Piece, *, first_loss_only: bool) -> Diagnosis:
    found = Diagnosis()
    with torch.no_grad(), system.autocast():
        prediction = predict(system.generator, piece.lr)
        made = {"latents": prediction.latent}
        if system.losses or not system.judges_latents:
            made["images"] = prediction.image
    for name, tensor in made.items():
        if not tensor.isfinite().all():
            found.blame(f"the generator's {name}", system.generator)
    with frozen(system.discriminator_parameters):
        terms = generator_terms(system, piece, first_loss_only=first_loss_only)
        _add(terms, "generator", system, found)
    if system.discriminator_parameters and not first_loss_only:
        terms = discriminator_terms(system, piece, terms.output.detach())
        _add(terms, "discriminator", system, found)
    return found


def _add(terms: Terms, learner: str, system: System, found: Diagnosis) -> None:
    """Adds values and gradients of a piece's losses."""
    parts: dict[str, object] = {name: term.loss for name, term in system.losses.items()}
    parts |= dict.fromkeys(("adversarial", "discriminator"), system.discriminator)
    parts["latent"] = system.generator  # which encodes what its latents are compared with
    for name, loss in terms.losses.items():
        found.values[name] = value = loss.item()
        if not math.isfinite(value):
            found.blame(f"the loss {name!r} ({value})", parts.get(name))
        if not loss.requires_grad:
            continue
        gradients = _gradients(loss, system.learners[learner])
        found.gradients[name] = norm = nn.utils.get_total_norm(gradients.values()).item()
        if math.isfinite(value) and not math.isfinite(norm):
            place = _place(gradients)  # at some weights, and so not by what all of them share
            part = system.learners[learner].part if place else parts.get(name)
            found.blame(f"the gradient of the loss {name!r}{place}", part)


def _gradients(loss: Tensor, learner: Learner) -> dict[str, Tensor]:
    """Returns the gradients of those parameters that a loss depends on."""
    tensors = list(learner.parameters.values())
    found = torch.autograd.grad(loss, tensors, retain_graph=True, allow_unused=True)
    gradients = zip(learner.parameters, found, strict=True)
    return {name: gradient for name, gradient in gradients if gradient is not None}


def _place(gradients: Mapping[str, Tensor]) -> str:
    """Returns where gradients are not finite, unless they are so everywhere or nowhere."""
    names = [name for name, gradient in gradients.items() if not gradient.isfinite().all()]
    if len(names) in (0, len(gradients)):
        return ""
    more = f" and {len(names) - 1} more" if len(names) > 1 else ""
    return f" at the weights {names[0]}{more}"


def _largest(values: Sequence[float]) -> float:
    """Returns the largest value; one that is not finite, if there is any."""
    return next((value for value in values if not math.isfinite(value)), max(values))


def _not_finite(words: str, tensor: Tensor) -> Iterator[str]:
    if not tensor.isfinite().all():
        yield words
