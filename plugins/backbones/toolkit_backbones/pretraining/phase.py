"""Training loop of both pretrainings: options, schedule, weight averaging, logging, resuming."""

from __future__ import annotations

import argparse
import json
import math
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import torch
from safetensors.torch import save
from torch import Tensor, nn

from toolkit.checkpoints import (
    Parts,
    checkpoint_path,
    checkpoints,
    load_part,
    read_metadata,
    save_checkpoint,
)
from toolkit.devices import choose_precision
from toolkit.files import write_atomically
from toolkit.training.averaging import Average
from toolkit.training.state import load_optimizer_state, optimizer_state
from toolkit_backbones.files import WEIGHTS

_WARM_UP_STEPS = 200
_DECAY = 0.998
"""Decay of the exponential moving average of the weights."""


def options(description: str, *, steps: int, batch: int, size: int) -> argparse.ArgumentParser:
    """Returns a parser for the shared options, with the given defaults."""
    parser = argparse.ArgumentParser(
        description=description, formatter_class=argparse.ArgumentDefaultsHelpFormatter
    )
    parser.add_argument("--out", type=Path, required=True, help="folder for checkpoints and log")
    parser.add_argument(
        "--photos", type=Path, help="folder of photographs; default: included photographs"
    )
    parser.add_argument("--steps", type=int, default=steps)
    parser.add_argument("--batch", type=int, default=batch)
    parser.add_argument("--size", type=int, default=size, help="side of a crop, px")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--save-every", type=int, default=200)
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    return parser


class Phase:
    """A resumable phase of a training.

    Args:
        name: Name of its folder.
        args: See `options`.
        steps: Number of steps; None for that in `args`.
    """

    def __init__(self, name: str, args: argparse.Namespace, steps: int | None = None) -> None:
        torch.manual_seed(args.seed)
        torch.backends.cudnn.benchmark = True
        torch.set_float32_matmul_precision("high")
        self.args = args
        self._steps = steps or int(args.steps)
        self.device = torch.device(args.device)
        self.folder: Path = args.out / "training" / name
        self.folder.mkdir(parents=True, exist_ok=True)
        saved = checkpoints(self.folder)
        self.saved = saved[-1] if saved else None
        metadata = read_metadata(self.saved) if self.saved else {}
        self.step = int(metadata.get("step", 0))
        self._seconds = float(metadata.get("seconds", 0.0))
        self._last = time.monotonic()

    def load(self, part: str) -> dict[str, Tensor]:
        """Loads a part of the checkpoint to resume from; empty if there is none."""
        return load_part(self.saved, part) if self.saved else {}

    def autocast(self) -> torch.autocast:
        """Returns autocast to bfloat16, disabled if the hardware only emulates it."""
        precision = choose_precision("auto", self.device)
        return torch.autocast(self.device.type, torch.bfloat16, enabled=precision == torch.bfloat16)

    @property
    def done(self) -> float:
        """Fraction of completed steps, 0 to 1."""
        return self.step / self._steps

    def rate(self, peak: float) -> float:
        """Returns the learning rate: linear warm-up times a cosine from the peak to 1 % of it."""
        cosine = 0.5 * (1 + math.cos(math.pi * min(self.done, 1.0)))
        return peak * min(1.0, (self.step + 1) / _WARM_UP_STEPS) * (0.01 + 0.99 * cosine)

    def advance(self, losses: Mapping[str, Tensor]) -> bool:
        """Counts a step and logs every 50th; returns whether steps remain."""
        now = time.monotonic()
        self._seconds, self._last = self._seconds + now - self._last, now
        self.step += 1
        if self.step % 50 == 0:
            line = {name: round(loss.item(), 5) for name, loss in losses.items()}
            record = {"step": self.step, "seconds": round(self._seconds, 1), **line}
            with (self.folder / "log.jsonl").open("a", encoding="utf-8") as log:
                log.write(json.dumps(record) + "\n")
            print(record, flush=True)
        return self.done < 1

    def save(self, parts: Parts) -> None:
        """Writes a checkpoint and deletes all but the newest two."""
        path = checkpoint_path(self.folder, self.step)
        save_checkpoint(path, parts, {"step": str(self.step), "seconds": str(self._seconds)})
        for old in checkpoints(self.folder)[:-2]:
            old.unlink()

    def due(self) -> bool:
        """Returns whether a checkpoint is due."""
        return self.step % int(self.args.save_every) == 0


class _Network:
    """Adapts a model to the interface of `Average`."""

    def __init__(self, model: nn.Module) -> None:
        self.state, self.load_state = model.state_dict, model.load_state_dict


def fit(
    phase: Phase,
    model: nn.Module,
    peak: float,
    losses: Callable[[], dict[str, Tensor]],
    weights: Mapping[str, float],
) -> None:
    """Trains a model to the end of the phase; the model then has its averaged weights.

    Args:
        phase: Tracks progress, and supplies the checkpoint to resume from.
        model: Trained in place.
        peak: Learning rate after the warm-up.
        losses: Computes the losses of the current step, by name.
        weights: Weights of the losses.
    """
    optimizer = torch.optim.AdamW(model.parameters(), peak, betas=(0.9, 0.99), weight_decay=1e-4)
    named = dict(model.named_parameters())
    if phase.saved:
        model.load_state_dict(phase.load("model"))
        load_optimizer_state(optimizer, named, phase.load("optimizer"))
    average = Average(_Network(model), _DECAY)
    if phase.saved:
        average.load(phase.load("average"))
    unfinished = phase.done < 1
    while unfinished:
        optimizer.param_groups[0]["lr"] = phase.rate(peak)
        terms = losses()
        optimizer.zero_grad(set_to_none=True)
        total = torch.stack([weights[name] * term for name, term in terms.items()]).sum()
        total.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        average.update(phase.step)
        unfinished = phase.advance(terms)
        if phase.due() or not unfinished:
            state = optimizer_state(optimizer, named)
            parts = {"model": model.state_dict(), "optimizer": state, "average": average.weights}
            phase.save(parts)
    model.load_state_dict(average.weights)


def write_half(model: nn.Module, folder: Path) -> None:
    """Writes a model's weights in diffusers' layout, in float16."""
    half = {name: tensor.half().cpu().contiguous() for name, tensor in model.state_dict().items()}
    write_atomically(folder / WEIGHTS, save(half, {"format": "pt"}))
