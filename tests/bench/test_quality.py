"""Rows of quality, from nothing to a document: trained, restored, scored, tested, kept."""

import json
import multiprocessing
import os
import signal
from dataclasses import replace

import pytest

from toolkit import provenance, suppliers
from toolkit.bench.page import as_page
from toolkit.bench.quality import plan_rows
from toolkit.bench.quality_reports import quality_document
from toolkit.bench.reports import as_markdown
from toolkit.bench.runner import run_jobs
from toolkit.bench.worker import work
from toolkit.errors import OptionsError, UnknownComponentError, WeightsError
from toolkit.registry import installed


def measured(request, planned=None):
    """The document, with every job done in this process."""
    planned = planned or plan_rows(request, request.table.rows, installed())
    for each in planned:
        for job in each.jobs:
            work(job, installed(), lambda *_: None)
    return quality_document(request, planned)


@pytest.fixture
def planned(request_of):
    request = request_of()
    return request, plan_rows(request, request.table.rows, installed())


def test_a_row_has_a_job_a_seed_and_a_restorer_one(planned):
    _, rows = planned
    assert [[job.seed for job in row.jobs] for row in rows] == [[0, 1], [None], []]
    [told] = rows[2].failures
    assert told.startswith("There is no restorer named 'gone'.")
    assert len({job.folder for row in rows for job in row.jobs}) == 3


def test_a_table_from_nothing_to_its_document(planned):
    request, rows = planned
    made = measured(request, rows)
    assert json.loads(json.dumps(made)) == made
    assert [row["status"] for row in made["rows"]] == ["measured", "measured", "needs"]
    mse, bicubic, _ = made["rows"]
    assert mse["measured"].keys() == bicubic["measured"].keys() == {"psnr"}
    assert len(mse["columns"]["psnr"]["seeds"]) == 2
    assert len(mse["columns"]["psnr"]["images"]) == 3
    low, high = bicubic["columns"]["psnr"]["interval"]
    assert low <= bicubic["measured"]["psnr"] <= high
    assert [each["outcome"] for each in made["claims"]] == ["undecided"]  # of three photographs
    assert made["tag"] == "whole"
    assert "bicubic" in as_markdown(made)
    page = as_page(made)
    assert page.count("data:image/jpeg") == 3 * 4  # photographs by LR, two rows, HR
    assert "http" not in page.replace("http://www.w3.org", "")


def test_what_is_finished_is_not_done_again(planned, monkeypatch):
    request, rows = planned
    first = measured(request, rows)
    monkeypatch.setattr("toolkit.bench.worker.train", None)
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
    done = {each.row.label: [bool(job.result()) for job in each.jobs] for each in again}
    assert done["bicubic"] == [False]
    assert done["mse"] == [part == "restorers"] * 2
    made = {row["label"]: row for row in measured(request, again)["rows"]}
    supplied = "system" if part == "restorers" else "metrics"
    assert "0.2.0" in str(made["bicubic"]["made_by"][supplied])
    assert "0.2.0" not in str({row["label"]: row for row in first["rows"]}["bicubic"])


def test_a_table_may_ask_for_another_metric_of_a_finished_run(request_of, monkeypatch):
    measured(request_of())
    monkeypatch.setattr("toolkit.bench.worker.train", lambda *_, **__: None)
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
    monkeypatch.setattr("toolkit.bench.worker.train", None)
    again = plan_rows(request, request.table.rows, installed())
    jobs = [job for row in again for job in row.jobs]
    assert [bool(job.result()) for job in jobs] == [True] * 3  # what is measured can be shown
    more = measured(request, again)
    assert [list(row["measured"]) for row in more["rows"][:2]] == [["psnr", "ssim"]] * 2
    assert more["rows"][0]["notes"] == []
    assert all(job.finished for job in jobs)


def test_what_stands_beside_is_measured_but_decides_no_claim(request_of):
    made = measured(request_of("beside = []", 'beside = ["ssim"]'))
    assert list(made["columns"]) == ["psnr", "ssim"]
    assert {each["metric"] for each in made["differences"]} == {"psnr", "ssim"}
    assert [list(each["by_metric"]) for each in made["claims"]] == [["psnr"]]


def test_another_recipe_is_another_run(request_of):
    one, other = request_of(), request_of("lora_rank = 4", "lora_rank = 2")
    folders = [
        plan_rows(each, each.table.rows, installed())[0].jobs[0].folder for each in (one, other)
    ]
    assert folders[0] != folders[1]


def test_what_is_measured_on_is_degraded_like_what_is_trained_on(request_of):
    request = request_of(
        "[scales.pocket.recipe]\n", '[scales.pocket.recipe]\ndegradation = "jpeg"\n'
    )
    rows = plan_rows(request, request.table.rows[:2], installed())
    trained, bicubic = (row.jobs[0] for row in rows)
    assert trained.system["degradation"]["use"] == "jpeg"
    assert trained.photographs == bicubic.photographs
    assert "-jpeg-whole-" in trained.photographs.name
    assert quality_document(request, [])["degradation"] == "jpeg"


def test_a_name_that_is_misspelled_deep_in_a_row_stops_no_other(request_of):
    slip = '{ loss = "mse", disc = { use = "nad", backbone = "pockett" } }'
    request = request_of('{ loss = "mse" }', slip)
    broken, sound = plan_rows(request, request.table.rows[:2], installed())
    assert broken.jobs == []
    assert broken.failures[0].startswith("There is no backbone named 'pockett'. Did you mean 'po")
    assert len(sound.jobs) == 1


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


def test_a_job_that_fails_stops_no_other(planned):
    request, rows = planned
    broken = rows[0].jobs[0].folder
    broken.parent.mkdir(parents=True)
    broken.write_text("in the way")
    jobs = [job for row in rows for job in row.jobs if job is not rows[0].jobs[1]]
    failures = run_jobs(jobs, workers=2)
    assert list(failures) == [rows[0].jobs[0]]
    rows[0].failures += failures.values()
    made = quality_document(request, rows)
    assert [row["status"] for row in made["rows"]] == ["needs", "measured", "needs"]
    assert made["rows"][0]["needs"] == list(failures.values())


def _forever(job, connection):
    """Tells where it stands, so that it can be killed anywhere."""
    run_jobs([job], workers=1, on_event=lambda event: connection.send(event.stage))


def test_killed_at_any_moment_it_ends_with_the_same_table(request_of, tmp_path):
    request = request_of("steps = 2", "steps = 4", seeds=1)
    rows = plan_rows(request, request.table.rows[:1], installed())
    job = rows[0].jobs[0]
    ours, theirs = multiprocessing.Pipe()
    context = multiprocessing.get_context("spawn")
    process = context.Process(target=_forever, args=(job, theirs))
    process.start()
    while ours.recv() != "training":
        pass
    os.kill(process.pid, signal.SIGKILL)
    process.join()
    assert not run_jobs(rows[0].jobs, workers=1)  # its own child finds out at its next step
    killed = quality_document(request, rows)["rows"][0]["columns"]
    fresh = replace(request, work=tmp_path / "elsewhere")
    whole = plan_rows(fresh, fresh.table.rows[:1], installed())
    assert not run_jobs(whole[0].jobs, workers=1)
    assert quality_document(fresh, whole)["rows"][0]["columns"] == killed
