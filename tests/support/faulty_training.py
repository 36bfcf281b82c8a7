"""Trainings with parts that are not finite for bright images."""

import copy
import runpy
from pathlib import Path

import pytest

from toolkit.discovery import installed
from toolkit.errors import DivergedError
from toolkit.recipe import resolve
from toolkit.runs import Run
from toolkit.training import loop
from toolkit.training.build import build_pairs

REGISTRY = copy.deepcopy(installed())
FAULTY = runpy.run_path(str(Path(__file__).parents[1] / "training" / "faulty_parts.py"))
REGISTRY.add("tests", FAULTY["toolkit_components"]())
JUDGE = {"use": "nad", "lora_rank": 2}


def recipe(**changed):
    tables = {"gen": {"use": "one-step", "lora_rank": 2}, "disc": "none", "loss": "mse",
              "data": "photos:heldout", **changed}  # fmt: skip
    train = {"steps": 4, "batch": 1, "crop": 32, "device": "cpu", "sample_every": 0,
             "checkpoint_every": 1, "keep": 9, "precision": "float32"}  # fmt: skip
    return resolve({**tables, "train": train | tables.get("train", {})}, REGISTRY)


def faulty(loss="mse", **options):
    return {loss: {"use": "faulty", "loss": loss, **options}}


def diverge(folder, **changed):
    """Trains a run that must diverge; returns it and the error."""
    run = Run(folder)
    with pytest.raises(DivergedError) as told:
        loop.train(run, recipe(**changed), REGISTRY)
    return run, told.value


def brightness(**changed):
    """The mean of each step's only HR image."""
    plan = recipe(**changed)
    pairs = build_pairs(plan, REGISTRY)
    return [pairs.sample(step).hr.mean().item() for step in range(plan.train.steps)]
