"""Checks of what a component says about itself: description, options, licences."""

from __future__ import annotations

import re
from collections.abc import Iterator

from pydantic import BaseModel, ValidationError

from toolkit.registry import variants
from toolkit.testing.subject import Subject, demand
from toolkit.weights import WeightFile

_SUMMARY = 60
"""Characters that `toolkit plugins list` has room for."""
_NAME = 24
_DIGITS = 8
"""Digits of a SHA-256 that identify a file at the least."""


def description(subject: Subject) -> None:
    """Checks that name and summary fit the list of components."""
    component = subject.component
    demand(
        len(component.name) <= _NAME,
        f"the name has {len(component.name)} characters; the list has room for {_NAME}",
    )
    summary = component.summary
    demand(summary.strip(), "a component needs a summary, one line for `toolkit plugins list`")
    demand("\n" not in summary, "the summary has several lines, and may have one")
    demand(
        len(summary) <= _SUMMARY,
        f"the summary has {len(summary)} characters; the list has room for {_SUMMARY}",
    )
    demand(not summary.endswith("."), "the summary ends with a full stop, which is added to it")


def options(subject: Subject) -> None:
    """Checks that options are documented, can be stored, and are complete with `tiny`."""
    component = subject.component
    fields = component.options.model_fields
    for name, option in fields.items():
        demand(
            (option.description or "").strip(),
            f"option {name!r} needs a docstring below it, which the command line shows",
        )
    config = component.options.model_config
    demand(
        config.get("extra") == "forbid" and config.get("frozen"),
        f"{component.options.__name__} accepts unknown options or changes; derive it from "
        "toolkit.plugin.Options",
    )
    unset = {name for name, option in fields.items() if option.is_required()} - set(component.tiny)
    demand(not unset, f"`tiny` needs a value for {', '.join(sorted(unset))}, without a default")
    try:
        tiny = subject.options
    except ValidationError as error:
        raise AssertionError(f"the `tiny` options are invalid: {_told(error)}") from error
    _check_storable(component.options, tiny)
    component.options.model_json_schema()
    for variant in variants(component):
        component.options.model_validate({**component.tiny, component.variant: variant})


def _check_storable(model: type[BaseModel], given: BaseModel) -> None:
    """Checks that a recipe, which is a file of plain values, can hold options."""
    stored = given.model_dump(mode="json", exclude_none=True)
    try:
        again = model.model_validate(stored)
    except ValidationError as error:
        raise AssertionError(
            f"options stored in a recipe cannot be read again: {_told(error)}"
        ) from error
    demand(again == given, f"options stored in a recipe are others when read again: {stored}")


def _told(error: ValidationError) -> str:
    return "; ".join(
        f"{'.'.join(map(str, item['loc'])) or 'options'}: {item['msg']}" for item in error.errors()
    )


def licences(subject: Subject) -> None:
    """Checks that the component and each of its weight files state licence, size and source."""
    component = subject.component
    demand(component.licence.strip(), "a component needs a licence, of its code and weights")
    for file in component.weights:
        for fault in _faults(file):
            raise AssertionError(f"the weight file {file.name!r} {fault}")


def _faults(file: WeightFile) -> Iterator[str]:
    if not file.licence.strip():
        yield "has no licence: give its SPDX identifier, or `LicenseRef-` and a name"
    if file.size <= 0:
        yield f"has the size {file.size}"
    if file.sha256 and not re.fullmatch(rf"[0-9a-f]{{{_DIGITS},64}}", file.sha256):
        yield f"has the SHA-256 {file.sha256!r}, not {_DIGITS} to 64 digits of 0-9 and a-f"
    if not (file.sources or file.page):
        yield "has neither sources nor a page where people find it"
