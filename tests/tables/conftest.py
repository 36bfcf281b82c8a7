"""A small table of one's own, measured in seconds."""

import pytest

from toolkit.tables.reading import read_table

SMALL = """
title = "Small"
place = "Here"
measures = "quality"
protocol = "As ever."
dataset = "realsr"
common = {{ disc = "nad" }}
better = {{ psnr = "higher" }}

[scales.pocket]
dataset = "folder:{folder}"
columns = []
beside = []
references = []
start = ""
seeds = 2

[scales.pocket.recipe]
data = "folder:{folder}"
gen = {{ use = "one-step", lora_rank = 4 }}
objective = {{ first_loss_steps = 0 }}

[scales.pocket.recipe.train]
steps = 2
batch = 1
crop = 32
checkpoint_every = 1
device = "cpu"
precision = "float32"
ema = 0.0

[[rows]]
label = "mse"
recipe = {{ loss = "mse" }}

[[rows]]
label = "bicubic"
recipe = {{ restorer = "bicubic" }}

[[rows]]
label = "gone"
recipe = {{ restorer = "gone" }}

[[claims]]
claim = "MSE beats interpolation"
better = "mse"
than = "bicubic"
"""


@pytest.fixture
def small_table(tmp_path, photo_folder):
    """Writes it, with something changed, and reads it."""

    def write(old="", new=""):
        text = SMALL.format(folder=photo_folder)
        assert old in text
        path = tmp_path / "small.toml"
        path.write_text(text.replace(old, new, 1))
        return path

    return write


@pytest.fixture
def request_of(tmp_path, small_table, toolkit_home):
    """A request to measure it, in an empty folder."""
    from toolkit.tables.planning import Request

    def make(old="", new="", **more):
        table = read_table(str(small_table(old, new)))
        return Request(table, "pocket", tmp_path / "work", **more)

    return make
