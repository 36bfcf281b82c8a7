"""Describes the fields of pydantic models as definition lists in Markdown."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel

Schema = Mapping[str, Any]
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


def model_fields(model: type[BaseModel], *, defaults: bool = True) -> str:
    """Returns a definition list of a model's fields: name, type, default and meaning.

    Args:
        model: Fields without a docstring are described by the class's section "Attributes".
        defaults: Whether to tell defaults; a document's reader has no use for them.
    """
    schema = model.model_json_schema(mode="validation" if defaults else "serialization")
    documented = _attributes(model)
    attributes = {field.alias or name: name for name, field in model.model_fields.items()}
    entries = []
    for key, field in schema.get("properties", {}).items():
        about = field.get("description", "") or documented.get(attributes.get(key, key), "")
        kind = type_of(field, schema.get("$defs", {}))
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
    """Returns the type of a field in words."""
    if choices := field.get("enum"):
        return ", ".join(f"`{choice}`" for choice in choices)
    if "const" in field:
        return f"`{field['const']}`"
    if reference := field.get("$ref") or next((e["$ref"] for e in field.get("allOf", ())), None):
        name = reference.rpartition("/")[2]
        found = definitions.get(name, {})
        if name == "Selection":
            return "component"
        return type_of(found, definitions) if "enum" in found else f"[{name}](#{name.lower()})"
    if several := field.get("anyOf"):
        kinds = [type_of(each, definitions) for each in several if each.get("type") != "null"]
        nothing = " or nothing" if any(each.get("type") == "null" for each in several) else ""
        return " or ".join(dict.fromkeys(kinds)) + nothing
    if field.get("type") == "array":
        return _array(field, definitions)
    if field.get("type") == "object" and isinstance(field.get("additionalProperties"), Mapping):
        return f"table of {_plain(type_of(field['additionalProperties'], definitions))} by name"
    kind = "path" if field.get("format") == "path" else _TYPES.get(field.get("type", ""), "any")
    bounds = [f"{sign} {field[key]:g}" for key, sign in _BOUNDS.items() if key in field]
    return " ".join((kind, " and ".join(bounds))).strip()


def _array(field: Schema, definitions: Schema) -> str:
    if parts := field.get("prefixItems"):
        kinds = dict.fromkeys(type_of(part, definitions) for part in parts)
        return f"list of {len(parts)}: {', '.join(kinds)}"
    return f"list of {_plain(type_of(field.get('items', {}), definitions))}"


def _plain(kind: str) -> str:
    return {"text": "texts", "number": "numbers", "whole number": "whole numbers"}.get(kind, kind)


def _attributes(model: type[BaseModel]) -> dict[str, str]:
    """Reads the sections "Attributes" of a model's docstring and of its bases'."""
    found: dict[str, str] = {}
    for kind in reversed(model.__mro__):
        text = (kind.__doc__ or "").partition("Attributes:\n")[2]
        lines = re.sub(r"^ {4}", "", text, flags=re.MULTILINE) if "\n        " in text else text
        found |= {name: about for name, about in _ATTRIBUTE.findall(lines)}
    return found
