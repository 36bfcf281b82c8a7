"""The two sides of `training_step.py`: the toolkit's engine, and the step by public libraries."""

from __future__ import annotations

import argparse
from collections.abc import Mapping

import torch
from torch import Tensor

import toolkit
from toolkit.discovery import installed
from toolkit.recipe import Recipe, compose, resolve
from toolkit.streams import torch_stream
from toolkit.training.build import build_system
from toolkit.training.data import Batch
from toolkit.training.draws import Draws
from toolkit.training.step import train_step

PARTS = ("generator", "discriminator")


class Ours:
    """The toolkit's training engine."""

    def __init__(self, args: argparse.Namespace) -> None:
        self.system = build_system(recipe(args), installed())
        begin(self.trained())

    def step(self, batch: Batch, number: int) -> dict[str, float]:
        """Takes a step."""
        return train_step(self.system, batch, number).losses

    def trained(self) -> dict[str, Tensor]:
        """The trained weights of both parts."""
        return {
            f"{part}/{name}": parameter
            for part, learner in self.system.learners.items()
            for name, parameter in learner.parameters.items()
        }


class Theirs:
    """The step by diffusers, peft and pyiqa."""

    def __init__(self, args: argparse.Namespace) -> None:
        from plain_step import PlainTraining, Plan

        made = recipe(args)
        backbone = made.context(installed()).make("backbone", made.backbone)
        options, disc = made.gen.options, made.disc.options
        assert options["lora_rank"] == disc["lora_rank"]
        plan = Plan(
            timestep=options["timestep"],
            rank=options["lora_rank"],
            layers=tuple(backbone.lora_layers[options["lora_layers"]]),
            rate=made.train.lr,
            decay=made.train.weight_decay,
            adversarial=made.objective.adversarial,
            discriminator=made.objective.discriminator,
            autocast=torch.bfloat16 if args.precision == "bfloat16" else None,
        )
        checkpointing = args.checkpointing == "true"
        self.training = PlainTraining(backbone, plan, args.device, checkpointing=checkpointing)
        self.seed = made.train.seed
        begin(self.trained())

    def step(self, batch: Batch, number: int) -> dict[str, float]:
        """Takes a step with the draws that ours has."""
        samples = range(number * len(batch.lr), (number + 1) * len(batch.lr))
        draws = Draws(self.seed, number, samples, torch.device(self.training.device))
        return self.training.step(batch.lr, batch.hr, draws.for_images)

    def trained(self) -> dict[str, Tensor]:
        """The trained weights of both parts."""
        return {
            f"{part}/{name}": parameter
            for part in PARTS
            for name, parameter in self.training.parameters(part).items()
        }


def gradients(trained: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Copies of weights' last gradients, by name."""
    found: dict[str, Tensor] = {}
    for name, weight in trained.items():
        assert weight.grad is not None
        found[f"gradient/{name}"] = weight.grad.cpu().clone().contiguous()
    return found


def weights(trained: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Weights, by name."""
    return {f"weight/{name}": each.detach().cpu().contiguous() for name, each in trained.items()}


def apart(theirs: Mapping[str, Tensor], ours: Mapping[str, Tensor]) -> dict[str, float]:
    """How far outcomes are apart, by part: gradients, and weights by how far they moved."""
    found = {}
    for part in PARTS:
        for kind in ("gradient", "weight"):
            difference, size = 0.0, 0.0
            for name in (name for name in ours if name.startswith(f"{kind}/{part}/")):
                begun = initial(name.removeprefix("weight/"), ours[name]) if kind == "weight" else 0
                difference += (theirs[name] - ours[name]).double().square().sum().item()
                size += (ours[name] - begun).double().square().sum().item()
            found[f"{part}'s {kind}s"] = (difference / size) ** 0.5
    return found


def begin(trained: Mapping[str, Tensor]) -> None:
    """Gives weights their initial values."""
    for name, weight in trained.items():
        weight.data.copy_(initial(name, weight))


def initial(name: str, like: Tensor) -> Tensor:
    """Weights as after a training, determined by the name: fresh LoRA does nothing."""
    return 0.02 * torch.randn(like.shape, generator=torch_stream(0, name))


def recipe(args: argparse.Namespace) -> Recipe:
    """The paper's settings, but for crop, batch and learning rate.

    At a low rate the steps that are compared do not diverge: the perceptual loss amplifies rounding
    a thousandfold, and AdamW moves a weight alike however small its gradient is.
    """
    flags = {"backbone": args.backbone, "train.batch": args.batch, "disc": "nad"}
    given = {
        "train.crop": args.crop,
        "train.precision": args.precision,
        "train.device": args.device,
        "train.lr": 1e-6,
        "train.disc_lr": 1e-6,
        "backbone.precision": args.precision,
        "backbone.checkpointing": args.checkpointing,
    }
    return resolve(
        compose({}, flags, [f"{name}={value}" for name, value in given.items()]), installed()
    )


def photographs(batch: int, side: int) -> Batch:
    """Crops of photographs, and their quarter; cheap to make."""
    photos = toolkit.make("dataset", "photos")
    hr = torch.stack([photos[i % len(photos)].hr[:, :side, :side] for i in range(batch)])
    return Batch(torch.nn.functional.avg_pool2d(hr, 4), hr)
