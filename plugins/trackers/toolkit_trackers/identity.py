"""The name under which a service knows a run, stored in the run's folder."""

from __future__ import annotations

import re
import secrets
from typing import TYPE_CHECKING

from toolkit.files import write_atomically

if TYPE_CHECKING:
    from pathlib import Path

_FORM = re.compile(r"[0-9a-f]{12}")


def identity(path: Path) -> str:
    """Returns the identity stored in a file; makes and stores a new one if there is none.

    It is not derived from the run's name, as runs of one name are made in many folders.
    """
    known = path.read_text(encoding="utf-8").strip() if path.is_file() else ""
    if _FORM.fullmatch(known):
        return known
    made = secrets.token_hex(6)
    write_atomically(path, f"{made}\n".encode())
    return made
