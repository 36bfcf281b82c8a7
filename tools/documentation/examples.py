"""An extension of Griffe, which reads docstrings: "Example:" is the heading of doctests, too."""

from __future__ import annotations

import re
from typing import Any

import griffe

_HEADING = re.compile(r"^Example:$", re.MULTILINE)


class ExampleSections(griffe.Extension):
    """Makes the heading of a docstring's doctests the one that Griffe knows, "Examples:"."""

    def on_object(self, *, obj: griffe.Object, **_further: Any) -> None:
        """Called with each object after its members were read."""
        if obj.docstring:
            obj.docstring.value = _HEADING.sub("Examples:", obj.docstring.value)
