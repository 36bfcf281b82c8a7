"""Turns plain values into options, with errors that name the option and what it may be."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from toolkit.errors import OptionsError

_NOT_A_MAPPING = {"dict_type", "model_type", "model_attributes_type"}
"""pydantic's errors for a value in place of a mapping."""
Model = TypeVar("Model", bound=BaseModel)


def validate(
    model: type[Model],
    given: Mapping[str, Any],
    owner: str,
    line: Callable[[tuple[str | int, ...]], int | None] = lambda _place: None,
) -> Model:
    """Validates plain values against a model.

    Args:
        model: The options' model.
        given: The values.
        owner: Whose options they are, for the error message.
        line: Returns the line of a value in its file, for the error message; None if unknown.

    Raises:
        OptionsError: One or more options are wrong; the message names each.
    """
    try:
        return model.model_validate(given)
    except ValidationError as error:
        places = [(_place(item, given), item) for item in error.errors()]
        found = [(line(place), _explain(model, place, item)) for place, item in places]
        details = "; ".join(f"line {at}: {what}" if at else what for at, what in found)
        known = ", ".join(_keys(model)) or "none"
        raise OptionsError(f"{owner}: {details}.", f"Its options: {known}.") from None


def _place(item: Mapping[str, Any], given: Any) -> tuple[str | int, ...]:
    """The place of an error in what was given, without the names of a union's members."""
    *around, last = item["loc"] or ("",)
    place = []
    for part in (*around, last):
        if isinstance(given, Mapping | list | tuple):
            try:
                given = given[part]
            except (KeyError, IndexError, TypeError):
                continue  # a member of a union
        elif item["type"] in _NOT_A_MAPPING:
            continue  # the same, of which a member was expected
        place.append(part)  # also of a value that stands for several, as a weight for a loss
    return (*place, last) if item["type"] == "missing" else tuple(place) or item["loc"]


def _explain(model: type[BaseModel], place: Sequence[str | int], item: Mapping[str, Any]) -> str:
    name = ".".join(str(part) for part in place)
    if item["type"] == "extra_forbidden":
        near = difflib.get_close_matches(name, _keys(model), n=1)
        return f"unknown option {name!r}" + (f" (did you mean {near[0]!r}?)" if near else "")
    if item["type"] == "missing":
        return f"the option {name!r} is missing"
    message = item["msg"].removeprefix("Value error, ")
    if isinstance(item["input"], Mapping):  # too long to be repeated
        return f"option {name!r}: {message}" if name else message
    return f"option {name!r} is {item['input']!r}: {message[0].lower()}{message[1:]}"


def _keys(model: type[BaseModel]) -> list[str]:
    """The names of a model's options as they are given."""
    return [field.alias or name for name, field in model.model_fields.items()]
