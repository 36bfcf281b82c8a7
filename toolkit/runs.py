"""A run: a folder with `recipe.toml`, `checkpoints/`, `logs/` and `samples/`."""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from toolkit.checkpoints import checkpoints, load_part, read_metadata
from toolkit.component import Supply
from toolkit.contracts import as_restorer
from toolkit.errors import CheckpointError, UnknownComponentError, UsageError
from toolkit.files import append_line, check_can_be_made, check_writable, write_atomically
from toolkit.interfaces import Generator, Restorer
from toolkit.members import load_state
from toolkit.paths import user_path
from toolkit.provenance import supplier_of
from toolkit.recipe import Recipe, read_recipe
from toolkit.registry import Registry
from toolkit.validation import validate

RECIPE = "recipe.toml"


class Run:
    """The folder of a run.

    Args:
        folder: The folder.
        source: The repository on the model hub from which it was downloaded; empty if it is
            the user's own.
    """

    def __init__(self, folder: Path, source: str = "") -> None:
        self.folder, self.source = folder, source
        self.recipe_path = folder / RECIPE
        self.checkpoints = folder / "checkpoints"
        self.samples = folder / "samples"
        self.log = folder / "logs" / "train.jsonl"
        self.validation_log = folder / "logs" / "validation.jsonl"
        self.usage_log = folder / "logs" / "usage.jsonl"
        self.crashes = folder / "crash"

    @property
    def quoted(self) -> str:
        """The folder, quoted for a shell."""
        return shlex.quote(str(self.folder))

    @property
    def exists(self) -> bool:
        """Whether the folder holds a run."""
        return self.recipe_path.is_file()

    def check_free(self) -> None:
        """Checks, before any work, that the run can be created here; writes nothing.

        Raises:
            UsageError: The folder already holds a run, or cannot be written.
        """
        if self.exists:
            raise UsageError(
                f"{self.folder} already holds a run.",
                f"Go on with it: toolkit train --resume --out {self.quoted}\n"
                "Or name another folder: --out DIR",
            )
        check_can_be_made(self.folder)

    def create(self, recipe: Recipe) -> None:
        """Creates the folders and writes the recipe.

        Raises:
            UsageError: See `check_free`.
        """
        self.check_free()
        for folder in (self.folder, self.checkpoints, self.samples, self.log.parent):
            check_writable(folder)
        recipe.save(self.recipe_path)

    def recipe_tables(self) -> dict[str, Any]:
        """Returns the tables of the recipe file.

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
        """Adds to an unknown component's error which distribution supplied it to this run."""
        try:
            yield
        except UnknownComponentError as error:
            supplied = supplier_of(self.recipe().provenance, error.kind, error.name)
            if not supplied:
                raise
            advice = "If you trust that package" if self.source else "Install it again"
            raise UnknownComponentError(
                f"{self.source or self.folder} needs the {error.kind} {error.name!r}, which came "
                f"with {supplied}.",
                f"{advice}: pip install {shlex.quote(supplied)}",
            ) from None

    def latest(self) -> Path:
        """Returns the path of the newest checkpoint.

        Raises:
            CheckpointError: There is no checkpoint yet.
        """
        found = checkpoints(self.checkpoints)
        if not found:
            raise CheckpointError(
                f"The run {self.folder} has no checkpoint yet.",
                f"Train it: toolkit train --resume --out {self.quoted}",
            )
        return found[-1]

    def rewind_logs(self, step: int) -> None:
        """Removes log lines after `step`; a resumed run writes them again."""
        for log in (self.log, self.validation_log):
            if log.is_file():
                kept = [line for line in _lines(log) if _step_of(line) <= step]
                write_atomically(log, "".join(kept).encode())

    def append_log(self, record: Mapping[str, Any]) -> None:
        """Appends a line of JSON to the log."""
        append_line(self.log, json.dumps(record))

    def append_validation(self, record: Mapping[str, Any]) -> None:
        """Appends a line of JSON to the log of validations."""
        append_line(self.validation_log, json.dumps(record))

    def read_log(self) -> Iterator[tuple[int, dict[str, float]]]:
        """Yields each logged step with its losses by name; nothing if there is no log."""
        yield from _records(self.log)

    def read_validation(self) -> Iterator[tuple[int, dict[str, float]]]:
        """Yields each validated step with its mean scores by metric."""
        yield from _records(self.validation_log)

    def read_usage(self) -> Iterator[tuple[int, dict[str, float]]]:
        """Yields the use of the hardware up to some of the steps; see `toolkit.training.usage`."""
        yield from _records(self.usage_log)

    def recipe(self) -> Recipe:
        """Returns the recipe without looking up its components, which may be uninstalled.

        Raises:
            UsageError: There is no run here, or its recipe is ill-formed.
        """
        return validate(Recipe, self.recipe_tables(), f"The recipe {self.recipe_path}")

    def generator(
        self,
        registry: Supply,
        checkpoint: Path | None = None,
        precision: str = "",
        *,
        read_weights: bool = True,
    ) -> Generator:
        """Returns the generator with the weights of a checkpoint.

        Args:
            registry: Supplies the components.
            checkpoint: Path of the checkpoint; None for the newest.
            precision: Dtype of the backbone's frozen weights; empty for the recipe's.
            read_weights: False to make networks without values, on the meta device.

        Raises:
            OptionsError: The backbone does not support the precision.
            UsageError: There is no run here.
            CheckpointError: The checkpoint is missing, damaged, or of another backbone.
        """
        recipe = self.recipe()
        checkpoint = checkpoint or self.latest()
        if precision:
            recipe = recipe.with_backbones(lambda each: each.over({"precision": precision}))
        with self.naming_suppliers():
            context = recipe.context(registry, read_weights=read_weights)
            generator: Generator = context.make("generator", recipe.gen)
        if read_weights:
            load_generator(generator, checkpoint)
        return generator

    def restorer(
        self,
        registry: Supply,
        precision: str = "",
        checkpoint: Path | None = None,
        *,
        read_weights: bool = True,
    ) -> Restorer:
        """Returns the trained generator as a restorer; see `generator`.

        Raises:
            OptionsError: The backbone does not support the precision.
            UsageError: There is no run here.
            CheckpointError: The checkpoint is missing, damaged, or of another backbone.
        """
        generator = self.generator(registry, checkpoint, precision, read_weights=read_weights)
        return as_restorer(generator)


def run_named(name: str, registry: Registry) -> Run:
    """Returns a run by its folder, or by the name of a restorer that ships as a run."""
    run = Run(user_path(name))
    shipped = {each.name: each.run for each in registry.components("restorer") if each.run}
    return run if run.exists or name not in shipped else Run(shipped[name]())


def run_of(checkpoint: Path) -> Run:
    """Returns the run to which a checkpoint belongs, such as `RUN/checkpoints/best.safetensors`.

    Raises:
        UsageError: The file is not in the folder of a run.
    """
    run = Run(checkpoint.absolute().parent.parent)
    if not run.exists or checkpoint.absolute().parent != run.checkpoints:
        raise UsageError(
            f"{checkpoint} is not among the checkpoints of a run, whose recipe is needed, too.",
            "Name a file such as RUN/checkpoints/best.safetensors, or the folder of a run.",
        )
    return run


def load_generator(generator: Generator, checkpoint: Path) -> None:
    """Loads a generator's trained weights from a checkpoint.

    Raises:
        CheckpointError: The checkpoint is damaged, or was trained on another backbone.
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
    """Returns the run with the newest checkpoint below a folder; None if there is none."""
    found = [
        (path.stat().st_mtime, path) for path in folder.glob("*/checkpoints/step-*.safetensors")
    ]
    return Run(max(found)[1].parent.parent) if found else None


def _records(log: Path) -> Iterator[tuple[int, dict[str, float]]]:
    yield from filter(None, map(_record, _lines(log) if log.is_file() else ()))


def _lines(log: Path) -> list[str]:
    """Returns the complete lines of a log; a kill may leave a part of the last one."""
    lines = log.read_text(encoding="utf-8").splitlines(keepends=True)
    return [line for line in lines if line.endswith("\n")]


def _record(line: str) -> tuple[int, dict[str, float]] | None:
    """Returns the step and the values of a line; None if it is torn."""
    try:
        record = json.loads(line)
        return int(record.pop("step")), record
    except (ValueError, KeyError, TypeError, AttributeError):
        return None


def _step_of(line: str) -> int:
    record = _record(line)
    return record[0] if record else -1
