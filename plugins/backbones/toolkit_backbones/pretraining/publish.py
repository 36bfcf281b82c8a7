"""Puts a backbone, and a run that was trained on it, together, as they ship.

The folder then holds `vae`, `unet`, where there is a run that as `restorer` (its recipe, and its
generator in few bytes), and a list of all files' SHA-256.
"""

from __future__ import annotations

import argparse
import shutil
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import tomli_w

from toolkit.checkpoints import checkpoint_path, read_metadata, save_checkpoint
from toolkit.registry import installed
from toolkit.runs import Run
from toolkit.weights import write_atomically
from toolkit_backbones.plugin import POCKET
from toolkit_backbones.shipped import write_sums

_PARTS = ("vae", "unet")


def main() -> None:
    """Copies and writes."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--backbone", type=Path, required=True, help="folder of vae and unet")
    parser.add_argument("--run", type=Path, help="folder of the run")
    parser.add_argument("--out", type=Path, default=POCKET)
    args = parser.parse_args()
    for part in _PARTS:
        (args.out / part).mkdir(parents=True, exist_ok=True)
        for source in (args.backbone / part).iterdir():
            shutil.copyfile(source, args.out / part / source.name)
    if args.run:
        publish_run(Run(args.run), args.out / "restorer")
    write_sums(args.out)


def publish_run(run: Run, folder: Path) -> None:
    """A run that restores and can be started from, without the optimiser's state."""
    latest = run.latest()
    metadata = read_metadata(latest)
    generator: Any = run.generator(installed())
    checkpoint = checkpoint_path(folder / "checkpoints", int(metadata["step"]))
    shutil.rmtree(checkpoint.parent, ignore_errors=True)
    checkpoint.parent.mkdir(parents=True)
    kept = {name: metadata[name] for name in ("step", "fingerprint")}
    save_checkpoint(checkpoint, {"generator": generator.compact_state()}, kept)
    recipe = run.recipe_tables()
    for table in _tables(recipe):
        if table.get("use") == "pocket":
            table["weights"] = ""  # those beside it
        for key, value in table.items():
            if isinstance(value, str) and Path(value).is_absolute():
                table[key] = _from_here(Path(value))
    write_atomically(folder / "recipe.toml", tomli_w.dumps(recipe).encode())


def _from_here(path: Path) -> str:
    """A path without the machine's own folders."""
    here = Path.cwd()
    return path.relative_to(here).as_posix() if path.is_relative_to(here) else path.name


def _tables(value: Any) -> Iterable[dict[str, Any]]:
    if isinstance(value, dict):
        yield value
        for each in value.values():
            yield from _tables(each)


if __name__ == "__main__":
    main()
