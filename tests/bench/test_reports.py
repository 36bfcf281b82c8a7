"""A measured table for programs, as lines, and as Markdown."""

import json

import pytest

from toolkit.bench.reports import as_lines, as_markdown, document, entry, more_lines, places
from toolkit.bench.tables import Table

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


def made_of(table, scale, measured=MEASURED):
    rows = [entry(row, *each) for row, each in zip(table.rows, measured, strict=True)]
    return document(table, scale, rows)


def test_a_document_has_everything_as_plain_values(made):
    assert json.loads(json.dumps(made)) == made
    assert made.keys() == {
        "table",
        "title",
        "place",
        "scale",
        "protocol",
        "columns",
        "rows",
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
    rows = [entry(row, {"psnr": psnr, "gmacs": 10 - psnr}, []) for row, psnr in
            zip([table.rows[0]] * 4, (1.0, 3.0, 2.0, 3.0), strict=True)]  # fmt: skip
    found = places(document(table, "pocket", rows))
    assert found == {
        (1, "psnr"): 1, (3, "psnr"): 1, (2, "psnr"): 2,
        (1, "gmacs"): 1, (3, "gmacs"): 1, (2, "gmacs"): 2,
    }  # fmt: skip


def test_rows_of_other_datasets_are_no_rivals(table):
    rows = [entry(table.rows[0], {"psnr": 1.0}, [], dataset=name) for name in ("a", "b", "a")]
    assert places(document(table, "paper", rows)) == {(0, "psnr"): 1, (2, "psnr"): 1}


def test_the_papers_figures_stand_in_brackets(made):
    assert as_lines(made) == [
        ["", "seconds", "params_m", "gmacs"],  # nobody has a psnr
        ["ours", "– (0.11)", "966.344", "2132.132 (2132)"],
        ["theirs", "–", "–", "– (75812)"],
    ]


def test_at_another_scale_the_papers_figures_are_no_comparison(table):
    made = made_of(table, "pocket")
    assert as_lines(made)[1:] == [["ours", "966.344", "2132.132"], ["theirs", "–", "–"]]


@pytest.mark.parametrize(
    ("value", "shown"),
    [(0.0, "0"), (100.0, "100"), (0.11, "0.11"), (173.8, "173.8"), (75812.4, "75812")],
)
def test_figures_are_shown_to_three_places_and_without_idle_zeros(table, value, shown):
    made = document(table, "pocket", [entry(table.rows[0], {"gmacs": value}, [])])
    assert as_lines(made)[1][-1] == shown


def test_all_figures_of_a_column_have_as_many_decimals(table):
    rows = [entry(table.rows[0], {"psnr": value}, []) for value in (9.14, 8.8841, 0.5)]
    shown = as_lines(document(table, "pocket", rows))
    assert [line[-1] for line in shown] == ["psnr", "9.140", "8.884", "0.500"]


def test_a_need_of_several_lines_stays_one_item(table):
    rows = [entry(table.rows[0], {}, ["It is not here.\ntoolkit weights fetch it"])]
    page = as_markdown(document(table, "pocket", rows))
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
