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
suffix, heights = sys.argv[3], (64, 520, 1560, 1560)  # the first loads what the others need
for size in heights:
    slope = torch.linspace(0, 1, 500).expand(3, size, -1)
    write_picture(Picture(slope), folder / f"{size}.png")
    job = Job(folder / f"{size}.png", folder / f"{size}_{colour}{suffix}")
    Path("/proc/self/clear_refs").write_text("5")
    before = kilobytes("VmRSS")
    [done] = restore_files(Nearest(), [job], Treatment(tile=64, colour=colour))
    assert done.error is None, done.error
    found.append((kilobytes("VmHWM") - before) * 1024)
print(json.dumps([found[1], min(found[2:])]))
"""


def measured(folder, colour, suffix):
    """Bytes that were needed for results of 2000 pixels in width, and 2080 and 6240 in height."""
    command = [sys.executable, "-c", MEASURE, str(folder), colour, suffix]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return json.loads(done.stdout)


pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
OUTPUT = 3 * 2000 * 6240  # bytes of 8 bits


@pytest.mark.parametrize(
    ("colour", "suffix"), [("none", ".jpg"), ("none", ".png"), ("wavelet", ".tif")]
)
def test_files_that_are_streamed_take_as_much_however_high_they_are(tmp_path, colour, suffix):
    low, high = measured(tmp_path, colour, suffix)
    assert high < low + 0.6 * OUTPUT  # the input, in floats, is OUTPUT / 4


@pytest.mark.parametrize(("colour", "suffix", "times"), [("adain", ".jpg", 4), ("none", ".bmp", 2)])
def test_others_take_the_output_once(tmp_path, colour, suffix, times):
    _, needed = measured(tmp_path, colour, suffix)
    assert needed < (times + 2) * OUTPUT  # in floats; or as pixels and as a file
