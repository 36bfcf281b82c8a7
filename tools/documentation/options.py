"""Describes the fields of pydantic models as definition lists in Markdown."""

from __future__ import annotations

import json
import re
from collections.abc import Container, Mapping, Sequence
from typing import Any

from pydantic import TypeAdapter

Schema = Mapping[str, Any]
_LINKED = "linked"
"""Marks models, among the definitions of a schema, that have a section of their own."""
_ATTRIBUTE = re.compile(r"^ {4}(\w+): (.*(?:\n {8}.*)*)", re.MULTILINE)
_TYPES = {
    "boolean": "true or false",
    "integer": "whole number",
    "number": "number",
    "string": "text",
    "object": "table",
    "null": "nothing",
}
_BOUNDS = {"minimum": "≥", "exclusiveMinimum": ">", "maximum": "≤", "exclusiveMaximum": "<"}


def model_fields(
    model: type,
    *,
    defaults: bool = True,
    linked: Container[str] = (),
    only: Sequence[str] = (),
) -> str:
    """Returns a definition list of a model's fields: name, type, default and meaning.

    Args:
        model: A pydantic model or a dataclass. Fields without a docstring are described by the
            class's section "Attributes".
        defaults: Whether to tell defaults; a document's reader has no use for them.
        linked: Names of models that have a section of their own on the page.
        only: Names of fields; all, if there is none.
    """
    schema = TypeAdapter(model).json_schema(mode="validation" if defaults else "serialization")
    definitions = {
        name: {**found, _LINKED: name in linked} for name, found in schema.get("$defs", {}).items()
    }
    documented = _attributes(model)
    fields = getattr(model, "model_fields", {})
    attributes = {field.alias or name: name for name, field in fields.items()}
    entries = []
    for key, field in schema.get("properties", {}).items():
        if only and key not in only:
            continue
        about = field.get("description", "") or documented.get(attributes.get(key, key), "")
        kind = type_of(field, definitions)
        entries.append(entry(key, kind, default_of(field, key, schema) if defaults else "", about))
    return "\n".join(entries)


def entry(name: str, kind: str, default: str, about: str) -> str:
    """Returns an entry of a definition list."""
    told = "; ".join(filter(None, (kind, default)))
    lines = [f"`{name}`" + (f" <small>{told}</small>" if told else "")]
    return "\n".join([*lines, f":   {' '.join(about.split()) or '…'}", ""])


def default_of(field: Schema, name: str, schema: Schema) -> str:
    """Returns what a field is if it is not given."""
    if name in schema.get("required", ()):
        return "required"
    value = field.get("default")
    if value is None or value in ("", [], {}):
        return ""
    return f"default `{value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)}`"


def type_of(field: Schema, definitions: Schema) -> str:
    """Returns the type of a field in words.

    Example:
        >>> type_of({"type": "integer", "minimum": 1}, {})
        'whole number ≥ 1'
        >>> type_of({"anyOf": [{"type": "string"}, {"type": "null"}]}, {})
        'text or nothing'
    """
    choices = field.get("enum") or ([field["const"]] if "const" in field else [])
    if choices:
        return ", ".join(f"`{choice}`" for choice in choices)
    if reference := field.get("$ref"):
        return _model(reference.rpartition("/")[2], definitions)
    if several := field.get("anyOf") or field.get("oneOf"):
        kinds = [type_of(each, definitions) for each in several if each.get("type") != "null"]
        nothing = " or nothing" if len(kinds) < len(several) else ""
        return " or ".join(dict.fromkeys(kinds)) + nothing
    values = field.get("additionalProperties")
    if field.get("type") == "object" and isinstance(values, Mapping):
        return f"table of {_plural(type_of(values, definitions))} by name"
    return _array(field, definitions) if field.get("type") == "array" else _simple(field)


def _simple(field: Schema) -> str:
    kind = "path" if field.get("format") == "path" else _TYPES.get(field.get("type", ""), "any")
    bounds = [f"{sign} {field[key]:g}" for key, sign in _BOUNDS.items() if key in field]
    return " ".join(filter(None, (kind, " and ".join(bounds))))


def _model(name: str, definitions: Schema) -> str:
    found = definitions[name]
    if name == "Selection":
        return "component"
    if "properties" not in found:
        return type_of(found, definitions)
    if found.get(_LINKED):
        return f"[{name}](#{name.lower()})"
    return f"table of {', '.join(f'`{key}`' for key in found['properties'])}"


def _array(field: Schema, definitions: Schema) -> str:
    if parts := field.get("prefixItems"):
        kinds = dict.fromkeys(type_of(part, definitions) for part in parts)
        return f"list of {len(parts)}: {', '.join(kinds)}"
    return f"list of {_plural(type_of(field.get('items', {}), definitions))}"


def _plural(kind: str) -> str:
    return f"{kind}s" if kind in ("text", "number", "whole number", "path", "component") else kind


def _attributes(model: type) -> dict[str, str]:
    """Reads the sections "Attributes" of a model's docstring and of its bases'."""
    found: dict[str, str] = {}
    for kind in reversed(model.__mro__):
        text = (kind.__doc__ or "").partition("Attributes:\n")[2]
        lines = re.sub(r"^ {4}", "", text, flags=re.MULTILINE) if "\n        " in text else text
        found |= dict(_ATTRIBUTE.findall(lines))
    return found
