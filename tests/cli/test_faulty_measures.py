"""A metric or a row at fault is named and left out; every other is measured."""

import pytest

from toolkit.discovery import installed
from toolkit.errors import ComponentError
from toolkit.tables.measuring import measure

pytestmark = pytest.mark.usefixtures("faulty")


def test_metrics_at_fault_are_left_out_and_named(cli, photo_folder):
    lost = ["a-float", "a-number", "failing", "exits", "unmarked", "nothing"]
    asked = [word for name in [*lost, "mean", "psnr-y"] for word in ("--metric", name)]
    result = cli("eval", "--sr", photo_folder, "--hr", photo_folder, *asked, "--format", "json")
    assert result.code == 0, result.err
    assert list(result.document["metrics"]) == ["mean", "psnr-y"]
    assert result.document["metrics"]["mean"]["count"] == 3
    assert {each["metric"] for each in result.document["unavailable"]} == set(lost)
    for name in lost:
        assert f"{name}: The metric '{name}' of faulty-plugin " in result.err
    assert "returned 0.5 as a figure of each image, not a tensor [1]." in result.err
    assert "A word at work." in result.err


def test_of_metrics_that_are_left_out_debug_shows_the_traceback(cli, photo_folder, caplog):
    asked = ("eval", "--sr", photo_folder, "--metric", "failing", "--metric", "mean")
    cli(*asked)
    assert "in failing" not in caplog.text
    cli(*asked, "--debug")
    assert "in failing" in caplog.text


TABLE = """
title = "Mine"
place = "Here"
measures = "quality"
protocol = "As ever."
dataset = "realsr"
better = {{ mean = "higher", a-float = "higher" }}
[scales.pocket]
dataset = "folder:{folder}"
"""


def test_in_a_table_the_other_rows_and_columns_are_measured(
    cli, photo_folder, tmp_path, monkeypatch
):
    def run_measurements(measurements, *_):
        failures = {}
        for each in measurements:
            try:
                measure(each, installed(), lambda *_: None)
            except ComponentError as error:
                failures[each] = error.told
        return failures

    monkeypatch.setattr("toolkit.tables.quality.run_measurements", run_measurements)
    rows = "".join(
        f'[[rows]]\nlabel = "{name}"\nrecipe = {{ restorer = "{name}" }}\n'
        for name in ("blank", "raising", "as-small", "bicubic")
    )
    path = tmp_path / "mine.toml"
    path.write_text(TABLE.format(folder=photo_folder) + rows)
    asked = ("bench", "--table", path, "--scale", "pocket", "--work", tmp_path / "work")
    result = cli(*asked, "--format", "json")
    assert result.code == 1
    blank, broken, small, bicubic = result.document["rows"]
    assert blank["measured"] == {"mean": pytest.approx(0.5, abs=1e-2)}
    assert bicubic["measured"].keys() == {"mean"}
    [need] = broken["needs"]
    assert need.startswith("The restorer 'raising' of faulty-plugin failed with ValueError")
    assert result.document["failed"] == 2
    [need] = small["needs"]
    assert "could not be restored: The restorer 'as-small' of faulty-plugin returned" in need
    assert "This is a bug in faulty-plugin: report it" in need
    note = "a-float: The metric 'a-float' of faulty-plugin returned 0.5"
    assert all(row["notes"][0].startswith(note) for row in (blank, bicubic))
    assert cli(*asked).out.count(note) == 1


def test_in_a_table_of_costs_the_other_rows_are_counted(cli, tmp_path):
    path = tmp_path / "mine.toml"
    path.write_text(
        'title = "Mine"\nplace = "Here"\nmeasures = "complexity"\nprotocol = "As ever."\n'
        'better = { params_m = "lower" }\n'
        '[[rows]]\nlabel = "broken"\nrecipe = { restorer = "raising" }\n'
        '[[rows]]\nlabel = "right"\nrecipe = { disc = "nad:pocket" }\n'
    )
    result = cli("bench", "--table", path, "--scale", "pocket", "--format", "json")
    assert result.code == 1
    broken, right = result.document["rows"]
    assert broken["needs"][0].startswith("The restorer 'raising' of faulty-plugin failed with")
    assert right["measured"]["params_m"] > 0
