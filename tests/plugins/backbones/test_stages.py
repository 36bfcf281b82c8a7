"""The restorer's training through stages: what each stage is, and where a training stands."""

import json

import pytest

from toolkit.discovery import installed
from toolkit.recipe import compose, resolve
from toolkit_backbones.pretraining import background, curve
from toolkit_backbones.pretraining.progress import ORIGIN, PROGRESS, position, write_record
from toolkit_backbones.pretraining.restorer import STAGES, read_stages


def test_what_all_stages_share_lies_below_what_each_names(tmp_path):
    path = tmp_path / "stages.toml"
    path.write_text(
        '[all]\ngen = { use = "one-step", lora_rank = 3 }\ntrain = { crop = 64, ema = 0.5 }\n'
        '[[stage]]\nname = "first"\ntrain = { crop = 32 }\n[[stage]]\nname = "second"\n'
    )
    first, second = read_stages(path)
    assert (first.name, second.name) == ("first", "second")
    assert first.tables["train"] == {"crop": 32, "ema": 0.5}
    assert second.tables["train"] == {"crop": 64, "ema": 0.5}
    assert first.tables["gen"] == second.tables["gen"] == {"use": "one-step", "lora_rank": 3}


@pytest.mark.parametrize("stage", read_stages(STAGES), ids=lambda stage: stage.name)
def test_every_stage_that_ships_is_a_recipe(stage):
    recipe = resolve(compose(stage.tables, {}, []), installed())
    assert recipe.gen.options["timestep"] == 199


def test_a_training_knows_where_it_stands_over_machines(tmp_path):
    before = {"stage": "regression", "step": 100, "crops": 800, "hours": 1.5}
    write_record(tmp_path / ORIGIN, before)
    write_record(tmp_path / PROGRESS, before)
    now = position(tmp_path, "regression", 10, batch=8)
    assert now == {"stage": "regression", "step": 110, "crops": 880, "hours": 1.5}
    write_record(tmp_path / PROGRESS, {**now, "hours": 2.0})
    after = position(tmp_path, "adversarial", 5, batch=2)
    assert after == {"stage": "adversarial", "step": 5, "crops": 890, "hours": 2.0}


def test_the_status_says_what_is_known(tmp_path):
    assert background.status(tmp_path) == "Not running."
    line = {"stage": "regression", "step": 9, "crops": 72, "hours": 0.5, "bicubic": {"dists": 0.2}}
    write_record(tmp_path / PROGRESS, line)
    (tmp_path / background.LOG).write_text(json.dumps({"step": 9, "crops/s": 4.25}) + "\n")
    told = background.status(tmp_path)
    assert "4.25 crops per second" in told
    assert "regression, step 9, 72 crops, 0.50 h: bicubic: dists 0.2" in told


def test_the_curve_is_drawn_of_the_record_alone(tmp_path):
    def line(stage, hours, score):
        scores = {"dists": score, "lpips": 2 * score}
        return {"stage": stage, "hours": hours, "realesrgan": scores, "bicubic": scores}

    def drawn(*lines, beside=None):
        curve.draw(lines, beside or {}, tmp_path / "curve.svg")
        return (tmp_path / "curve.svg").read_bytes()

    record = [line("regression", 1.0, 0.3), line("textures", 2.0, 0.2)]
    first = drawn(*record)
    assert first == drawn(*record)
    assert first.startswith(b"<?xml")
    others = [
        drawn(record[0], line("textures", 2.0, 0.1)),
        drawn(record[0], line("regression", 2.0, 0.2)),
        drawn(*record, beside={"real-esrgan": line("", 0.0, 0.15)}),
    ]
    assert len({first, *others}) == 4
