"""A measured table for programs, as lines, and as Markdown."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from toolkit.evaluation.comparison import Difference
from toolkit.tables.claims import ClaimResult, RankResult
from toolkit.tables.comparison import RowDifference
from toolkit.tables.ranking import RankRange
from toolkit.tables.rendering.claims import claim_lines, claim_reasons
from toolkit.tables.rendering.page import as_page
from toolkit.tables.rendering.text import (
    as_lines,
    as_markdown,
    claim_tables,
    lines_of_claims,
    more_lines,
    ranks,
)
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


CLAIM = ClaimResult("A beats B", "a", "b", "contradicted", {"psnr": "worse"})
RANK = RankResult(
    claim="A is first",
    rank=["a"],
    among=["a", "b", "c"],
    at_most=1,
    at_least=None,
    on="most",
    outcome="undecided",
    share=0.25,
    level=0.99,
    by_metric={"psnr": RankRange(2, 1, 3, 0.25)},
    seeds=3,
)


def found():
    """The difference of a claim's rows, from the other row's side."""
    inner = Difference("higher", 9, 2.0, 1.5, 0.5, (0.1, 0.9), 0.99, 0.01, 0.04, "better")
    return RowDifference(
        "b", "a", "psnr", inner, 1.0, (0.4, 0.6), "better", family="claims", detectable=0.6
    )


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


def test_what_decided_a_claim_is_shown_beside_what_could_have_been(table):
    rows = [quality_row(table.rows[0], {"psnr": 1.5}, dataset="heldout")]
    result = quality_table(
        table, rows, claims=[CLAIM, RANK], differences=[found()], deciding=["psnr"]
    )
    [details, ranked] = claim_tables(result)
    assert details[1] == [
        ["A beats B", "psnr", "-0.5", "-0.9 to -0.1", "0.040", "0.6", "worse"],
    ]
    assert ranked[1] == [["A is first", "psnr", "2", "1 to 3", "25.0%"]]
    told = lines_of_claims(result)
    assert told[1] == "    psnr: difference -0.5, interval -0.9 to -0.1, p 0.040, detectable 0.6"
    assert told[2:4] == [
        "A is first: undecided (holds in 25.0% of draws)",
        "    psnr: rank 2, range 1 to 3, holds in 25.0%",
    ]
    page, text = as_page(result), as_markdown(result)
    assert "<td>-0.9 to -0.1</td>" in page
    assert "| A is first | psnr | 2 | 1 to 3 | 25.0% |" in text.splitlines()
    for words in ("hold together at 95 % (each at 99.00%)", "which is no test"):
        assert words in page
        assert words in text
    assert QualityTable.model_validate(json.loads(json.dumps(as_document(result)))) == result


def test_a_claim_without_a_verdict_tells_why():
    needs = ClaimResult("", "a", "b", "not measured", {}, ["b", "c"])
    assert claim_reasons(needs) == "(needs b, c)"
    one = replace(RANK, seeds=1)
    assert claim_reasons(one) == "(one training; holds in 25.0% of draws of the photographs)"
    assert claim_reasons(replace(RANK, share=None)) == "(no metric in common)"


@pytest.mark.parametrize("path", sorted(RESULTS.glob("*.md")), ids=lambda path: path.stem)
def test_the_results_that_are_kept_are_read_and_shown_as_they_were(path):
    """Older ones, too, which lack what has been added."""
    text = path.with_suffix(".json").read_text()
    result = QualityTable.model_validate_json(text)
    lines = [line for line in path.read_text().splitlines() if line.startswith(("#", "|", "- "))]
    assert [line for line in as_markdown(result).splitlines() if line in lines] == lines
    document = as_document(result)
    assert_holds(document, json.loads(text))
    assert QualityTable.model_validate(document) == result


def assert_holds(document, kept):
    """Everything that is kept is in the document."""
    if isinstance(kept, dict):
        for key, value in kept.items():
            assert_holds(document[key], value)
    elif isinstance(kept, list):
        assert len(document) == len(kept)
        for one, other in zip(document, kept, strict=True):
            assert_holds(one, other)
    else:
        assert document == kept
