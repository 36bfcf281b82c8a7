"""Figure 3 of a run: each moment of the training is measured, its ends are drawn."""

from types import SimpleNamespace

import cv2
import pytest

from toolkit.discovery import installed
from toolkit.errors import UsageError
from toolkit.figures import separability
from toolkit.figures.systems import Asked
from toolkit.recipe import compose, resolve
from toolkit.runs import Run
from toolkit.training.loop import train


@pytest.fixture
def trained(tmp_path, photo_folder):
    """Trains for two steps, both of which are kept."""

    def make(disc):
        tables = {
            "backbone": {"use": "pocket", "weights": "tiny"},
            "gen": {"use": "one-step", "lora_rank": 2},
            "disc": disc,
            "loss": {"mse": 1.0},
            "data": f"folder:{photo_folder}",
            "train": {"steps": 2, "batch": 1, "crop": 32, "checkpoint_every": 1, "keep": 2,
                      "device": "cpu", "precision": "float32", "sample_every": 0},
        }  # fmt: skip
        run = Run(tmp_path / disc)
        train(run, resolve(compose(tables, {}, []), installed()), installed())
        return run

    return make


@pytest.fixture
def few(tmp_path, photo_folder, monkeypatch):
    """Three photographs of 256 px in place of the held-out ones, and no UMAP, which is slow."""
    for path in photo_folder.glob("*.png"):
        for name, side in (("hr", 256), ("lr", 64)):
            (tmp_path / name).mkdir(exist_ok=True)
            small = cv2.resize(cv2.imread(str(path)), (side, side))
            assert cv2.imwrite(str(tmp_path / name / path.name), small)
    own = separability.reduced
    monkeypatch.setattr(separability, "heldout", lambda *_: SimpleNamespace(folder=tmp_path))
    monkeypatch.setattr(
        separability, "reduced", lambda samples, how: None if "UMAP" in how else own(samples, how)
    )


def figure(run, silent):
    asked = Asked("pocket", run.folder.parent, run=str(run.folder))
    return separability.separability_figure(asked, installed(), silent)


@pytest.mark.usefixtures("few")
def test_every_kept_step_is_measured_and_the_ends_are_mapped(trained, silent):
    made = figure(trained("nad"), silent)
    assert list(made.data["separability"]) == [0, 1, 2]
    assert list(made.data["maps"]["points"]) == [0, 2]
    for by_time in made.data["separability"].values():
        assert list(by_time) == list(separability.TIMESTEPS)
        assert all(0 <= each["low"] <= each["high"] <= 1 for each in by_time.values())
        assert {each["samples"] for each in by_time.values()} == {24}
    assert [label for label, _ in made.needs] == ["UMAP"]
    below = made.canvas.subfigs[1].axes[0]
    assert [tick.get_text() for tick in below.get_xticklabels()] == ["0", "1", "2"]
    assert len(below.get_lines()) >= len(separability.TIMESTEPS) + 1


@pytest.mark.usefixtures("few")
def test_a_run_without_a_discriminator_is_refused(trained, silent):
    with pytest.raises(UsageError, match="was trained without a discriminator") as told:
        figure(trained("none"), silent)
    assert "toolkit train --disc nad" in told.value.hint
