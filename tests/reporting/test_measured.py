"""What was measured of a run, from all that lies in its folder."""

import json
import os

import pytest

from toolkit.recipe import Recipe
from toolkit.reporting.measured import Figure, figures_of
from toolkit.runs import Run


@pytest.fixture
def run(tmp_path):
    """A run with a checkpoint of step 5."""
    run = Run(tmp_path / "run")
    run.create(Recipe())
    (run.checkpoints / "step-0000005.safetensors").touch()
    return run


def figures(run):
    return figures_of(run, run.latest(), None, 5)


def test_nothing_was_measured(run):
    (run.folder / "other.json").write_text("[1]")
    (run.folder / "torn.json").write_text("{")
    assert figures(run) == []


def test_the_validation_of_the_step_counts(run):
    run.append_validation({"step": 4, "dists": 0.5})
    run.append_validation({"step": 5, "dists": 0.25, "psnr-y": 20.0})
    told = "validation on `photos:heldout`, crops of 256 pixels"
    assert figures(run) == [
        Figure("dists", None, 0.25, None, told), Figure("psnr-y", None, 20.0, None, told),
    ]  # fmt: skip


def test_a_result_of_bench_counts(run):
    (run.folder / "images-1").mkdir()
    (run.folder / "images-1" / "result.json").write_text(json.dumps({
        "label": "NAD", "seed": 0, "directions": {"dists": "lower", "niqe": "lower"},
        "figures": {"dists": {"a": 0.25, "b": 0.75}, "niqe": {}},
    }))  # fmt: skip
    assert figures(run) == [Figure("dists", "lower", 0.5, 2, "`toolkit bench`")]


def test_a_document_of_eval_counts_unless_it_is_older(run):
    document = run.folder / "realsr.json"
    document.write_text(json.dumps({
        "metrics": {"psnr-y": {"mean": 23.5, "count": 7, "direction": "higher", "x": 1},
                    "lpips": {"mean": None, "direction": "lower"}},
        "images": [{"name": "a"}],
    }))  # fmt: skip
    assert figures(run) == [Figure("psnr-y", "higher", 23.5, 7, "`toolkit eval`, realsr")]
    os.utime(document, (0, run.latest().stat().st_mtime - 1))
    assert figures(run) == []


def test_the_folder_of_own_photographs_is_not_told(run):
    recipe = Recipe.model_validate({"train": {"validate_on": "folder:/my/photos"}})
    recipe.save(run.recipe_path)
    run.append_validation({"step": 5, "dists": 0.25})
    assert figures(run)[0].origin == "validation on own photographs, crops of 256 pixels"
