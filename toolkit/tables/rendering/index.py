"""The index of a folder of results: a page that links every table and figure in it."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError

from toolkit.files import write_atomically
from toolkit.reporting.pages import render
from toolkit.tables.rendering.text import name_of
from toolkit.tables.result import QualityTable, TableResult

INDEX = "index.html"
_TEMPLATE = Path(__file__).with_name("index.html")
_RESULT: TypeAdapter[TableResult] = TypeAdapter(TableResult)


@dataclass(frozen=True)
class Entry:
    """A link on the page.

    Attributes:
        name: Such as `Table 6`.
        title: What it is about.
        shows: What it shows, in a line.
        link: The page or the picture.
        data: The file with the figures.
        image: The picture, if it is one.
    """

    name: str
    title: str
    shows: str
    link: str
    data: str
    image: str = ""


def write_index(folder: Path) -> Path:
    """Writes `index.html`, which links the tables and figures whose JSON lies in a folder."""
    tables, figures = [], []
    for path in sorted(folder.glob("*.json")):
        document = _read(path)
        if entry := _table(path, document):
            tables.append(entry)
        elif entry := _figure(path, document):
            figures.append(entry)
    page = render(_TEMPLATE, title="Results", tables=tables, figures=figures)
    write_atomically(folder / INDEX, page.encode())
    return folder / INDEX


def _read(path: Path) -> Any:
    try:
        return json.loads(path.read_bytes())
    except ValueError:
        return None


def _table(path: Path, document: Any) -> Entry | None:
    """The entry of a table's document; None for another file."""
    page = path.with_suffix(".html")
    if not (isinstance(document, dict) and "table" in document and page.is_file()):
        return None
    try:
        result = _RESULT.validate_python(document)
    except ValidationError:
        return None
    name = name_of(result) if result.number else path.stem.replace("-", " ").capitalize()
    return Entry(name, result.title, shows(result), page.name, path.name)


def _figure(path: Path, document: Any) -> Entry | None:
    """The entry of a figure's document; None for another file."""
    image = next((path.with_suffix(each) for each in (".svg", ".png")
                  if path.with_suffix(each).is_file()), None)  # fmt: skip
    if not (isinstance(document, dict) and "figure" in document and image):
        return None
    name = str(document["figure"])
    number = name.removeprefix("figure")
    named = f"Figure {number}" if number.isdigit() else name.capitalize()
    lacks = ", ".join(each["label"] for each in document.get("needs", []))
    told = f"Without {lacks}, which could not be made here." if lacks else ""
    return Entry(named, str(document.get("title", "")), told, image.name, path.name, image.name)


def shows(result: TableResult) -> str:
    """Says in a line what a table shows: the outcomes of its claims, or what was measured."""
    measured = sum(row.status == "measured" for row in result.rows)
    rows = f"{measured} of {len(result.rows)} rows measured at the scale {result.setting}"
    if not result.claims:
        return f"{rows}."
    outcomes = Counter(each.outcome for each in result.claims)
    counted = ", ".join(f"{number} {outcome}" for outcome, number in outcomes.items())
    quick = "; a first look" if isinstance(result, QualityTable) and result.quick else ""
    return f"Claims: {counted}. {rows}{quick}."
