"""What a row lacks on this machine, and how to get it. Finding out fetches nothing large."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from toolkit.component import Kind
from toolkit.errors import OptionsError, ToolkitError, UnknownComponentError, did_you_mean
from toolkit.recipe import SLOTS
from toolkit.registry import Registry
from toolkit.specs import Selection
from toolkit.weights import path_of


def restorer_needs(selection: Selection, registry: Registry) -> list[str]:
    """What a system lacks that is not trained here; its weights are fetched, if they can be."""
    try:
        registry.make("restorer", selection)
    except UnknownComponentError:
        return [_unbuilt("restorer", selection, registry)]
    except OptionsError:
        raise
    except ToolkitError as error:
        return [error.told]
    return []


def training_needs(
    recipe: Mapping[str, Any], registry: Registry, *, accelerator: bool
) -> list[str]:
    """What a row lacks that is to be trained.

    Args:
        recipe: Its tables, not yet resolved.
        registry: Supplies the components.
        accelerator: Whether it takes a GPU.

    Raises:
        OptionsError: A component that there is has no such option.
    """
    needs = [*_missing_components(recipe, registry)]
    needs += [] if needs else _missing_weights(recipe, registry)
    needs += _missing_dataset(recipe["data"], registry) if "data" in recipe else []
    if accelerator and not _has_accelerator():
        train = recipe.get("train", {})
        needs.append(
            f"A GPU: {train.get('steps')} steps of {train.get('batch')} images of "
            f"{train.get('crop')} pixels. Small and without one: --scale pocket"
        )
    return list(dict.fromkeys(needs))


def dataset_needs(selection: str, registry: Registry) -> list[str]:
    """What is lacking to measure on a dataset."""
    return _missing_dataset(selection, registry)


def _missing_components(recipe: Mapping[str, Any], registry: Registry) -> Iterator[str]:
    for kind, selection in _chosen(recipe):
        if kind == "dataset":
            continue
        try:
            registry.options(kind, selection)
        except UnknownComponentError:
            yield _unbuilt(kind, selection, registry)
            continue
        for name in _backbone_of(kind, selection, registry):
            try:
                registry.options("backbone", Selection(use=name))
            except UnknownComponentError:
                yield _unbuilt("backbone", Selection(use=name), registry)


def _missing_weights(recipe: Mapping[str, Any], registry: Registry) -> list[str]:
    """Of the backbones alone: they are large; everything else is fetched when it is needed."""
    names = [name for part in _chosen(recipe) for name in _backbone_of(*part, registry)]
    needs = []
    for name in dict.fromkeys([Selection.model_validate(recipe["backbone"]).use, *names]):
        files = registry.weights(registry.find("backbone", name.partition(":")[0]))
        missing = sum(file.size for file in files if not path_of(file).exists())
        if missing:
            needs.append(
                f"The weights of {name} ({missing / 1e9:.1f} GB): toolkit weights fetch "
                f"backbone/{name}"
            )
    return needs


def _missing_dataset(selection: Any, registry: Registry) -> list[str]:
    chosen = Selection.model_validate(selection)
    try:
        registry.make("dataset", chosen)
    except UnknownComponentError:
        return [_unbuilt("dataset", chosen, registry)]
    except OptionsError:
        raise
    except ToolkitError as error:
        return [error.told]
    return []


def _chosen(recipe: Mapping[str, Any]) -> Iterator[tuple[Kind, Selection]]:
    for slot, kind in SLOTS.items():
        if slot in recipe:
            yield kind, Selection.model_validate(recipe[slot])


def _backbone_of(kind: Kind, selection: Selection, registry: Registry) -> list[str]:
    """The backbone that a part names for itself, as its variant."""
    if kind not in ("generator", "discriminator") or not selection.variant:
        return []
    return [selection.variant] if registry.find(kind, selection.name).variant == "backbone" else []


def _has_accelerator() -> bool:
    import torch

    return torch.cuda.is_available()


def _unbuilt(kind: Kind, selection: Selection, registry: Registry) -> str:
    names = [each.name for each in registry.components() if each.kind == kind]
    meant = did_you_mean(selection.name, names, cutoff=0.8)
    return f"The {kind} {selection.use!r} is not built yet.{meant}"
