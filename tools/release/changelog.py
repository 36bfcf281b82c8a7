"""Prints what the changelog says of a version: `python tools/release/changelog.py 0.2.0`."""

from __future__ import annotations

import re
import sys

from version import ROOT


def section(text: str, version: str) -> str:
    """Returns the text below a version's heading, which may have a date behind the version.

    Raises:
        LookupError: There is no such heading, or nothing below it.
    """
    heading = re.compile(rf"^## {re.escape(version)}(?: .*)?$", re.MULTILINE)
    parts = heading.split(text, maxsplit=1)
    below = re.split(r"^## ", parts[1], maxsplit=1, flags=re.MULTILINE)[0] if parts[1:] else ""
    if not below.strip():
        raise LookupError(f"CHANGELOG.md says nothing of {version}: add '## {version} (DATE)'")
    return below.strip() + "\n"


def main() -> None:
    """Prints the section of the version that is given."""
    if len(sys.argv) != 2:
        sys.exit("usage: python tools/release/changelog.py VERSION")
    try:
        print(section((ROOT / "CHANGELOG.md").read_text("utf-8"), sys.argv[1]), end="")
    except LookupError as error:
        sys.exit(str(error))


if __name__ == "__main__":
    main()
