"""Describes the installed components and their options in Markdown."""

from __future__ import annotations

from documentation.options import model_fields
from toolkit.component import Component, Kind
from toolkit.discovery import installed
from toolkit.registry import Registry, variants

SLOTS: dict[Kind, tuple[str, str, str]] = {
    "generator": ("Generators", "--gen NAME", "gen"),
    "discriminator": ("Discriminators", "--disc NAME", "disc"),
    "loss": ("Losses", "--loss NAME", "loss.NAME"),
    "degradation": ("Degradations", "--degradation NAME", "degradation"),
    "backbone": ("Backbones", "--backbone NAME", "backbone"),
    "metric": ("Metrics", "--metric NAME", ""),
    "dataset": ("Datasets", "--data NAME", "data"),
    "restorer": ("Restorers", "--with NAME", ""),
    "tracker": ("Trackers", "--set train.track=NAME", ""),
}
"""Title of each kind's page, how a component is chosen, and the section of its options."""
_COMMANDS: dict[Kind, str] = {"metric": "toolkit eval", "restorer": "toolkit restore"}


def components_page(kind: Kind) -> str:
    """Returns a section for each component of a kind."""
    title, chosen, slot = SLOTS[kind]
    command = _COMMANDS.get(kind, "toolkit train")
    registry = installed()
    parts = [f"# {title}\n", f"Chosen by `{command} … {chosen}`.", *_setting(kind, slot)]
    parts.append(f"To write one of your own: [the tutorial](../../plugins/{kind}.md).\n")
    parts += [_section(component, registry) for component in registry.components(kind)]
    return "\n".join(parts)


def _setting(kind: Kind, slot: str) -> list[str]:
    if slot:
        return [f"Options are set by `--set {slot}.OPTION=VALUE`, or in `[{slot}]` of a recipe."]
    if kind == "restorer":
        return ["Options are set by `--set OPTION=VALUE`."]
    return []


def _section(component: Component, registry: Registry) -> str:
    provider = registry.provider(component)
    page = provider.removeprefix("restoration-toolkit-")
    lines = [f"## `{component.name}`\n", f"{component.summary}.\n"]
    lines.append(f"- From [{provider}](../../../plugins/{page}/README.md)")
    if component.variant:
        values = "|".join(variants(component)) or component.variant.upper()
        lines.append(f"- `{component.name}:{values}` sets the option `{component.variant}`")
    if component.paper:
        lines.append(f"- Source: {component.paper}")
    if component.licence:
        lines.append(f"- Licence: {component.licence}")
    if component.origin:
        lines.append(f"- Where to get it: {component.origin}")
    lines += [
        f"- Weights: `{file.name}`, {_size(file.size)}, {file.licence}"
        for file in registry.weights(component)
    ]
    return "\n".join([*lines, "", model_fields(component.options) or "It takes no options.\n"])


def _size(count: int) -> str:
    return f"{count / 1e6:.1f} MB" if count >= 1e6 else f"{count / 1e3:.1f} kB"
