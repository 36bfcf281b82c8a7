"""Measurement of one row with one seed: its system, its folder, and its result."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

import torch
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from toolkit.abilities import fingerprint_of
from toolkit.component import Kind
from toolkit.errors import UsageError
from toolkit.evaluation.comparison import Direction
from toolkit.members import identity, networks
from toolkit.provenance import Made, plain, provenance
from toolkit.recipe import Recipe, compose, resolve
from toolkit.registry import Registry
from toolkit.runs import Run, run_named
from toolkit.specs import Selection
from toolkit.training.resuming import material_of
from toolkit.weights import digest

RESULT = "result.json"


class _Record(BaseModel):
    model_config: ClassVar[ConfigDict] = ConfigDict(extra="ignore", frozen=True)


class MadeBy(_Record):
    """Distributions that made the system and the metrics of a measurement."""

    system: dict[str, Made] = Field(default_factory=dict)
    metrics: dict[str, dict[str, Made]] = Field(default_factory=dict)


class MeasurementResult(_Record):
    """The result of a measurement, a file beside the restored images.

    Attributes:
        label: The row's.
        seed: Of the training; None where nothing was trained.
        system: The recipe or the restorer, as plain values: for readers.
        figures: By metric and photograph.
        directions: Which figures are better, by metric.
        fingerprints: By metric.
        unavailable: Metrics that could not be loaded, and why.
        missing: Figures that could not be computed: (photograph, metric, reason).
        made_by: Distributions that made it; a result of other code does not count.
        environment: Versions.
        without_originals: Metrics that compare with originals where there are none.
        seconds: Duration of the last training, restoring and scoring.
    """

    label: str
    seed: int | None
    system: dict[str, Any]
    figures: dict[str, dict[str, float]]
    directions: dict[str, Direction]
    fingerprints: dict[str, dict[str, str]]
    unavailable: dict[str, str]
    missing: list[tuple[str, str, str]]
    made_by: MadeBy = Field(default_factory=MadeBy)
    environment: dict[str, str]
    without_originals: list[str] = Field(default_factory=list)
    seconds: dict[str, float] = Field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class Measurement:
    """One row with one seed, to be trained, restored and scored.

    Attributes:
        label: The row's.
        seed: Of the training; None where nothing is trained.
        system: The resolved recipe, or the restorer of a system that is not trained here.
        folder: Of the run, or of the restorer's images.
        photographs: Folder of the photographs, with `hr/` and `lr/`.
        metrics: Metrics by column.
        made_by: Distributions of the system and the metrics: a result of other code does not count.
        fingerprint: What a restorer says about its settings.
    """

    label: str
    seed: int | None
    system: Recipe | Selection
    folder: Path
    photographs: Path
    metrics: Mapping[str, str] = field(default_factory=dict)
    made_by: MadeBy = field(default_factory=MadeBy)
    fingerprint: Mapping[str, str] = field(default_factory=dict)

    @property
    def run(self) -> Run:
        """The run of the training."""
        return Run(self.folder)

    @property
    def images(self) -> Path:
        """The folder of the restored images."""
        return restored_images(self.folder, self.photographs)

    @property
    def result_path(self) -> Path:
        """The file of the result."""
        return self.images / RESULT

    def result(self) -> MeasurementResult | None:
        """The result, if today's code made it and it has all metrics that are asked for."""
        try:
            found = MeasurementResult.model_validate_json(self.result_path.read_bytes())
        except (OSError, ValidationError):
            return None
        wanted = self.made_by.metrics
        if any(found.made_by.metrics.get(name) != wanted[name] for name in wanted):
            return None
        if found.made_by.system != self.made_by.system:
            return None
        known = found.figures.keys() | found.unavailable.keys()
        return found if known >= {*self.metrics.values()} else None

    @property
    def finished(self) -> bool:
        """Whether nothing is left to do.

        A metric that could not be loaded may be loaded once what it needs is there, so it is tried
        again; one that compares with originals where there are none is not.
        """
        known = self.result()
        if known is None:
            return False
        lost = {*self.metrics.values()} & known.unavailable.keys()
        return lost <= {*known.without_originals}


def restored_images(folder: Path, photographs: Path) -> Path:
    """The folder of restored images within the folder of a measurement."""
    return folder / "restored" / photographs.name


def measurement_of_recipe(
    label: str,
    tables: Mapping[str, Any],
    seed: int,
    parent: Path,
    photographs: Path,
    metrics: Mapping[str, str],
    registry: Registry,
) -> Measurement:
    """Makes the measurement of a row that is trained.

    Its folder is named by all that decides its outcome: the whole recipe with the code that it
    names, the weights of the backbones and of the run that it starts with, and the files that it
    trains on. Rows of several tables that are the same are trained once.

    Raises:
        ToolkitError: The recipe cannot be resolved, or a backbone's weights are not there.
    """
    recipe = resolve(compose(tables, {"train.seed": seed}, []), registry)
    backbones = [recipe.backbone, *recipe.own_backbones().values()]
    prints = {str(each): identity(registry.make("backbone", each)) for each in backbones}
    material = material_of(registry.make("dataset", recipe.data))
    started = recipe.train.start and digest(run_named(recipe.train.start, registry).latest())
    content = recipe.model_dump(mode="json")
    content["train"]["start"] = started  # its weights count, wherever they lie
    mark = _mark([content, prints, material])
    folder = parent / "trained" / f"{recipe.disc.name}-{recipe.losses}-{seed}-{mark}"
    made_by = _made_by(recipe.provenance, metrics, registry)
    return Measurement(label, seed, recipe, folder, photographs, metrics, made_by)


def measurement_of_restorer(
    label: str,
    selection: Selection,
    parent: Path,
    photographs: Path,
    metrics: Mapping[str, str],
    registry: Registry,
) -> Measurement:
    """Makes the measurement of a system that is not trained here.

    Its folder is named by its weights, too.

    Raises:
        ToolkitError: It cannot be made.
    """
    restorer = registry.make("restorer", selection)
    system = provenance(registry, [("restorer", selection)])
    fingerprint = fingerprint_of(restorer)
    decides = [selection.model_dump(mode="json"), _weights_mark(restorer), plain(system)]
    mark = _mark([*decides, *([fingerprint] if fingerprint else [])])
    folder = parent / "restorers" / f"{selection.name}-{mark}"
    made_by = _made_by(system, metrics, registry)
    return Measurement(label, None, selection, folder, photographs, metrics, made_by, fingerprint)


def _made_by(system: Mapping[str, Made], metrics: Mapping[str, str], registry: Registry) -> MadeBy:
    """Distributions of a system and of its metrics."""
    made = {}
    for each in metrics.values():
        chosen = Selection.model_validate(each)
        if _is_known("metric", chosen, registry):
            made[each] = provenance(registry, [("metric", chosen)])
    return MadeBy(system=dict(system), metrics=made)


def _is_known(kind: Kind, selection: Selection, registry: Registry) -> bool:
    try:
        registry.options(kind, selection)
    except UsageError:
        return False
    return True


def _weights_mark(restorer: Any) -> str:
    """Digest of all weights of the networks that it names."""
    found = hashlib.sha256()
    for network in networks(restorer).values():
        for name, tensor in network.state_dict().items():
            found.update(f"{name} {tuple(tensor.shape)}".encode())
            found.update(tensor.detach().cpu().contiguous().flatten().view(torch.uint8).numpy())
    return found.hexdigest()


def _mark(content: Any) -> str:
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:10]
