"""What restoring takes beside its output, measured in a process of its own."""

import json
import subprocess
import sys

import pytest

MEASURE = """
import json, sys
from pathlib import Path
import torch
from torch.nn import functional as F
from toolkit.images import Picture, write_picture
from toolkit.restoring.folder import restore_files
from toolkit.restoring.jobs import Job
from toolkit.restoring.treatment import Treatment

class Nearest:
    name, scale = "nearest", 4
    def __call__(self, lr):
        return F.interpolate(lr, scale_factor=4.0)

def kilobytes(key):
    lines = Path("/proc/self/status").read_text().splitlines()
    return int(next(line for line in lines if line.startswith(key)).split()[1])

folder, colour = Path(sys.argv[1]), sys.argv[2]
torch.set_num_threads(1)
found = []
for size in (64, 700, 700):  # the first loads what the others need, and the system may take it away
    slope = torch.linspace(0, 1, 2 * size).expand(3, size, -1)
    write_picture(Picture(slope), folder / f"{size}.png")
    job = Job(folder / f"{size}.png", folder / f"{size}_{colour}.jpg")
    Path("/proc/self/clear_refs").write_text("5")
    before = kilobytes("VmRSS")
    [done] = restore_files(Nearest(), [job], Treatment(tile=64, colour=colour))
    assert done.error is None, done.error
    found.append((kilobytes("VmHWM") - before) * 1024)
print(json.dumps(min(found[1:])))
"""


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
@pytest.mark.parametrize("colour", ["none", "wavelet", "adain"])
def test_memory_beside_the_output_is_that_of_a_tile(tmp_path, colour):
    command = [sys.executable, "-c", MEASURE, str(tmp_path), colour]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    output = 3 * 2800 * 5600 * 4
    # The output in float32, its bytes (a quarter) and those of the file; the rest are strips.
    assert json.loads(done.stdout) < 1.9 * output
