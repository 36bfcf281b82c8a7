"""What a new package needs for a component of each kind."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from toolkit.component import Kind


@dataclass(frozen=True)
class Part:
    """A kind of component in a new package. In texts, NAME stands for the component's name.

    Attributes:
        interface: Interface of what `build` returns, in `toolkit.plugin`.
        plural: The kind in the plural, for descriptions.
        command: A command that uses the component.
        row: Recipe of its row in a table of one's own; empty if there is none.
        imports: What `plugin.py` imports from `toolkit.plugin` beside what all need.
        libraries: Requirements beyond those of the toolkit.
        has_options: Whether it has options, which pydantic's `Field` describes.
    """

    interface: str
    plural: str
    command: str
    row: str = ""
    imports: tuple[str, ...] = ()
    libraries: tuple[str, ...] = ()
    has_options: bool = True


_TRAIN = "toolkit train --steps 20"

PARTS: Mapping[Kind, Part] = {
    "generator": Part(
        "Generator",
        "generators",
        f"{_TRAIN} --gen NAME --out runs/NAME-generator",
        row='{ gen = "NAME", disc = "none" }',
        imports=("Selection",),
    ),
    "discriminator": Part(
        "Discriminator",
        "discriminators",
        f"{_TRAIN} --disc NAME --out runs/NAME-discriminator",
        row='{ disc = "NAME" }',
    ),
    "loss": Part(
        "PerceptualLoss",
        "losses",
        f"{_TRAIN} --loss NAME --out runs/NAME-loss",
        row='{ disc = "none", loss = "NAME" }',
    ),
    "degradation": Part(
        "Degradation",
        "degradations",
        "toolkit degrade photos/ --with NAME --out lr/",
        row='{ disc = "none", degradation = "NAME" }',
    ),
    "backbone": Part(
        "Backbone",
        "backbones",
        f"{_TRAIN} --backbone NAME --set gen.lora_layers=attention --out runs/NAME-backbone",
        row='{ disc = "none", backbone = "NAME", gen = { use = "one-step", '
        'lora_layers = "attention" } }',
        libraries=("diffusers>=0.32", "peft>=0.14"),
        has_options=False,
    ),
    "metric": Part(
        "Metric",
        "metrics",
        "toolkit eval --sr restored/ --hr originals/ --metric NAME",
        has_options=False,
    ),
    "dataset": Part(
        "Dataset",
        "datasets",
        f"{_TRAIN} --data NAME --out runs/NAME-dataset",
        row='{ disc = "none", data = "NAME" }',
    ),
    "restorer": Part(
        "Restorer",
        "restorers",
        "toolkit restore photo.jpg --with NAME",
        row='{ restorer = "NAME" }',
    ),
    "tracker": Part(
        "Tracker",
        "trackers",
        f"{_TRAIN} --track NAME --out runs/NAME-tracker",
        has_options=False,
    ),
}
