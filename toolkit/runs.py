"""A run: a folder with `recipe.toml`, `checkpoints/`, `logs/` and `samples/`."""

from __future__ import annotations

import json
import os
import shlex
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from toolkit.checkpoints import checkpoints, load_part, read_metadata
from toolkit.contracts import as_restorer, load_state
from toolkit.errors import CheckpointError, UnknownComponentError, UsageError
from toolkit.interfaces import Generator, Restorer
from toolkit.paths import user_path
from toolkit.provenance import supplier_of
from toolkit.recipe import Recipe, read_recipe
from toolkit.registry import Registry, validate
from toolkit.specs import Selection
from toolkit.weights import write_atomically

RECIPE = "recipe.toml"


class Run:
    """Where the files of a run lie."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.recipe_path = folder / RECIPE
        self.checkpoints = folder / "checkpoints"
        self.samples = folder / "samples"
        self.log = folder / "logs" / "train.jsonl"

    @property
    def quoted(self) -> str:
        """The folder as a shell takes it, for commands that are advised."""
        return shlex.quote(str(self.folder))

    @property
    def exists(self) -> bool:
        """Whether the folder holds a run."""
        return self.recipe_path.is_file()

    def check_free(self) -> None:
        """Finds out, before any work, whether the run can be made here; writes nothing.

        Raises:
            UsageError: The folder already holds a run, or cannot be written.
        """
        if self.exists:
            raise UsageError(
                f"{self.folder} already holds a run.",
                f"Go on with it: toolkit train --resume --out {self.quoted}\n"
                "Or name another folder: --out DIR",
            )
        standing = self.folder.absolute()
        while not standing.exists():
            standing = standing.parent
        if not standing.is_dir() or not os.access(standing, os.W_OK):
            reason = "is not writable" if standing.is_dir() else "is a file"
            raise UsageError(
                f"Cannot write to {self.folder}: {standing} {reason}.",
                "Name another: --out DIR",
            )

    def create(self, recipe: Recipe) -> None:
        """Makes the folders and writes the recipe.

        Raises:
            UsageError: See `check_free`.
        """
        self.check_free()
        try:
            for folder in (self.checkpoints, self.samples, self.log.parent):
                folder.mkdir(parents=True, exist_ok=True)
            recipe.save(self.recipe_path)
        except OSError as error:
            raise UsageError(
                f"Cannot write to {self.folder}: {error.strerror}.", "Name another: --out DIR"
            ) from None

    def recipe_tables(self) -> dict[str, Any]:
        """The recipe as it was written.

        Raises:
            UsageError: There is no run here.
        """
        if not self.exists:
            raise UsageError(
                f"{self.folder} holds no run: there is no {RECIPE} in it.",
                f"Train one: toolkit train --out {self.quoted}",
            )
        return read_recipe(self.recipe_path)

    @contextmanager
    def naming_suppliers(self) -> Iterator[None]:
        """Says of a component that is gone which distribution supplied it to this run."""
        try:
            yield
        except UnknownComponentError as error:
            supplied = supplier_of(self.recipe().provenance, error.kind, error.name)
            if not supplied:
                raise
            raise UnknownComponentError(
                f"{self.folder} needs the {error.kind} {error.name!r}, which came with {supplied}.",
                f"Install it again: pip install {shlex.quote(supplied)}",
            ) from None

    def latest(self) -> Path:
        """The newest checkpoint.

        Raises:
            CheckpointError: There is none yet.
        """
        found = checkpoints(self.checkpoints)
        if not found:
            raise CheckpointError(
                f"The run {self.folder} has no checkpoint yet.",
                f"Train it: toolkit train --resume --out {self.quoted}",
            )
        return found[-1]

    def rewind_log(self, step: int) -> None:
        """Drops log lines of steps after `step`, which a resumed run makes again."""
        if self.log.is_file():
            lines = self.log.read_text(encoding="utf-8").splitlines(keepends=True)
            kept = [line for line in lines if line.endswith("\n") and _step_of(line) <= step]
            write_atomically(self.log, "".join(kept).encode())

    def append_log(self, record: Mapping[str, Any]) -> None:
        """Adds a line of JSON."""
        with self.log.open("a", encoding="utf-8") as stream:
            stream.write(json.dumps(record) + "\n")

    def recipe(self) -> Recipe:
        """The recipe; its components are not looked up, as some may be gone by now.

        Raises:
            UsageError: There is no run here, or its recipe is ill-formed.
        """
        recipe = validate(Recipe, self.recipe_tables(), f"The recipe {self.recipe_path}")
        assert isinstance(recipe, Recipe)
        return recipe

    def generator(
        self, registry: Registry, checkpoint: Path | None = None, precision: str = ""
    ) -> Generator:
        """The generator as it was at a checkpoint, or at the newest.

        Args:
            registry: Where it is found.
            checkpoint: None for the newest.
            precision: Of its backbone's frozen weights, if not that of the recipe.

        Raises:
            OptionsError: Its backbone has no such precision.
            UsageError: There is no run here.
            CheckpointError: There is no checkpoint, or it is torn, or of another backbone.
        """
        recipe = self.recipe()
        checkpoint = checkpoint or self.latest()
        selection = recipe.gen
        if precision:
            backbone = Selection.model_validate(selection.options.get("backbone", recipe.backbone))
            held = backbone.over({"precision": precision})
            selection = selection.over({"backbone": held.model_dump()})
        with self.naming_suppliers():
            generator: Generator = registry.make("generator", selection)
        load_generator(generator, checkpoint)
        return generator

    def restorer(self, registry: Registry, precision: str = "") -> Restorer:
        """The trained generator, ready for inference; see `generator`.

        Raises:
            OptionsError: Its backbone has no such precision.
            UsageError: There is no run here.
            CheckpointError: There is no checkpoint, or it is torn, or of another backbone.
        """
        return as_restorer(self.generator(registry, precision=precision))


def run_named(name: str, registry: Registry) -> Run:
    """A run by its folder, or that of a restorer which ships as one by its name."""
    run = Run(user_path(name))
    shipped = {each.name: each.run for each in registry.components("restorer") if each.run}
    return run if run.exists or name not in shipped else Run(shipped[name]())


def load_generator(generator: Generator, checkpoint: Path) -> None:
    """Takes over a generator's trained weights from a checkpoint.

    Raises:
        CheckpointError: It is torn, or was trained on another backbone.
    """
    known = read_metadata(checkpoint).get("fingerprint", "")
    if known != generator.fingerprint:
        raise CheckpointError(
            f"{checkpoint} was trained on another backbone: its fingerprint is "
            f"{known[:12] or 'missing'}…, this backbone's {generator.fingerprint[:12]}….",
            "Use the backbone that it was trained on, or train again.",
        )
    load_state(generator, load_part(checkpoint, "generator"))


def newest_run(folder: Path = Path("runs")) -> Run | None:
    """The run below a folder whose checkpoint is the newest; none if there is no such run."""
    found = [
        (path.stat().st_mtime, path) for path in folder.glob("*/checkpoints/step-*.safetensors")
    ]
    return Run(max(found)[1].parent.parent) if found else None


def _step_of(line: str) -> int:
    try:
        return int(json.loads(line)["step"])
    except (ValueError, KeyError, TypeError):
        return -1
