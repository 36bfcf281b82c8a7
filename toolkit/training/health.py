"""Figures that show whether generator and discriminator keep each other in balance."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

REAL_ACCURACY, FAKE_ACCURACY = "real accuracy", "fake accuracy"
"""Shares of regions of real and of fake samples that the discriminator judges correctly."""
RATIO = "adversarial ratio"
"""Norm of the adversarial loss's gradient over that of all other losses, weighted, where the
discriminator looks: at the predicted latents, or images."""


class Health:
    """Collects the health of one step as sums, which add over pieces and ranks."""

    def __init__(self, device: torch.device) -> None:
        self._device = device
        self.sums: dict[str, Tensor] = {}

    def watch(self, fake: Tensor) -> Tensor:
        """Returns `fake` for the discriminator, and measures both gradients that reach it."""
        if not fake.requires_grad:
            return fake
        judged = fake.view_as(fake)
        adversarial: list[Tensor] = []
        judged.register_hook(adversarial.append)  # type: ignore[no-untyped-call]

        def measure(total: Tensor) -> None:
            if adversarial:
                own = adversarial.pop()
                self._add("adversarial gradient", own.float().square().sum())
                self._add("other gradient", (total - own).float().square().sum())

        fake.register_hook(measure)  # type: ignore[no-untyped-call]
        return judged

    def judge(self, real_logits: Tensor, fake_logits: Tensor) -> None:
        """Counts correct verdicts; a logit above 0 means real."""
        for name, right in (("real", real_logits > 0), ("fake", fake_logits < 0)):
            self._add(f"{name} right", right.sum())
            self._add(f"{name} all", torch.tensor(right.numel(), device=self._device))

    def _add(self, name: str, value: Tensor) -> None:
        value = value.detach().float()
        self.sums[name] = self.sums[name] + value if name in self.sums else value


def health_of(sums: Mapping[str, float]) -> dict[str, float]:
    """Returns the health that sums over the whole batch amount to.

    Example:
        >>> health_of({"real right": 3, "real all": 4, "fake right": 4, "fake all": 4})
        {'real accuracy': 0.75, 'fake accuracy': 1.0}
        >>> health_of({"adversarial gradient": 1, "other gradient": 4})
        {'adversarial ratio': 0.5}
    """
    found = {}
    for name, key in (("real", REAL_ACCURACY), ("fake", FAKE_ACCURACY)):
        if count := sums.get(f"{name} all"):
            found[key] = sums[f"{name} right"] / count
    if others := sums.get("other gradient"):
        found[RATIO] = (sums["adversarial gradient"] / others) ** 0.5
    return found
