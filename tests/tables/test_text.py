"""A measured table for programs, as lines, and as Markdown."""

import json
from pathlib import Path

import pytest

from toolkit.tables.claims import ClaimResult
from toolkit.tables.rendering.claims import claim_lines
from toolkit.tables.rendering.page import as_page
from toolkit.tables.rendering.text import as_lines, as_markdown, more_lines, ranks
from toolkit.tables.result import (
    QualityRow,
    QualityTable,
    as_document,
    costs_table,
    row_result,
)
from toolkit.tables.spec import Table

RESULTS = Path(__file__).parents[2] / "benchmarks" / "results"
ROWS = [
    {"label": "ours", "recipe": {"gen": "one-step"}, "paper": {"seconds": 0.11, "gmacs": 2132}},
    {"label": "theirs", "recipe": {"restorer": "other"}, "paper": {"gmacs": 75812}},
]
MEASURED = [
    ({"gmacs": 2132.1318, "params_m": 966.343595, "trunk": 1.5}, []),
    ({}, ["The restorer 'other' is not installed."]),
]


@pytest.fixture
def table():
    return Table(
        number=3,
        title="Complexity",
        place="Paper, Table 3",
        measures="complexity",
        protocol="One image.",
        better={"seconds": "lower", "params_m": "lower", "gmacs": "lower", "psnr": "higher"},
        rows=ROWS,
    )


@pytest.fixture
def made(table):
    return made_of(table, "paper")


def made_of(table, setting, measured=MEASURED):
    rows = [row_result(row, *each) for row, each in zip(table.rows, measured, strict=True)]
    return costs_table(table, setting, rows)


def quality_row(row, measured, **more):
    """A row of quality of which the figures alone are known."""
    known = row_result(row, measured, []).model_dump()
    return QualityRow(
        **known, tag="whole", seeds=[], columns={}, notes=[], folders=[], photographs="", **more
    )


def quality_table(table, rows, **more):
    """A table of quality in the paper's setting."""
    known = costs_table(table, "paper", []).model_dump() | {"rows": rows} | more
    statistics = {"interval": "wide", "tests": "many"}
    parts = {"differences": [], "claims": [], "statistics": statistics}
    return QualityTable(about="", tag="whole", quick=False, **{**parts, **known})


def test_a_document_has_everything_as_plain_values(made):
    made = as_document(made)
    assert json.loads(json.dumps(made)) == made
    assert made.keys() == {
        "table",
        "title",
        "place",
        "scale",
        "protocol",
        "columns",
        "rows",
        "failed",
        "environment",
    }
    assert made["environment"].keys() == {"python", "platform", "torch", "toolkit"}
    ours, theirs = made["rows"]
    assert (ours["status"], ours["needs"], ours["measured"]) == ("measured", [], MEASURED[0][0])
    assert (theirs["status"], theirs["measured"]) == ("needs", {})
    assert theirs["needs"] == ["The restorer 'other' is not installed."]
    assert theirs["recipe"] == {"restorer": "other"}
    assert theirs["paper"] == {"gmacs": 75812}


def test_best_and_second_best_are_found_in_the_columns_direction(table):
    rows = [row_result(row, {"psnr": psnr, "gmacs": 10 - psnr}, []) for row, psnr in
            zip([table.rows[0]] * 4, (1.0, 3.0, 2.0, 3.0), strict=True)]  # fmt: skip
    found = ranks(costs_table(table, "pocket", rows))
    assert found == {
        (1, "psnr"): 1, (3, "psnr"): 1, (2, "psnr"): 2,
        (1, "gmacs"): 1, (3, "gmacs"): 1, (2, "gmacs"): 2,
    }  # fmt: skip


def test_rows_of_other_datasets_are_no_rivals(table):
    rows = [quality_row(table.rows[0], {"psnr": 1.0}, dataset=name) for name in ("a", "b", "a")]
    assert ranks(quality_table(table, rows)) == {(0, "psnr"): 1, (2, "psnr"): 1}


def test_the_papers_figures_stand_in_brackets(made):
    assert as_lines(made) == [
        ["", "seconds", "params_m", "gmacs"],  # nobody has a psnr
        ["ours", "– (0.11)", "966.344", "2132.132 (2132)"],
        ["theirs", "–", "–", "– (75812)"],
    ]


def test_in_another_setting_the_papers_figures_are_no_comparison(table):
    made = made_of(table, "pocket")
    assert as_lines(made)[1:] == [["ours", "966.344", "2132.132"], ["theirs", "–", "–"]]


@pytest.mark.parametrize(
    ("value", "shown"),
    [(0.0, "0"), (100.0, "100"), (0.11, "0.11"), (173.8, "173.8"), (75812.4, "75812")],
)
def test_figures_are_shown_to_three_places_and_without_idle_zeros(table, value, shown):
    made = costs_table(table, "pocket", [row_result(table.rows[0], {"gmacs": value}, [])])
    assert as_lines(made)[1][-1] == shown


def test_all_figures_of_a_column_have_as_many_decimals(table):
    rows = [row_result(table.rows[0], {"psnr": value}, []) for value in (9.14, 8.8841, 0.5)]
    shown = as_lines(costs_table(table, "pocket", rows))
    assert [line[-1] for line in shown] == ["psnr", "9.140", "8.884", "0.500"]


def test_a_need_of_several_lines_stays_one_item(table):
    rows = [row_result(table.rows[0], {}, ["It is not here.\ntoolkit weights fetch it"])]
    page = as_markdown(costs_table(table, "pocket", rows))
    assert "- ours: It is not here.  \n  toolkit weights fetch it\n" in page


def test_what_else_was_measured_and_what_rows_need(made):
    assert more_lines(made) == [
        "ours: trunk 1.5",
        "theirs: The restorer 'other' is not installed.",
    ]


def test_markdown_is_a_page_with_one_table(made):
    lines = as_markdown(made).splitlines()
    assert lines[0] == "# Table 3: Complexity"
    assert "Scale: paper." in lines[2]
    rows = [line for line in lines if line.startswith("|")]
    assert rows == [
        "|  | seconds | params_m | gmacs |",
        "| --- | ---: | ---: | ---: |",
        "| ours | – (0.11) | 966.344 | 2132.132 (2132) |",
        "| theirs | – | – | – (75812) |",
    ]
    assert "- theirs: The restorer 'other' is not installed." in lines
    assert lines[-1] == "One image."


def test_a_claim_is_told_with_what_decided_it_whatever_its_words(table):
    by_metric = {"niqe": "better", "lpips": "no difference shown", "dists": "better"}
    claim = ClaimResult("What reproduced is better", "a", "b", "reproduced", by_metric)
    reasons = "(better by niqe, dists; no difference shown by lpips)"
    result = quality_table(table, [], claims=[claim])
    assert claim_lines(result) == [f"{claim.claim}: reproduced {reasons}"]
    shown = "<span class='outcome'>reproduced</span> <span class='soft'>"
    assert f"<li>{claim.claim}: {shown}{reasons}</span></li>" in as_page(result)


@pytest.mark.parametrize("path", sorted(RESULTS.glob("*.md")), ids=lambda path: path.stem)
def test_the_results_that_are_kept_are_read_and_shown_as_they_were(path):
    text = path.with_suffix(".json").read_text()
    result = QualityTable.model_validate_json(text)
    lines = [line for line in path.read_text().splitlines() if line.startswith(("#", "|", "- "))]
    assert [line for line in as_markdown(result).splitlines() if line in lines] == lines
    document, kept = as_document(result), json.loads(text)
    later = {"degradation", "made_by"}  # which is not in results that are older
    assert drop(document, later) == drop(kept, later)
    assert QualityTable.model_validate(document) == result


def drop(document, keys):
    """The document without some keys, of its own and of its rows."""
    rows = [{k: v for k, v in row.items() if k not in keys} for row in document["rows"]]
    return {k: v for k, v in document.items() if k not in keys} | {"rows": rows}
