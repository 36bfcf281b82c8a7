"""Systems of a figure from a table: made once, resumed, and what is missing."""

import json
from contextlib import contextmanager

import pytest

from toolkit.discovery import installed
from toolkit.errors import UsageError
from toolkit.figures.comparison import compare, system_records
from toolkit.figures.document import as_document
from toolkit.figures.panels import photographs_of
from toolkit.figures.systems import Asked, systems_of
from toolkit.tables.quality import Tell

TABLE = """
title = "Small"
place = "Here"
measures = "quality"
protocol = "As ever."
dataset = "realsr"
better = {{ psnr = "higher" }}

[scales.pocket]
dataset = "folder:{folder}"
references = []
start = ""

[scales.pocket.recipe]
data = "folder:{folder}"
gen = {{ use = "one-step", lora_rank = 4 }}

[scales.pocket.recipe.train]
steps = 4
batch = 1
crop = 32
checkpoint_every = 1
device = "cpu"
precision = "float32"

[[rows]]
label = "bicubic"
recipe = {{ restorer = "bicubic" }}

[[rows]]
label = "mse"
recipe = {{ disc = "none", loss = "mse" }}

[[rows]]
label = "stablesr"
recipe = {{ restorer = "gone" }}
"""


@pytest.fixture
def table(tmp_path, photo_folder):
    path = tmp_path / "small.toml"
    path.write_text(TABLE.format(folder=photo_folder))
    return str(path)


class _KilledError(Exception):
    """Ends a figure in the middle."""


def _killed_at(stage):
    @contextmanager
    def progress(_total):
        def show(event):
            if event.stage == stage and event.done >= 2:
                raise _KilledError

        yield show

    return Tell(lambda *_: None, lambda _: None, progress)


def _document(table, work, tell):
    systems = systems_of((table,), Asked("pocket", work), installed(), tell)
    shown = photographs_of(systems, Asked("pocket", work))
    data = {"systems": system_records(systems)}
    return as_document(compare("figure", "T", shown, installed(), data, systems.needs))


@pytest.mark.slow
def test_a_killed_figure_ends_with_the_same_data(table, tmp_path, silent):
    whole = _document(table, tmp_path / "whole", silent)
    with pytest.raises(_KilledError):
        _document(table, tmp_path / "killed", _killed_at("training"))
    assert json.dumps(_document(table, tmp_path / "killed", silent)) == json.dumps(whole)
    assert list(whole["systems"]) == ["bicubic", "mse"]
    [need] = whole["needs"]
    assert need["label"] == "stablesr"


def test_if_nothing_can_be_made_the_reasons_are_given(table, tmp_path, silent):
    with pytest.raises(UsageError, match="stablesr: There is no restorer named 'gone'"):
        systems_of((table,), Asked("pocket", tmp_path / "work"), installed(), silent, ("stablesr",))
