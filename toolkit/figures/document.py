"""A figure's files: PNG, SVG and PDF, and JSON with all its data, each written atomically."""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from toolkit.evaluation.document import environment
from toolkit.files import write_atomically

if TYPE_CHECKING:
    from matplotlib.figure import Figure as Canvas

FORMATS = ("png", "svg", "pdf")
"""What a drawing is written as."""


@dataclass(frozen=True)
class Figure:
    """A figure that was made.

    Attributes:
        name: Name of its files, such as `figure5`.
        title: What it shows.
        data: Everything that is drawn, as JSON's types.
        canvas: The drawing.
        needs: Reasons why parts of it are missing: (what, how to get it).
    """

    name: str
    title: str
    data: Mapping[str, Any]
    canvas: Canvas
    needs: Sequence[tuple[str, str]] = ()


def as_document(figure: Figure) -> dict[str, Any]:
    """Returns the content of the JSON file."""
    needs = [{"label": label, "needs": need} for label, need in figure.needs]
    data = {"figure": figure.name, "title": figure.title, **figure.data, "needs": needs}
    return {**data, "environment": environment()}


def write_figure(figure: Figure, folder: Path) -> list[Path]:
    """Writes all files of a figure; the JSON, which says that it is complete, last.

    Returns:
        The files.
    """
    written = []
    for suffix in FORMATS:
        path = folder / f"{figure.name}.{suffix}"
        write_atomically(path, rendered(figure.canvas, suffix))
        written.append(path)
    path = folder / f"{figure.name}.json"
    content = json.dumps(as_document(figure), indent=1, ensure_ascii=False, sort_keys=True)
    write_atomically(path, f"{content}\n".encode())
    return [*written, path]


def file_digest(path: Path) -> str:
    """Returns the SHA-256 of a file."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def rendered(canvas: Canvas, suffix: str) -> bytes:
    """Renders a drawing; the same drawing gives the same bytes."""
    import matplotlib as mpl

    # Without the time; the identifiers of SVG are random unless they are salted.
    undated: dict[str, Any] = {"svg": {"Date": None}, "pdf": {"CreationDate": None}}.get(suffix, {})
    stream = io.BytesIO()
    with mpl.rc_context({"svg.hashsalt": "toolkit", "svg.fonttype": "path"}):
        canvas.savefig(stream, format=suffix, dpi=150, metadata=undated)
    return stream.getvalue()
