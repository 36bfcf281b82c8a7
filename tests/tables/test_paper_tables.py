"""The paper's tables as data: their figures, their rows, and a user's own."""

import pytest

from toolkit.costs import components
from toolkit.discovery import installed
from toolkit.errors import OptionsError, UsageError
from toolkit.tables.costs import row_costs
from toolkit.tables.reading import PAPER_TABLES, read_table, select_rows, table_path
from toolkit.tables.spec import ROW_SLOTS

FILES = sorted(PAPER_TABLES.glob("table*.toml"))
COSTS = [path for path in FILES if read_table(str(path)).measures == "complexity"]
QUALITY = [path for path in FILES if path not in COSTS]
PEERS = {
    "stablesr-200": (11.50, 1400, 75812),
    "diffbir-50": (7.79, 1600, 24528),
    "seesr-50": (5.93, 2000, 32336),
    "resshift-15": (0.71, 173.8, 4903),
    "sinsr": (0.16, 173.8, 2059),
    "osediff": (0.35, 1400, 2269),
    "dfosd": (0.11, 966.3, 2132),
}
"""Seconds, parameters in millions and GMACs of Table 3."""

SUMS = {
    1: {"niqe": 102.7748, "musiq": 1157.66, "maniqa": 11.8102, "clipiqa": 14.0291},
    2: {"psnr": 480.56, "ssim": 13.5449, "lpips": 6.132, "dists": 3.4046},
    4: {"niqe": 7.8519, "musiq": 136.47, "maniqa": 1.2542, "clipiqa": 1.308},
    5: {"niqe": 21.1025, "musiq": 340.87, "maniqa": 3.0073, "clipiqa": 3.2124},
    6: {"niqe": 18.6443, "musiq": 270.94, "maniqa": 2.4738, "clipiqa": 2.5719},
}
"""Of every column of the paper's tables of quality."""

OWN = """
number = 12
title = "Mine"
place = "Here"
measures = "complexity"
protocol = "As ever."
better = { params_m = "lower" }
[[rows]]
label = "small"
recipe = { gen = "one-step:pocket" }
"""


@pytest.fixture
def own(tmp_path):
    """Writes a table of one's own."""

    def write(text=OWN):
        path = tmp_path / "mine.toml"
        path.write_text(text)
        return str(path)

    return write


def test_table_3_has_the_papers_figures():
    table = read_table("3")
    names = ("seconds", "params_m", "gmacs")
    found = {row.label: tuple(row.paper[name] for name in names) for row in table.rows if row.paper}
    assert found == PEERS
    assert table.number == 3
    assert table.directions == dict.fromkeys(names, "lower")
    steps = {row.label: row.paper["steps"] for row in table.rows if row.paper}
    for label, count in steps.items():
        assert count == int(label.rpartition("-")[2] if "-" in label else 1)


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_every_table_that_ships_is_well_formed(path):
    table = read_table(str(path))
    assert path.stem == f"table{table.number}"
    assert table_path(str(table.number)) == path
    labels = [(row.label, row.dataset) for row in table.rows]
    assert len(set(labels)) == len(labels) > 0


def test_all_tables_of_the_paper_are_there():
    assert [path.stem for path in FILES] == [f"table{number}" for number in range(1, 7)]


@pytest.mark.parametrize("path", QUALITY, ids=lambda path: path.stem)
def test_a_table_of_quality_has_the_papers_figures(path):
    """As a sum over all of them, which a slip of a digit changes."""
    table = read_table(str(path))
    found = {name: round(sum(row.paper.get(name, 0) for row in table.rows), 4)
             for name in table.directions}  # fmt: skip
    assert found == SUMS[table.number]


@pytest.mark.parametrize(
    "row",
    [
        pytest.param(row, id=f"{path.stem}-{row.label}")
        for path in COSTS
        for row in read_table(str(path)).rows
    ],
)
def test_every_row_is_measured_or_says_what_is_not_installed(row, monkeypatch):
    monkeypatch.setattr(components, "SIDE", 64)
    # It is made, and counted elsewhere.
    monkeypatch.setattr(components, "_count_generator", lambda *_: {"params_m": 1.0, "gmacs": 1.0})
    costs = row_costs(row, installed(), "pocket")
    measured, needs = costs.figures, costs.lacks
    slot, spec = next(iter(row.recipe.items()))
    if needs:
        assert measured == {}
        told = f"The {ROW_SLOTS[slot]} {spec!r} is not installed, and no plugin of the toolkit's"
        assert needs.needs == [f"{told} supplies it."]
        assert needs.faults == []
    else:
        assert measured["params_m"] > 0
        assert measured["gmacs"] > 0


def test_every_row_of_ones_own_component_names_one_that_exists():
    for path in COSTS:
        for row in read_table(str(path)).rows:
            for slot, spec in row.recipe.items():
                if slot != "restorer":
                    installed().find(ROW_SLOTS[slot], spec.partition(":")[0])


def test_an_unknown_table_is_told_with_those_there_are():
    with pytest.raises(UsageError, match="no table '4711'") as told:
        read_table("4711")
    assert "Tables: 1, 2, 3, 4, 5, 6, ablation" in told.value.hint
    assert "--table my.toml" in told.value.hint


@pytest.mark.parametrize("name", ["", ".", "~nobody-of-this-name/x.toml", "x" * 5000])
def test_what_can_be_no_file_is_an_unknown_table(name):
    with pytest.raises(UsageError, match="There is no table"):
        read_table(name)


def test_a_table_of_ones_own(own):
    table = read_table(own())
    assert (table.number, table.title, table.rows[0].label) == (12, "Mine", "small")
    assert table.rows[0].paper == {}


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("protocol =", "protocl =", "did you mean 'protocol'"),
        ('label = "small"', 'label = "small"\nlevel = 3', "rows.0.level"),
        ('title = "Mine"\n', "", "'title'"),
        ('"complexity"', '"beauty"', "'measures' is 'beauty'"),
        ('"lower"', '"smaller"', "'better.params_m' is 'smaller'"),
        ('label = "small"', 'label = ""', "rows.0.label"),
        ('{ gen = "one-step:pocket" }', "{}", "names no component"),
        ("gen =", "generator =", "no slot 'generator'"),
        ('"one-step:pocket"', "7", "gen = 7 names no component"),
        ('"one-step:pocket"', '""', "names no component"),
    ],
)
def test_what_is_wrong_in_a_table_is_named(own, old, new, told):
    assert old in OWN
    path = own(OWN.replace(old, new, 1))
    with pytest.raises(OptionsError) as error:
        read_table(path)
    assert told in str(error.value)
    assert path in str(error.value)


@pytest.mark.parametrize("content", [b"number = ", b"\xff\xfe\x00"])
def test_a_file_that_is_no_toml_is_told(tmp_path, content):
    path = tmp_path / "mine.toml"
    path.write_bytes(content)
    with pytest.raises(UsageError, match="cannot be read") as told:
        read_table(str(path))
    assert str(path) in str(told.value)


def test_rows_are_chosen_by_label():
    table = read_table("3")
    assert select_rows(table, []) == table.rows
    assert [row.label for row in select_rows(table, ["dfosd", "sinsr"])] == ["dfosd", "sinsr"]
    with pytest.raises(UsageError, match="no row 'dfsod'") as told:
        select_rows(table, ["dfosd", "dfsod"])
    assert all(row.label in told.value.hint for row in table.rows)


SCORED = OWN.replace('"complexity"', '"quality"\ndataset = "photos"')
RANKED = """
[[rows]]
label = "large"
recipe = { gen = "one-step:sd21" }
[[claims]]
claim = "The small one is in front"
rank = "small"
at_most = 1
"""


def test_a_claim_on_ranks(own):
    [claim] = read_table(own(SCORED + RANKED)).claims
    assert (claim.rank, claim.at_most, claim.among, claim.on) == (["small"], 1, [], "most")


def test_a_claim_suits_what_its_table_measures(own):
    with pytest.raises(OptionsError, match="does not suit a table that measures complexity"):
        read_table(own(OWN + RANKED))
    costs = RANKED.replace(
        'rank = "small"\nat_most = 1', 'less = "small"\nthan = "large"\nfigure = "x"'
    )
    assert read_table(own(OWN + costs)).claims[0].than == ["large"]
    with pytest.raises(OptionsError, match="does not suit a table that measures quality"):
        read_table(own(SCORED + costs))


@pytest.mark.parametrize(
    ("new", "told"),
    [
        ("at_least = 1", "line 19: option 'claims.0.at_least' is 1"),
        ("", "it needs either at_most or at_least, such as at_most = 2"),
        ("at_most = 1\nat_least = 2", "it needs either at_most or at_least"),
        ('at_most = 2\namong = ["large"]', "rank 3 cannot be taken among 2 rows"),
        ("at_most = 5", "rank 6 cannot be taken among 2 rows"),
        ('at_most = 1\namong = ["huge"]', "names a row 'huge' there is not"),
        (
            'at_most = 1\nmetrics = ["niqe"]',
            "names a column 'niqe' there is not; columns: params_m",
        ),
        ('at_most = 1\nbetter = "large"', "unknown option 'claims.0.better'"),
        ('at_most = 1\non = "few"', "'most', 'all' or 'any'"),
    ],
)
def test_what_is_wrong_in_a_claim_on_ranks_is_named(own, new, told):
    path = own(SCORED + RANKED.replace("at_most = 1", new))
    with pytest.raises(OptionsError) as error:
        read_table(path)
    assert told in str(error.value)
