"""The toolkit on systems that lack what only Unix has, as Windows does."""

import json
import os
import subprocess
import sys
from pathlib import Path

import cv2
import pytest

WITHOUT_UNIX = """
import importlib, json, os, pkgutil, signal, sys

packages = json.loads(sys.argv[1])


def import_all():
    found = []
    for package in packages:
        path = importlib.import_module(package).__path__
        found += [each.name for each in pkgutil.walk_packages(path, f"{package}.")]
    found = [name for name in found if not name.endswith("__main__")]
    for name in found:
        importlib.import_module(name)
    return found


# Libraries of others are made for each system: they are loaded as they are here, then ours anew.
import_all()
for name in [*sys.modules]:
    if name.partition(".")[0] in packages:
        del sys.modules[name]
for name in ("fcntl", "resource", "pwd", "grp", "termios", "tty", "pty"):
    sys.modules[name] = None
for name in ("sched_getaffinity", "getuid", "geteuid", "sysconf", "fork", "killpg", "nice"):
    delattr(os, name)
del signal.SIGHUP
print(len(import_all()))

from pathlib import Path

from toolkit import devices
from toolkit.cli import main
from toolkit.devices import free_memory, processor_cores
from toolkit.weights.cache import lock

devices._MEMINFO = Path("/nowhere")
assert processor_cores() >= 1 and free_memory() is None
with lock():
    pass
sys.argv = ["toolkit", "restore", sys.argv[2], "--with", "bicubic", "--out", "sr.png"]
main()
"""


@pytest.mark.slow
def test_without_unix_every_module_is_imported_and_a_picture_restored(
    photo_folder, toolkit_home, tmp_path
):
    root = Path(__file__).parents[1]
    packages = ["toolkit", *sorted(path.name for path in root.glob("plugins/*/toolkit_*"))]
    photo = next(photo_folder.iterdir())
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", WITHOUT_UNIX, json.dumps(packages), str(photo)],
        cwd=tmp_path, capture_output=True, text=True, check=False,
        # ComfyUI is no library that could be installed.
        env={**os.environ, "PYTHONPATH": str(root / "tests" / "support" / "comfyui_stub")},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    folders = [root / "toolkit", *root.glob("plugins/*/toolkit_*")]
    files = [path for folder in folders for path in folder.rglob("*.py")]
    # Packages import themselves, and `__main__` would run the command.
    assert int(done.stdout.split()[0]) == len(files) - len(folders) - 1
    assert cv2.imread(str(tmp_path / "sr.png")).shape == (320, 384, 3)
