"""Makes the site: `PYTHONPATH=tools python -m documentation`, which `make docs` calls."""

from __future__ import annotations

import subprocess
import sys

from documentation.reference import reference
from documentation.staging import ROOT, stage


def main() -> int:
    """Collects the pages, then has Zensical build them; any warning is an error."""
    stage(ROOT / "build" / "docs", reference())
    command = [sys.executable, "-m", "zensical", "build", "--clean", "--strict"]
    return subprocess.run(command, cwd=ROOT, check=False).returncode  # noqa: S603


if __name__ == "__main__":
    sys.exit(main())
