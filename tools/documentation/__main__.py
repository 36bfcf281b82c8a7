"""Makes the site: `PYTHONPATH=tools python -m documentation [FOLDER]`, which `make docs` calls."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

from documentation.reference import reference
from documentation.staging import ROOT, stage

CONFIGURATION = ROOT / "zensical.toml"


def build(folder: Path) -> int:
    """Collects the pages in `build/docs`, then has Zensical build them in `site`.

    Args:
        folder: Where both are; the repository's, or another.

    Returns:
        Zensical's exit code, which is not 0 if there was any warning.
    """
    stage(folder / "build" / "docs", reference())
    if folder != ROOT:
        shutil.copy(CONFIGURATION, folder)
    command = [sys.executable, "-m", "zensical", "build", "--clean", "--strict"]
    # Zensical loads an extension from this package.
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "tools")}
    done = subprocess.run(command, cwd=folder, env=environment, check=False)  # noqa: S603
    return done.returncode


if __name__ == "__main__":
    sys.exit(build(Path(sys.argv[1]) if sys.argv[1:] else ROOT))
