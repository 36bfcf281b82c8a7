"""Components, which plugins supply, and the context in which they are built."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, Literal, Protocol, get_args

from pydantic import BaseModel, ConfigDict

from toolkit import defaults, weights
from toolkit.specs import Selection
from toolkit.weights import WeightFile

Kind = Literal[
    "generator", "discriminator", "loss", "degradation",
    "backbone", "metric", "dataset", "restorer", "tracker",
]  # fmt: skip
KINDS: tuple[Kind, ...] = get_args(Kind)
TERM_OPTIONS = {"weight", "crop"}
"""What a recipe says of a loss beside the loss's own options."""
NAME = re.compile(r"[a-z0-9]+([-.+][a-z0-9]+)*")


class Options(BaseModel):
    """Base class of a component's options. Frozen; an unknown option is an error."""

    model_config: ClassVar[ConfigDict] = ConfigDict(
        extra="forbid",
        frozen=True,
        validate_default=True,
        use_attribute_docstrings=True,
        allow_inf_nan=False,
    )

    @property
    def source(self) -> str:
        """Where the values were published; empty if unknown."""
        return ""


_BACKBONE = Selection(use=defaults.RECIPE["backbone"])


class Supply(Protocol):
    """The part of the registry that a `Context` needs."""

    def make(self, kind: Kind, selection: Selection, context: Context) -> Any:
        """Builds a component."""
        ...

    def find(self, kind: Kind, name: str) -> Component:
        """Looks a component up."""
        ...

    def provider(self, component: Component) -> str:
        """The distribution that supplies a component."""
        ...


@dataclass(frozen=True)
class Context:
    """The context in which a component is built; components that it makes share it.

    Attributes:
        registry: Supplies other components.
        backbone: The recipe's backbone, for parts that name none of their own.
        read_weights: False if shapes suffice, as for counting memory. Networks are then made on
            the meta device, without values.
    """

    registry: Supply
    backbone: Selection = _BACKBONE
    read_weights: bool = True

    def make(self, kind: Kind, spec: str | Selection, **options: Any) -> Any:
        """Builds another component: `context.make("loss", "lpips:alex")`.

        Raises:
            UnknownComponentError: There is no such component.
            OptionsError: An option is unknown, ill-typed or out of range.
            ComponentError: Its `build` failed, or returned an object that does not fit its kind.
        """
        selection = Selection.model_validate(spec).over(options)
        return self.registry.make(kind, selection, self)

    def make_backbone(self, own: Selection | None = None) -> Any:
        """Builds `own` if given, else the recipe's backbone."""
        return self.make("backbone", own or self.backbone)

    def find(self, kind: Kind, name: str) -> Component:
        """Looks up another component without building it.

        Raises:
            UnknownComponentError: There is no such component.
        """
        return self.registry.find(kind, name)

    def provider(self, component: Component) -> str:
        """The distribution that supplies a component."""
        return self.registry.provider(component)

    @property
    def cache(self) -> Path:
        """The folder of downloaded weight files."""
        return weights.home()

    def fetch(self, file: WeightFile) -> Path:
        """The path of a weight file, checked; downloads it if the cache lacks it.

        Raises:
            WeightsError: It cannot be obtained, or has another SHA-256.
        """
        return weights.fetch(file)


@dataclass(frozen=True, kw_only=True)
class Component:
    """A generator, loss, metric, … that a plugin supplies under a name.

    The module that defines it imports nothing heavy; `build` imports torch and diffusers.

    Attributes:
        kind: The kind of object that `build` returns.
        name: Name on the command line: lower-case letters and digits, separated by `-`, `.`, `+`.
        summary: One line for `toolkit plugins list`, at most 60 characters.
        build: Returns the object, given validated options and a `Context`.
        options: Model of the options.
        variant: The option that `name:value` sets; empty if there is none.
        paper: The publication that it implements, or the equation of the DFOSD paper.
        licence: SPDX identifier of the code and of the weights it loads.
        weights: Weight files that do not ship with its distribution.
        uses: Components that `build` makes, as `kind/name`; their weight files are needed, too.
        tiny: Options that make it small enough for a test.
        origin: Where to obtain data that cannot be redistributed; empty if none.
        run: For a restorer that is a trained run: returns the run's folder, for `train --start`.
    """

    kind: Kind
    name: str
    summary: str
    build: Callable[[Any, Context], Any]
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
    """Returns why an object cannot be registered as a component; empty if it can."""
    if not isinstance(component, Component):
        return f"toolkit_components() yielded {component!r}, which is not a Component"
    return next(_faults(component), "")


def _faults(component: Component) -> Iterator[str]:
    name, options = component.name, component.options.model_fields
    if component.kind not in KINDS:
        yield f"{name!r} has the unknown kind {component.kind!r}"
    if not NAME.fullmatch(name):
        yield f"{name!r} is not a valid component name (lower case, digits, - . +)"
    taken = {"use", "options"} | (TERM_OPTIONS if component.kind == "loss" else set())
    if reserved := taken & options.keys():
        yield f"{name!r} has an option {min(reserved)!r}, a name that is reserved for recipes"
    if component.variant and component.variant not in options:
        yield f"{name!r} has no option {component.variant!r} for its variant"
    if not _takes_two(component.build):
        yield f"the build of {name!r} does not take two arguments, options and context"


def is_named(component: Component, name: str) -> bool:
    """Returns whether a component has a name, written as `name` or `kind/name`."""
    kind, _, bare = name.rpartition("/")
    return component.name == bare and kind in ("", component.kind)


def takes_path(component: Component) -> bool:
    """Returns whether a component is written as `name:path`, like the dataset `folder:DIR`."""
    field = component.options.model_fields.get(component.variant)
    return field is not None and Path in (field.annotation, *get_args(field.annotation))


def _takes_two(build: Callable[..., Any]) -> bool:
    try:
        inspect.signature(build).bind(None, None)
    except TypeError:
        return False
    except ValueError:  # a builtin without a signature
        pass
    return True
