"""One row with one seed: what is to be trained, restored and scored, and where it is kept."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch

from toolkit import provenance
from toolkit.component import Kind
from toolkit.errors import UsageError
from toolkit.recipe import compose, resolve
from toolkit.registry import Registry
from toolkit.runs import Run, run_named
from toolkit.specs import Selection
from toolkit.training.material import material_of
from toolkit.weights import digest

RESULT = "result.json"


@dataclass(frozen=True, eq=False)
class Job:
    """One row with one seed.

    Attributes:
        label: The row's.
        seed: Of the training; None where nothing is trained.
        system: The resolved recipe as plain values, or `{"restorer": …}`.
        folder: Of the run, or of the restorer's images.
        photographs: What is restored; holds `hr/` and `lr/`.
        metrics: By column, what is measured.
        made_by: Which code the system and the metrics are: a result of another is none.
    """

    label: str
    seed: int | None
    system: Mapping[str, Any]
    folder: Path
    photographs: Path
    metrics: Mapping[str, str] = field(default_factory=dict)
    made_by: Mapping[str, Any] = field(default_factory=dict)

    @property
    def trained(self) -> bool:
        """Whether it is trained here."""
        return "restorer" not in self.system

    @property
    def run(self) -> Run:
        """Where it is trained."""
        return Run(self.folder)

    @property
    def images(self) -> Path:
        """Where the restored images lie."""
        return self.folder / "restored" / self.photographs.name

    @property
    def result_path(self) -> Path:
        """What was measured."""
        return self.images / RESULT

    def result(self) -> dict[str, Any] | None:
        """What was measured, if all that is asked for was."""
        try:
            content: dict[str, Any] = json.loads(self.result_path.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return None
        asked = {*self.metrics.values()}
        known = content.get("made_by", {"system": {}, "metrics": {}})
        wanted: Mapping[str, Any] = self.made_by.get("metrics", {})
        others = [name for name in wanted if known["metrics"].get(name) != wanted[name]]
        if others or known["system"] != self.made_by.get("system"):
            return None
        return content if asked <= {*content["figures"], *content["unavailable"]} else None

    @property
    def finished(self) -> bool:
        """Whether nothing is left to do.

        A metric that could not be loaded may be loaded once what it needs is there, so it is tried
        again; one that compares with originals where there are none is not.
        """
        known = self.result()
        if known is None:
            return False
        lost = {*self.metrics.values()} & {*known["unavailable"]}
        return lost <= {*known.get("without_originals", [])}


def trained_job(
    label: str,
    tables: Mapping[str, Any],
    seed: int,
    parent: Path,
    photographs: Path,
    metrics: Mapping[str, str],
    registry: Registry,
) -> Job:
    """The job of a row that is trained.

    Its folder is named by all that decides its outcome: the whole recipe with the code that it
    names, the weights of the backbones and of the run that it starts with, and the files that it
    trains on. Rows of several tables that are the same are trained once.

    Raises:
        ToolkitError: The recipe cannot be resolved, or a backbone's weights are not there.
    """
    recipe = resolve(compose(tables, {"train.seed": seed}, []), registry)
    plain = recipe.model_dump(mode="json")
    backbones = [recipe.backbone, *(_own_backbone(each) for each in (recipe.gen, recipe.disc))]
    prints = {str(each): registry.make("backbone", each).fingerprint for each in backbones if each}
    material = material_of(registry.make("dataset", recipe.data))
    started = recipe.train.start and digest(run_named(recipe.train.start, registry).latest())
    mark = _mark([plain, prints, material, started])
    name = f"{recipe.disc.name}-{recipe.loss.name}-{seed}-{mark}"
    made_by = _made_by(plain["provenance"], metrics, registry)
    return Job(label, seed, plain, parent / "trained" / name, photographs, metrics, made_by)


def restorer_job(
    label: str,
    selection: Selection,
    parent: Path,
    photographs: Path,
    metrics: Mapping[str, str],
    registry: Registry,
) -> Job:
    """The job of a system that is not trained here; its folder is named by its weights, too.

    Raises:
        ToolkitError: It cannot be made.
    """
    restorer = registry.make("restorer", selection)
    system = provenance.plain(provenance.provenance(registry, [("restorer", selection)]))
    mark = _mark([selection.model_dump(mode="json"), _weights_mark(restorer), system])
    folder = parent / "restorers" / f"{selection.name}-{mark}"
    made_by = _made_by(system, metrics, registry)
    chosen = {"restorer": selection.model_dump()}
    return Job(label, None, chosen, folder, photographs, metrics, made_by)


def _made_by(
    system: Mapping[str, Any], metrics: Mapping[str, str], registry: Registry
) -> dict[str, Any]:
    """Which code a job's system and metrics are."""
    made = {}
    for each in metrics.values():
        chosen = Selection.model_validate(each)
        if _is_known("metric", chosen, registry):
            made[each] = provenance.plain(provenance.provenance(registry, [("metric", chosen)]))
    return {"system": dict(system), "metrics": made}


def _is_known(kind: Kind, selection: Selection, registry: Registry) -> bool:
    try:
        registry.options(kind, selection)
    except UsageError:
        return False
    return True


def _own_backbone(selection: Selection) -> Selection | None:
    own = selection.options.get("backbone")
    return None if own is None else Selection.model_validate(own)


def _weights_mark(restorer: Any) -> str:
    """Changes with every weight of the networks that it names."""
    found = hashlib.sha256()
    for network in getattr(restorer, "networks", {}).values():
        for name, tensor in network.state_dict().items():
            found.update(f"{name} {tuple(tensor.shape)}".encode())
            found.update(tensor.detach().cpu().contiguous().flatten().view(torch.uint8).numpy())
    return found.hexdigest()


def _mark(content: Any) -> str:
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:10]
