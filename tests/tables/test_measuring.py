"""Rows of quality, from nothing to a document: trained, restored, scored, tested, kept."""

import json
import multiprocessing
import os
import signal
from dataclasses import replace
from types import SimpleNamespace

import pytest

from toolkit import provenance, suppliers
from toolkit.discovery import installed
from toolkit.errors import OptionsError, UnknownComponentError, WeightsError
from toolkit.tables.measuring import fit_device, measure
from toolkit.tables.planning import plan_rows
from toolkit.tables.rendering.page import as_page
from toolkit.tables.rendering.text import as_markdown
from toolkit.tables.result import QualityTable, as_document
from toolkit.tables.run import run_measurements
from toolkit.tables.summary import columns, notes, quality_table


def result_of(request, planned=None):
    """The result, with every measurement done in this process."""
    planned = planned or plan_rows(request, request.table.rows, installed())
    for row in planned:
        for each in row.measurements:
            measure(each, installed(), lambda *_: None)
    return quality_table(request, planned)


def measured(request, planned=None):
    """The same as a document."""
    return as_document(result_of(request, planned))


def document(request, planned):
    """What is measured already, as a document."""
    return as_document(quality_table(request, planned))


@pytest.fixture
def planned(request_of):
    request = request_of()
    return request, plan_rows(request, request.table.rows, installed())


def test_a_row_has_a_measurement_a_seed_and_a_restorer_one(planned):
    _, rows = planned
    assert [[each.seed for each in row.measurements] for row in rows] == [[0, 1], [None], []]
    [told] = rows[2].failures
    assert told.startswith("There is no restorer named 'gone'.")
    assert len({each.folder for row in rows for each in row.measurements}) == 3


def test_a_table_from_nothing_to_its_document(planned):
    request, rows = planned
    result = result_of(request, rows)
    made = as_document(result)
    assert json.loads(json.dumps(made)) == made
    assert QualityTable.model_validate(made) == result
    assert [row["status"] for row in made["rows"]] == ["measured", "measured", "needs"]
    mse, bicubic, _ = made["rows"]
    assert mse["measured"].keys() == bicubic["measured"].keys() == {"psnr"}
    assert len(mse["columns"]["psnr"]["seeds"]) == 2
    assert len(mse["columns"]["psnr"]["images"]) == 3
    low, high = bicubic["columns"]["psnr"]["interval"]
    assert low <= bicubic["measured"]["psnr"] <= high
    assert [each["outcome"] for each in made["claims"]] == ["undecided"]  # of three photographs
    assert made["tag"] == "whole"
    assert "bicubic" in as_markdown(result)
    page = as_page(result)
    assert page.count("data:image/jpeg") == 3 * 4  # photographs by LR, two rows, HR
    assert "http" not in page.replace("http://www.w3.org", "")


def test_what_is_finished_is_not_done_again(planned, monkeypatch):
    request, rows = planned
    first = measured(request, rows)
    monkeypatch.setattr("toolkit.tables.measuring.train", None)
    again = plan_rows(request, request.table.rows, installed())
    assert measured(request, again) == first


@pytest.mark.parametrize("part", ["restorers", "metrics"])
def test_another_code_is_measured_anew(planned, monkeypatch, part):
    request, rows = planned
    first = measured(request, rows)
    digest = provenance._digest
    other = {f"restoration-toolkit-{part}": ("0.2.0", "other")}
    monkeypatch.setattr(provenance, "_digest", lambda name: other.get(name) or digest(name))
    again = plan_rows(request, request.table.rows, installed())
    done = {row.row.label: [bool(each.result()) for each in row.measurements] for row in again}
    assert done["bicubic"] == [False]
    assert done["mse"] == [part == "restorers"] * 2
    made = {row["label"]: row for row in measured(request, again)["rows"]}
    supplied = "system" if part == "restorers" else "metrics"
    assert "0.2.0" in str(made["bicubic"]["made_by"][supplied])
    assert "0.2.0" not in str({row["label"]: row for row in first["rows"]}["bicubic"])


def test_a_table_may_ask_for_another_metric_of_a_finished_run(request_of, monkeypatch):
    measured(request_of())
    monkeypatch.setattr("toolkit.tables.measuring.train", lambda *_, **__: None)
    more = measured(request_of('psnr = "higher"', 'psnr = "higher", ssim = "higher"'))
    assert more["rows"][0]["measured"].keys() == {"psnr", "ssim"}


def test_a_metric_is_measured_once_what_it_needs_is_there(request_of, monkeypatch):
    def needing(*_, **__):
        raise WeightsError("net.bin is missing.", "Fetch it")

    with monkeypatch.context() as patch:
        patch.setattr("toolkit_metrics.ssim.ssim", needing)
        first = measured(
            request := request_of('psnr = "higher"', 'psnr = "higher", ssim = "higher"')
        )
    assert [list(row["measured"]) for row in first["rows"][:2]] == [["psnr"], ["psnr"]]
    assert first["rows"][0]["notes"] == ["ssim: net.bin is missing.\nFetch it"]
    monkeypatch.setattr("toolkit.tables.measuring.train", None)
    again = plan_rows(request, request.table.rows, installed())
    measurements = [each for row in again for each in row.measurements]
    # What is measured can be shown.
    assert [bool(each.result()) for each in measurements] == [True] * 3
    more = measured(request, again)
    assert [list(row["measured"]) for row in more["rows"][:2]] == [["psnr", "ssim"]] * 2
    assert more["rows"][0]["notes"] == []
    assert all(each.finished for each in measurements)


def test_what_stands_beside_is_measured_but_decides_no_claim(request_of):
    made = measured(request_of("beside = []", 'beside = ["ssim"]'))
    assert list(made["columns"]) == ["psnr", "ssim"]
    assert {each["metric"] for each in made["differences"]} == {"psnr", "ssim"}
    assert [list(each["by_metric"]) for each in made["claims"]] == [["psnr"]]


def test_a_batch_is_split_where_a_gpu_has_little_memory(request_of, monkeypatch):
    request = request_of()
    one = plan_rows(request, request.table.rows[:1], installed())[0].measurements[0]
    larger = one.system.train.model_copy(update={"batch": 2})
    one = replace(one, system=one.system.model_copy(update={"train": larger}))
    little = SimpleNamespace(total_memory=1)
    with monkeypatch.context() as gpu:
        gpu.setattr("torch.cuda.is_available", lambda: True)
        gpu.setattr("torch.cuda.get_device_properties", lambda _: little)
        fitted = fit_device(one.system, installed())
    assert fitted.train == larger.model_copy(update={"accumulate": 2})
    assert fit_device(one.system, installed()) is one.system
    monkeypatch.setattr("toolkit.tables.measuring.fit_device", lambda *_: fitted)
    measure(one, installed(), lambda *_: None)
    assert one.run.recipe().train.accumulate == 2


def test_another_recipe_is_another_run(request_of):
    one, other = request_of(), request_of("lora_rank = 4", "lora_rank = 2")
    folders = [
        plan_rows(each, each.table.rows, installed())[0].measurements[0].folder
        for each in (one, other)
    ]
    assert folders[0] != folders[1]


def test_what_is_measured_on_is_degraded_like_what_is_trained_on(request_of):
    request = request_of(
        "[scales.pocket.recipe]\n", '[scales.pocket.recipe]\ndegradation = "jpeg"\n'
    )
    rows = plan_rows(request, request.table.rows[:2], installed())
    trained, bicubic = (row.measurements[0] for row in rows)
    assert trained.system.degradation.use == "jpeg"
    assert trained.photographs == bicubic.photographs
    assert "-jpeg-whole-" in trained.photographs.name
    assert document(request, [])["degradation"] == "jpeg"


def test_a_name_that_is_misspelled_deep_in_a_row_stops_no_other(request_of):
    slip = '{ loss = "mse", disc = { use = "nad", backbone = "pockett" } }'
    request = request_of('{ loss = "mse" }', slip)
    broken, sound = plan_rows(request, request.table.rows[:2], installed())
    assert broken.measurements == []
    assert broken.failures[0].startswith("There is no backbone named 'pockett'. Did you mean 'po")
    assert len(sound.measurements) == 1


def test_a_metric_that_is_not_installed_is_left_out_and_named(request_of, monkeypatch):
    monkeypatch.setattr(suppliers, "APART", {"no-such-distribution": ("metric/mystery",)})
    request = request_of('psnr = "higher"', 'psnr = "higher", mystery = "lower"')
    rows = plan_rows(request, request.table.rows[1:2], installed())
    made = measured(request, rows)
    assert made["rows"][0]["measured"].keys() == {"psnr"}
    told = "The metric 'mystery' is not installed. It comes with: pip install no-such-distribution."
    assert made["rows"][0]["notes"] == [f"mystery: {told}"]


def test_a_misspelled_column_is_told_before_any_work(request_of):
    request = request_of('psnr = "higher"', 'psnrr = "higher"')
    with pytest.raises(UnknownComponentError, match=r"no metric named 'psnrr'.* mean 'psnr'"):
        plan_rows(request, request.table.rows, installed())


def test_an_option_that_there_is_not_is_told_before_any_work(request_of):
    request = request_of("lora_rank", "lora_rnak")
    with pytest.raises(OptionsError, match="lora_rnak"):
        plan_rows(request, request.table.rows, installed())


def test_a_measurement_that_fails_stops_no_other(planned):
    request, rows = planned
    broken = rows[0].measurements[0].folder
    broken.parent.mkdir(parents=True)
    broken.write_text("in the way")
    left_out = rows[0].measurements[1]
    todo = [each for row in rows for each in row.measurements if each is not left_out]
    failures = run_measurements(todo, workers=2)
    assert list(failures) == [rows[0].measurements[0]]
    rows[0].failures += failures.values()
    made = document(request, rows)
    assert [row["status"] for row in made["rows"]] == ["needs", "measured", "needs"]
    assert made["rows"][0]["needs"] == list(failures.values())


def _forever(measurement, connection):
    """Tells where it stands, so that it can be killed anywhere."""
    run_measurements([measurement], workers=1, on_event=lambda event: connection.send(event.stage))


def test_killed_at_any_moment_it_ends_with_the_same_table(request_of, tmp_path):
    request = request_of("steps = 2", "steps = 4", seeds=1)
    rows = plan_rows(request, request.table.rows[:1], installed())
    measurement = rows[0].measurements[0]
    ours, theirs = multiprocessing.Pipe()
    context = multiprocessing.get_context("spawn")
    process = context.Process(target=_forever, args=(measurement, theirs))
    process.start()
    while ours.recv() != "training":
        pass
    os.kill(process.pid, signal.SIGKILL)
    process.join()
    # Its own child finds out at its next step.
    assert not run_measurements(rows[0].measurements, workers=1)
    killed = document(request, rows)["rows"][0]["columns"]
    fresh = replace(request, work=tmp_path / "elsewhere")
    whole = plan_rows(fresh, fresh.table.rows[:1], installed())
    assert not run_measurements(whole[0].measurements, workers=1)
    assert document(fresh, whole)["rows"][0]["columns"] == killed


def test_without_originals_what_needs_none_is_measured(request_of, photo_folder, tmp_path):
    (tmp_path / "realset65").symlink_to(photo_folder)
    dataset = f"realset65:{tmp_path / 'realset65'}"
    request = request_of("columns = []", 'degradation = ""\ncolumns = ["niqe"]')
    request.table.settings["pocket"]["dataset"] = dataset
    [planned] = plan_rows(request, request.table.rows[1:2], installed())
    measure(planned.measurements[0], installed(), lambda *_: None)
    found = columns(planned, request.metrics())
    assert found.keys() == {"niqe"}
    assert len(found["niqe"].images) == 3
    assert "psnr: It compares with originals" in notes(planned, request.metrics())[0]
    assert planned.measurements[0].finished  # originals will not come: it is not tried again
