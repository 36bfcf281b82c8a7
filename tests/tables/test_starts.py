"""Warm starts and references: measured first, and what rows are trained from."""

import json
import tomllib

import pytest

from toolkit.checkpoints import load_part
from toolkit.discovery import installed
from toolkit.tables.measuring import measure
from toolkit.tables.planning import plan_references, plan_rows
from toolkit.tables.rendering.text import as_lines
from toolkit.tables.result import as_document
from toolkit.tables.summary import quality_table

START = """references = ["bicubic", "lanczos"]

[scales.pocket.start]
disc = "none"
loss = "none"
objective = { latent = 1.0 }
train = { steps = 3 }

[scales.pocket.recipe]"""


@pytest.fixture
def started(request_of):
    """A request whose rows start from a training of three steps."""
    old = 'references = []\nstart = ""\nseeds = 2\n\n[scales.pocket.recipe]'
    return request_of(old, f"seeds = 2\n{START}")


def run_all(planned):
    for row in planned:
        for each in row.measurements:
            measure(each, installed(), lambda *_: None)


def test_rows_start_from_one_training(started):
    rows = started.table.rows
    references = plan_references(started, rows, installed())
    assert [each.row.label for each in references] == ["lanczos", "warm start"]  # bicubic is a row
    before = plan_rows(started, rows, installed(), references)
    assert before[0].failures == ["Its warm start is missing. It was not trained yet."]
    assert not before[0].measurements
    run_all(references)
    planned = plan_rows(started, rows, installed(), references)
    run_all(planned)
    [begun] = references[1].measurements
    recipe = tomllib.loads((begun.folder / "recipe.toml").read_text())
    assert (recipe["train"]["steps"], recipe["objective"]["latent"]) == (3, 1.0)
    for each in planned[0].measurements:
        assert tomllib.loads((each.folder / "recipe.toml").read_text())["train"]["start"] == str(
            begun.folder
        )
        weights = load_part(each.run.latest(), "generator")
        assert weights.keys() == load_part(begun.run.latest(), "generator").keys()
    result = quality_table(started, planned, references=references)
    assert [row.label for row in result.references] == ["lanczos", "warm start"]
    assert [line[0] for line in as_lines(result)][-2:] == ["(lanczos)", "(warm start)"]
    document = as_document(result)
    assert document["references"][1]["measured"].keys() == {"psnr"}
    assert str(started.work) not in json.dumps([row["recipe"] for row in document["rows"]])
    compared = {name for each in result.differences for name in (each.here, each.there)}
    assert compared == {"mse", "bicubic"}


def test_another_start_makes_other_rows(started, request_of, monkeypatch):
    rows = started.table.rows[:1]
    references = plan_references(started, rows, installed())
    run_all(references)
    first = plan_rows(started, rows, installed(), references)[0].measurements[0]
    plain = request_of()
    other = plan_rows(plain, plain.table.rows[:1], installed())[0].measurements[0]
    assert first.folder != other.folder
