"""What both pretrainings share: arguments, schedule, loop, averaged weights, log, resuming."""

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
from toolkit.training.averaging import Average
from toolkit.training.build import choose_precision
from toolkit.training.state import load_optimizer_state, optimizer_state
from toolkit.weights import write_atomically
from toolkit_backbones.files import WEIGHTS

_WARM_UP = 200
_DECAY = 0.998
"""Of the averaged weights."""


def options(description: str, *, steps: int, batch: int, size: int) -> argparse.ArgumentParser:
    """The options of both scripts, with defaults of their own."""
    parser = argparse.ArgumentParser(
        description=description, formatter_class=argparse.ArgumentDefaultsHelpFormatter
    )
    parser.add_argument("--out", type=Path, required=True, help="folder for checkpoints and log")
    parser.add_argument(
        "--photos", type=Path, help="folder of photographs in place of the shipped ones"
    )
    parser.add_argument("--steps", type=int, default=steps)
    parser.add_argument("--batch", type=int, default=batch)
    parser.add_argument("--size", type=int, default=size, help="side of a crop, px")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--save-every", type=int, default=200)
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    return parser


class Stretch:
    """A stretch of a training that may be stopped and gone on with.

    Args:
        name: Of its folder.
        args: See `options`.
        steps: How many, where it is not as many as the options say.
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
        """One part of the checkpoint that the stretch goes on from; empty at the start."""
        return load_part(self.saved, part) if self.saved else {}

    def autocast(self) -> torch.autocast:
        """Computes in bfloat16 within it, where the hardware does not merely emulate that."""
        precision = choose_precision("auto", self.device)
        return torch.autocast(self.device.type, torch.bfloat16, enabled=precision == torch.bfloat16)

    @property
    def done(self) -> float:
        """Share of the work that is done, 0 to 1."""
        return self.step / self._steps

    def rate(self, peak: float) -> float:
        """Learning rate: a short warm-up, then a cosine from the peak to a hundredth of it."""
        cosine = 0.5 * (1 + math.cos(math.pi * min(self.done, 1.0)))
        return peak * min(1.0, (self.step + 1) / _WARM_UP) * (0.01 + 0.99 * cosine)

    def advance(self, figures: Mapping[str, Tensor]) -> bool:
        """Counts a step and logs now and then; false when the work is done."""
        now = time.monotonic()
        self._seconds, self._last = self._seconds + now - self._last, now
        self.step += 1
        if self.step % 50 == 0:
            line = {name: round(figure.item(), 5) for name, figure in figures.items()}
            record = {"step": self.step, "seconds": round(self._seconds, 1), **line}
            with (self.folder / "log.jsonl").open("a", encoding="utf-8") as log:
                log.write(json.dumps(record) + "\n")
            print(record, flush=True)
        return self.done < 1

    def save(self, parts: Parts) -> None:
        """Writes a checkpoint and drops all but the newest two."""
        path = checkpoint_path(self.folder, self.step)
        save_checkpoint(path, parts, {"step": str(self.step), "seconds": str(self._seconds)})
        for old in checkpoints(self.folder)[:-2]:
            old.unlink()

    def due(self) -> bool:
        """Whether a checkpoint is due."""
        return self.step % int(self.args.save_every) == 0


class _Network:
    """A model as the core's average knows what it follows."""

    def __init__(self, model: nn.Module) -> None:
        self.state, self.load_state = model.state_dict, model.load_state_dict


def fit(
    stretch: Stretch,
    model: nn.Module,
    peak: float,
    losses: Callable[[], dict[str, Tensor]],
    weights: Mapping[str, float],
) -> None:
    """Trains a model to the end of the stretch, and leaves it with its averaged weights.

    Args:
        stretch: Says how far the work is; its checkpoint is gone on with.
        model: Trained in place.
        peak: Learning rate after the warm-up.
        losses: Makes the losses of the stretch's present step, by name.
        weights: Of each loss.
    """
    optimizer = torch.optim.AdamW(model.parameters(), peak, betas=(0.9, 0.99), weight_decay=1e-4)
    named = dict(model.named_parameters())
    if stretch.saved:
        model.load_state_dict(stretch.load("model"))
        load_optimizer_state(optimizer, named, stretch.load("optimizer"))
    average = Average(_Network(model), _DECAY)
    if stretch.saved:
        average.load(stretch.load("average"))
    going = stretch.done < 1
    while going:
        optimizer.param_groups[0]["lr"] = stretch.rate(peak)
        figures = losses()
        optimizer.zero_grad(set_to_none=True)
        total = torch.stack([weights[name] * figure for name, figure in figures.items()]).sum()
        total.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        average.update(stretch.step)
        going = stretch.advance(figures)
        if stretch.due() or not going:
            state = optimizer_state(optimizer, named)
            parts = {"model": model.state_dict(), "optimizer": state, "average": average.weights}
            stretch.save(parts)
    model.load_state_dict(average.weights)


def write_half(model: nn.Module, folder: Path) -> None:
    """Writes a model's weights where diffusers looks for them, in float16."""
    half = {name: tensor.half().cpu().contiguous() for name, tensor in model.state_dict().items()}
    write_atomically(folder / WEIGHTS, save(half, {"format": "pt"}))
