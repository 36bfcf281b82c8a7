"""Packages a backbone and, optionally, a run trained on it for distribution.

The folder contains `vae`, `unet`, for a run `restorer` with its recipe and compact generator, and
`SHA256SUMS`. With `--judge`, only the half of the UNet that discriminators use, and no `vae`, which
is that of `pocket`.
"""

from __future__ import annotations

import argparse
import shutil
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import tomli_w
from safetensors.torch import load_file, save_file

from toolkit.checkpoints import checkpoint_path, read_metadata, save_checkpoint
from toolkit.discovery import installed
from toolkit.files import write_atomically
from toolkit.runs import Run
from toolkit_backbones.files import WEIGHTS
from toolkit_backbones.plugin import POCKET
from toolkit_backbones.pretraining.progress import PROGRESS
from toolkit_backbones.shipped import is_second_half, write_sums

_PARTS = ("vae", "unet")


def main() -> None:
    """Writes the folder."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--backbone", type=Path, required=True, help="folder of vae and unet")
    parser.add_argument("--run", type=Path, help="folder of the run")
    parser.add_argument("--out", type=Path, default=POCKET)
    parser.add_argument("--judge", action="store_true", help="only what discriminators use")
    args = parser.parse_args()
    for part in _PARTS[args.judge :]:
        (args.out / part).mkdir(parents=True, exist_ok=True)
        for source in (args.backbone / part).iterdir():
            shutil.copyfile(source, args.out / part / source.name)
    if args.judge:
        keep_first_half(args.out / "unet" / WEIGHTS)
    if args.run:
        publish_run(Run(args.run), args.out / "restorer")
    write_sums(args.out)


def keep_first_half(path: Path) -> None:
    """Rewrites a UNet's weights without what follows its middle block."""
    tensors = load_file(path)
    save_file(
        {name: each for name, each in tensors.items() if not is_second_half(name)},
        path,
        {"format": "pt"},
    )


def publish_run(run: Run, folder: Path) -> None:
    """Writes a run for inference and as a starting point, without the optimiser's state.

    If it is a stage of a longer training, the record of that comes with it.
    """
    latest = run.latest()
    metadata = read_metadata(latest)
    generator: Any = run.generator(installed())
    checkpoint = checkpoint_path(folder / "checkpoints", int(metadata["step"]))
    shutil.rmtree(checkpoint.parent, ignore_errors=True)
    checkpoint.parent.mkdir(parents=True)
    published_metadata = {name: metadata[name] for name in ("step", "fingerprint")}
    save_checkpoint(checkpoint, {"generator": generator.compact_state()}, published_metadata)
    recipe = run.recipe_tables()
    for table in _tables(recipe):
        if table.get("use") == "pocket":
            table["weights"] = ""  # the included weights
        for key, value in table.items():
            if isinstance(value, str) and Path(value).is_absolute():
                table[key] = _relative(Path(value))
    write_atomically(folder / "recipe.toml", tomli_w.dumps(recipe).encode())
    (folder / PROGRESS).unlink(missing_ok=True)
    for record in (run.folder / PROGRESS, run.folder.parent / PROGRESS):
        if record.is_file():
            shutil.copyfile(record, folder / PROGRESS)
            break


def _relative(path: Path) -> str:
    """Removes folders that are specific to this machine."""
    cwd = Path.cwd()
    return path.relative_to(cwd).as_posix() if path.is_relative_to(cwd) else path.name


def _tables(value: Any) -> Iterable[dict[str, Any]]:
    if isinstance(value, dict):
        yield value
        for child in value.values():
            yield from _tables(child)


if __name__ == "__main__":
    main()
