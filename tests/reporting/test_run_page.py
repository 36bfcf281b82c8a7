"""The page of a run: what is in it, whatever there is of the run, and how it works in a browser."""

import html
import json
import re
import subprocess
import sys
import time

import cv2
import numpy as np
import pytest

from toolkit.discovery import installed
from toolkit.errors import UsageError
from toolkit.recipe import resolve
from toolkit.reporting.run_page import as_page, duration, write_page
from toolkit.runs import Run


def lines(path, records):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(record) + "\n" for record in records))


@pytest.fixture
def run(tmp_path):
    made = Run(tmp_path / "runs" / "first")
    made.create(resolve({"disc": "none", "loss": "mse", "train": {"steps": 100}}, installed()))
    return made


@pytest.fixture
def full(run):
    """A run of which everything is there."""
    lines(run.log, [{"step": s, "mse": 1 / s, "ea-dists": 0.5} for s in range(1, 61)])
    logs = run.log.parent
    lines(logs / "validation.jsonl", [
        {"step": 20, "dists": 0.4, "psnr-y": 24.0}, {"step": 40, "dists": 0.31, "psnr-y": 24.5},
        {"step": 60, "dists": 0.35, "psnr-y": 24.25},
    ])  # fmt: skip
    usage = {"seconds": 0.5, "data": 0.125, "generator": 0.25, "rss": 2e9, "cpu": 0.75}
    lines(logs / "usage.jsonl", [{"step": s, **usage} for s in (20, 40, 60)])
    for step in (20, 40, 60):
        sheet = np.full((64, 48, 3), step, np.uint8)
        assert cv2.imwrite(str(run.samples / f"step-{step:07d}.png"), sheet)
    lines(run.folder / "crash" / "1" / "report.json", [{"step": 41, "guilty": ["ea-dists"]}])
    return run


def text_of(page):
    """What a reader sees, without tags, scripts and style."""
    page = re.sub(r"<(script|style).*?</\1>", " ", page, flags=re.DOTALL)
    return " ".join(re.sub(r"<[^>]*>", " ", page).split())


def test_everything_that_a_run_has_is_in_its_page(full):
    text = text_of(as_page(full, installed()))
    assert "first generator one-step backbone pocket discriminator none losses mse" in text
    assert "Not finished" in text
    for label, value in [
        ("step", "60 of 100"), ("speed", "2 steps/s"), ("left", "20 s"),
        ("main memory", "2.00 GB"), ("processor", "75%"),
        ("dists, best, step 40", "0.31"), ("psnr-y, best, step 40", "24.5"),
    ]:  # fmt: skip
        assert f"{label} {value}" in text, label
    assert "Crashed at step 41 , caused by ea-dists. The report: crash/1" in text
    for title in ("Validation", "Samples", "Losses", "mse (logarithmic)", "Seconds of a step",
                  "Memory, GB", "rest generator data"):  # fmt: skip
        assert title in text, title
    assert "crop = 128" in text.replace("&#34;", '"')
    assert "restoration-toolkit-generators" in text


def test_the_rest_of_a_step_is_what_is_in_no_phase(full):
    readings = re.findall(r'aria-label="Seconds of a step" data-readings="(.*?)"', as_page(full))
    assert [each[2] for each in json.loads(html.unescape(readings[0]))] == ["0.5"] * 3
    records = [{"step": 20, "seconds": 0.25, "data": 0.125, "generator": 0.25}]  # in two threads
    lines(full.log.parent / "usage.jsonl", records)
    assert "rest generator" not in text_of(as_page(full))


def test_a_page_is_one_file_without_links(full):
    page = as_page(full, installed())
    assert page.count("data:image/jpeg") == 3 + 1  # three on the slider, and the one that is shown
    assert "http" not in page.replace("http://www.w3.org", "")
    assert not re.search(r"<(link|script|img)[^>]* (href|src)=\"(?!data:)", page)


def test_a_run_of_which_nothing_is_logged_has_a_page(run):
    text = text_of(as_page(run))
    assert "No step logged yet" in text
    assert "step 0 of 100" in text
    assert "Nothing is logged yet." in text
    assert "Samples" not in text.replace("samples appear", "")


def test_a_finished_run_is_told(full):
    lines(full.log, [{"step": s, "mse": 0.5} for s in range(1, 101)])
    text = text_of(as_page(full))
    assert "Finished" in text
    assert "left" not in text


def test_without_a_registry_no_figure_is_the_best(full):
    page = as_page(full)
    assert "dists, last 0.35" in text_of(page)
    assert 'class="best"' not in page
    assert as_page(full, installed()).count('class="best"') == 2


def test_a_figure_of_no_metric_has_no_best(full):
    lines(full.log.parent / "validation.jsonl", [{"step": 20, "my own figure": 0.5}])
    assert "my own figure, last 0.5" in text_of(as_page(full, installed()))


def test_what_is_torn_is_left_out(full):
    for name in ("train", "validation", "usage"):
        with (full.log.parent / f"{name}.jsonl").open("a") as log:
            log.write('{"step": 70, "mse": 0.')
    with (full.log.parent / "usage.jsonl").open("a") as log:
        log.write('\n[1]\n{"seconds": 3}\n{"step": 80, "seconds": 4}\n')
    (full.samples / "step-0000080.png").write_bytes(b"\x89PNG\r\n")
    (full.samples / "step-0000070.png").touch()
    (full.folder / "crash" / "1" / "report.json").write_text('{"step": 4')
    text = text_of(as_page(full))
    assert "60 of 100" in text
    assert "4 s/step" in text
    assert "step 60" in text
    assert "Crashed . The report: crash/1" in text


def test_steps_that_a_resumed_run_repeats_count_once(full):
    with (full.log.parent / "validation.jsonl").open("a") as log:
        log.write(json.dumps({"step": 40, "dists": 0.39}) + "\n")
    assert "dists, best, step 40 0.39" in text_of(as_page(full, installed()))


def test_names_are_text(full):
    name = "<img src=x onerror=alert(1)></script><script>alert(2)</script>"
    lines(full.log, [{"step": 1, name: 0.5, "b&\"'": 1}, {"step": 2, name: float("nan")}])
    lines(full.log.parent / "validation.jsonl", [{"step": 1, name: 0.5}])
    lines(full.log.parent / "usage.jsonl", [{"step": 1, "seconds": 1, name: 0.5}])
    lines(full.folder / "crash" / "1" / "report.json", [{"step": 1, "guilty": [name]}])
    page = as_page(full, installed())
    assert "<img src=x" not in page
    assert "<script>alert" not in page
    assert page.count("</script>") == page.count("<script>") == 2


def test_a_folder_without_a_run_is_told(tmp_path):
    with pytest.raises(UsageError, match="holds no run"):
        write_page(Run(tmp_path), tmp_path / "run.html")
    assert not (tmp_path / "run.html").exists()


def test_a_page_is_written_where_it_is_asked_for_and_replaced(full, tmp_path):
    path = tmp_path / "pages" / "first.html"
    for _ in range(2):
        assert write_page(full, path) == path
    assert path.read_text(encoding="utf-8").startswith("<!doctype html>")
    assert [each.name for each in path.parent.iterdir()] == ["first.html"]


def test_a_long_run_is_rendered_in_seconds_and_few_megabytes(full):
    with full.log.open("w") as log:
        log.writelines(f'{{"step": {s}, "mse": 0.{s % 97 + 1}, "l1": 0.5, "gan": {s % 7}}}\n'
                       for s in range(1, 100_001))  # fmt: skip
    noise = np.random.default_rng(0).integers(0, 255, (480, 360, 3), np.uint8)
    for step in range(1000, 101_000, 1000):
        assert cv2.imwrite(str(full.samples / f"step-{step:07d}.png"), noise)
    begun = time.process_time()
    page = as_page(full)
    assert time.process_time() - begun < 10
    assert 1e6 < len(page) < 8e6
    steps = [each["step"] for each in json.loads(re.search(r"const sheets = (.*);", page)[1])]
    assert 6 <= len(steps) <= 40
    assert (steps[0], steps[-1]) == (20, 100_000)


def test_rendering_loads_no_torch(full):
    code = (
        "import sys; from pathlib import Path; from toolkit.runs import Run;"
        "from toolkit.reporting.run_page import as_page; as_page(Run(Path(sys.argv[1])));"
        "sys.exit('torch' in sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code, str(full.folder)], check=True)


@pytest.mark.parametrize(
    ("seconds", "told"),
    [(0.4, "0 s"), (59.6, "1 min 0 s"), (3600, "1 h 0 min"), (1e6, "11 d 13 h")],
)
def test_durations(seconds, told):
    assert duration(seconds) == told


PROBE = """
  const time = document.getElementById("time"), sheet = document.getElementById("sheet");
  const before = sheet.src, told = [document.getElementById("step").value];
  time.value = 0;
  time.dispatchEvent(new Event("input"));
  told.push(document.getElementById("step").value, time.getAttribute("aria-valuetext"));
  told.push(sheet.src !== before, document.documentElement.scrollWidth <= innerWidth);
  const svg = document.querySelector("svg[data-readings]"), box = svg.getBoundingClientRect();
  svg.dispatchEvent(new PointerEvent("pointermove", {
    clientX: box.left + box.width / 2, clientY: box.top + box.height / 2 }));
  told.push(svg.querySelector(".reading").textContent);
  svg.dispatchEvent(new PointerEvent("pointerleave"));
  told.push(svg.querySelector(".reading"), faults.join());
  document.title = told.join("|");
"""


@pytest.mark.slow
def test_it_opens_without_an_error_and_the_slider_and_the_plots_answer(full, in_browser):
    told = in_browser(as_page(full, installed()), PROBE)
    assert told == "step 60|step 20|step 20|true|true|0.31 at step 40||"
