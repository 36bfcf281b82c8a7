"""Trainings of the smallest networks: whole runs, and steps on random images."""

import torch

from toolkit.checkpoints import load_part
from toolkit.discovery import installed
from toolkit.recipe import resolve
from toolkit.runs import Run
from toolkit.training import loop
from toolkit.training.build import build_system
from toolkit.training.data import Batch

PARTS = ("generator", "generator.optimizer", "discriminator", "discriminator.optimizer")


def recipe(disc="nad", data="photos:heldout", latent=0.0, backbone="pocket", **train):
    rank = {"lora_rank": 2} if disc != "none" else {}
    tables = {
        "backbone": backbone,
        "gen": {"use": "one-step", "lora_rank": 2},
        "disc": {"use": disc, **rank},
        "loss": "mse",
        "objective": {"latent": latent},
        "data": data,
        "train": {"device": "cpu", "precision": "float32", "batch": 2, "crop": 32, "steps": 4,
                  "sample_every": 0, "lr": 1e-3, **train},
    }  # fmt: skip
    return resolve(tables, installed())


def build(**options):
    return build_system(recipe(**options), installed())


def batch(count=2):
    hr = torch.rand(count, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    return Batch(torch.nn.functional.avg_pool2d(hr, 4), hr)


def train(folder, *, stop=0, **options):
    """Trains a run, which is stopped after so many steps and resumed; returns it and its log."""
    run, plan = Run(folder), recipe(**options)
    if stop:
        stops = iter([False] * (stop - 1) + [True])
        first = loop.train(run, plan, installed(), should_stop=lambda: next(stops))
        assert (first.stopped, first.step) == (True, stop)
    loop.train(run, plan, installed())
    return run, list(run.read_log())


def assert_same(one, other, parts=PARTS):
    for part in parts:
        first, second = (load_part(run.latest(), part) for run in (one, other))
        assert first.keys() == second.keys()
        for name, tensor in first.items():
            assert torch.equal(tensor, second[name]), f"{part} {name}"
