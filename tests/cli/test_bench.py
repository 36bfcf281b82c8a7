"""`toolkit bench`: Table 3 as it is, without a network and without weights, and what it refuses."""

import json
import socket

import pytest

import toolkit
from toolkit.costs import components
from toolkit.costs.complexity import count_parameters
from toolkit.discovery import installed
from toolkit.tables import needs, reading
from toolkit.tables.measuring import measure

PEERS = {
    "stablesr-200": (83_827, 300, 1523.2),
    "diffbir-50": (24_519, 30, 1669.6),
    "seesr-50": (33_900, 100, 2251.7),
    "osediff": (2302, 5, 1506.0),
    "resshift-15": (4901.7, 2, 173.83),
    "sinsr": (2095, 3, 173.83),
}
"""G multiply-accumulates, their tolerance, and M parameters."""
POCKET = ("--table", 3, "--scale", "pocket", "--only", "dfosd")


def _refuse(*_arguments):
    raise AssertionError("nothing may ask a network")


@pytest.fixture(scope="module")
def table_3(cli, tmp_path_factory):
    """The whole of it, in the paper's setting, with an empty cache and no network."""
    home = tmp_path_factory.mktemp("cache") / "home"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TOOLKIT_HOME", str(home))
        patch.setenv("HF_HUB_OFFLINE", "1")
        patch.setattr(socket.socket, "connect", _refuse)
        result = cli("bench", "--table", 3, "--format", "json")
    assert result.code == 0, result.err
    assert not home.exists()
    return result


@pytest.fixture(scope="module")
def rows(table_3):
    """Its rows by label."""
    return {row["label"]: row for row in table_3.document["rows"]}


@pytest.fixture
def small(monkeypatch):
    """Counts for an image of 64 x 64 pixels."""
    monkeypatch.setattr(components, "SIDE", 64)


def test_stdout_is_one_document_and_nothing_else(table_3):
    document = table_3.document
    assert table_3.out == json.dumps(document, indent=2, ensure_ascii=False) + "\n"
    assert {"table", "scale", "protocol", "rows", "environment"} <= document.keys()
    assert (document["table"], document["scale"]) == (3, "paper")
    assert "512x512" in document["protocol"]
    assert document["environment"]["torch"]
    assert "Measuring 13/13" in table_3.err


def test_the_generator_costs_what_the_paper_says(rows):
    row, measured = rows["dfosd"], rows["dfosd"]["measured"]
    assert measured["params_m"] == pytest.approx(966.344, abs=0.005)
    assert measured["gmacs"] == pytest.approx(2132.3, abs=0.5)
    assert measured["params_m_everything_merged"] == pytest.approx(949.64, abs=0.005)
    assert measured["gmacs_everything_merged"] == pytest.approx(2217.7, abs=1)
    assert measured["params_m"] == pytest.approx(row["paper"]["params_m"], abs=0.05)
    assert measured["gmacs"] == pytest.approx(row["paper"]["gmacs"], abs=0.5)
    assert "seconds" not in measured  # it was not asked to time


def test_the_trunks_are_those_of_stable_diffusion(rows):
    trunks = {label: row["measured"].get("trunk_params_m") for label, row in rows.items()}
    assert trunks.pop("nad:sd21") == pytest.approx(351.66, abs=0.005)
    assert trunks.pop("nad:sdxl") == pytest.approx(1243.37, abs=0.005)
    assert set(trunks.values()) == {None}


@pytest.mark.parametrize("label", PEERS)
def test_a_peer_costs_what_is_known_of_it_and_says_why_the_paper_differs(rows, label):
    row, (gmacs, tolerance, params) = rows[label], PEERS[label]
    assert row["measured"]["gmacs"] == pytest.approx(gmacs, abs=tolerance)
    assert row["measured"]["params_m"] == pytest.approx(params, abs=0.1)
    assert row["remark"].startswith("With")


def test_tagger_and_guidance_are_told_apart(rows):
    macs = {label: row["measured"].get("gmacs", 0) for label, row in rows.items()}
    tagger = 156.2  # RAM's Swin-L and its head, at 384 pixels
    for label in ("seesr-50", "osediff"):
        assert macs[label] - macs[f"{label}, fixed prompt"] == pytest.approx(tagger, abs=0.1)
    for label in ("seesr-50", "diffbir-50"):
        assert 1.9 < macs[f"{label}, guided"] / macs[label] < 2


def test_every_row_is_measured(rows):
    assert {*PEERS, "dfosd"} < rows.keys()
    for row in rows.values():
        assert row["status"] == "measured"
        assert row["measured"]
        assert not row["needs"]


def test_the_pockets_own_count_stands_alone_and_it_is_timed_here(cli, small, monkeypatch, tmp_path):
    monkeypatch.setattr(components, "_ROUNDS", 1)
    result = cli("bench", *POCKET, "--time", "--out", tmp_path)
    assert result.code == 0, result.err
    generator = toolkit.make("generator", "one-step:pocket")
    own = count_parameters(generator.as_restorer("unmerged"), "paper") / 1e6
    [line] = [line for line in result.out.splitlines() if line.startswith("│ dfosd")]
    assert f"{own:.3f}" in line
    assert "(" not in line
    assert "966" not in result.out
    assert "pocket scale" in result.out
    measured = json.loads((tmp_path / "table3.json").read_text())["rows"][0]["measured"]
    assert measured["params_m"] == pytest.approx(own)
    for name in ("seconds", "seconds_diffusers", "times_as_fast"):
        assert measured[name] > 0
    ratio = measured["seconds_diffusers"] / measured["seconds"]  # of the one round
    assert measured["times_as_fast"] == pytest.approx(ratio)
    assert f"seconds_diffusers {measured['seconds_diffusers']:.4f}".rstrip("0") in result.out


def test_only_some_rows_in_the_order_asked_for(cli):
    result = cli("bench", "--table", 3, "--only", "sinsr", "--only", "seesr-50", "--format", "json")
    assert [row["label"] for row in result.document["rows"]] == ["sinsr", "seesr-50"]


def test_markdown_and_files_say_the_same(cli, small, tmp_path):
    out, asked = tmp_path / "new" / "folder", (*POCKET[:-1], "nad:sd21")
    printed = cli("bench", *asked, "--out", out, "--format", "markdown")
    assert printed.code == 0, printed.err
    assert sorted(path.name for path in out.iterdir()) == [
        "table3.html",
        "table3.json",
        "table3.md",
    ]
    page = (out / "table3.md").read_text()
    assert printed.out.strip() == page.strip()
    assert page.startswith("# Table 3: ")
    assert "| nad:sd21 |" in page
    written = json.loads((out / "table3.json").read_text())
    assert written == cli("bench", *asked, "--format", "json").document
    figure = written["rows"][0]["measured"]["gmacs"]
    assert f"{figure:.4f}".rstrip("0") in page


@pytest.fixture
def mine(tmp_path):
    """A small table of costs."""
    path = tmp_path / "mine.toml"
    path.write_text(
        'number = 12\ntitle = "Mine"\nplace = "Here"\nmeasures = "complexity"\n'
        'protocol = "As ever."\nbetter = { params_m = "lower" }\n'
        '[[rows]]\nlabel = "judge"\npaper = { params_m = 1.5 }\n'
        'recipe = { disc = { use = "nad:sd21:tiny", lora_rank = 2 } }\n'
        '[[rows]]\nlabel = "larger"\nrecipe = { disc = { use = "nad:sd21:tiny", lora_rank = 9 } }\n'
        '[[claims]]\nclaim = "A lower rank is smaller"\nless = "judge"\nthan = "larger"\n'
        'figure = "params_m"\n'
        '[[claims]]\nclaim = "By half"\nless = "judge"\nthan = ["larger"]\n'
        'figure = "params_m"\nratio = 0.5\n'
        '[[claims]]\nclaim = "And faster"\nless = "judge"\nthan = "larger"\nfigure = "seconds"\n'
    )
    return path


def test_a_table_of_ones_own(cli, small, mine, tmp_path):
    result = cli("bench", "--table", mine, "--out", tmp_path / "out")
    assert result.code == 0, result.err
    assert {path.name for path in (tmp_path / "out").iterdir()} == {
        "mine.html",
        "mine.json",
        "mine.md",
    }
    document = json.loads((tmp_path / "out" / "mine.json").read_text())
    assert (document["table"], document["title"]) == (12, "Mine")
    figure = document["rows"][0]["measured"]["params_m"]
    # In the paper's setting, the paper's figure stands beside ours.
    assert f"{figure:.4f}".rstrip("0") + " (1.5)" in result.out
    assert result.out.rstrip().endswith("As ever.")
    outcomes = [claim["outcome"] for claim in document["claims"]]
    assert outcomes == ["reproduced", "contradicted", "not measured"]
    share = figure / document["rows"][1]["measured"]["params_m"]
    assert f"A lower rank is smaller: reproduced ({share:.1%} of larger's; at most 100.0%)" in (
        result.out
    )
    assert "And faster: not measured (needs seconds of judge, larger)" in result.out


def test_all_tables_have_an_index(cli, small, mine, tmp_path, monkeypatch):
    monkeypatch.setattr(reading, "names_of_tables", lambda: [str(mine)])
    result = cli("bench", "--all", "--out", tmp_path / "out", "--format", "json")
    assert result.code == 0, result.err
    assert [each["title"] for each in result.document] == ["Mine"]
    page = (tmp_path / "out" / "index.html").read_text()
    assert 'href="mine.html"' in page
    assert "Claims: 1 reproduced, 1 contradicted, 1 not measured." in page


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--table", "4711"], "Tables: 1, 2, 3, 4, 5, 6"),
        (["--table", "3", "--only", "dfsod"], "The table has no row 'dfsod'"),
        (["--table", "torn.toml"], "The table torn.toml cannot be read"),
        (["--table", "more.toml"], "line 1: unknown option 'colour'"),
        (["--table", "torn.toml"], "line 1"),
        (["--table", "3", "--out", "torn.toml/below"], "Cannot write into torn.toml/below"),
        (["--table", "3", "--out", "torn.toml"], "Cannot write into torn.toml"),
    ],
)
def test_a_mistake_is_named_before_anything_is_measured(
    mistake, tmp_path, monkeypatch, arguments, told
):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "torn.toml").write_text("number = \nmore = 1")
    (tmp_path / "more.toml").write_text("colour = 'red'")
    error = mistake("bench", *arguments)
    assert told in error
    assert "Measuring" not in error


def test_a_row_of_a_wrong_slot_is_a_mistake_too(mistake, tmp_path):
    path = tmp_path / "mine.toml"
    path.write_text(
        'number = 1\ntitle = "t"\nplace = "p"\nmeasures = "complexity"\nprotocol = "p"\n'
        'better = {}\n[[rows]]\nlabel = "a"\nrecipe = { generator = "one-step" }\n'
    )
    assert "there is no slot 'generator'" in mistake("bench", "--table", path)


def test_a_row_that_is_misspelled_is_told_and_ends_with_1(cli, small, tmp_path, monkeypatch):
    # As if the paper's tables had a system that no plugin supplies.
    monkeypatch.setattr(needs, "_named_in_tables", lambda: frozenset({"restorer/rival"}))
    path = tmp_path / "mine.toml"
    path.write_text(
        'title = "Mine"\nplace = "Here"\nmeasures = "complexity"\nprotocol = "As ever."\n'
        'better = { params_m = "lower" }\n'
        '[[rows]]\nlabel = "slip"\nrecipe = { gen = "one-stepp:pocket" }\n'
        '[[rows]]\nlabel = "right"\nrecipe = { disc = "nad:pocket" }\n'
        '[[rows]]\nlabel = "peer"\nrecipe = { restorer = "rival" }\n'
    )
    result = cli("bench", "--table", path, "--scale", "pocket", "--format", "json")
    assert result.code == 1
    slip, right, peer = result.document["rows"]
    assert slip["needs"][0].startswith(
        "There is no generator named 'one-stepp'. Did you mean 'one-step'?"
    )
    assert right["status"] == "measured"
    assert peer["needs"][0].startswith("The restorer 'rival' is not installed")
    only = cli("bench", "--table", path, "--scale", "pocket", "--only", "peer")
    assert only.code == 0


def test_a_row_that_fails_is_told_and_stops_no_other(cli, photo_folder, tmp_path, monkeypatch):
    def run_measurements(measurements, *_):
        for each in measurements[1:]:
            measure(each, installed(), lambda *_: None)
        return {measurements[0]: "It broke."}

    monkeypatch.setattr("toolkit.tables.quality.run_measurements", run_measurements)
    monkeypatch.setenv("TOOLKIT_HOME", str(tmp_path / "home"))
    path = tmp_path / "mine.toml"
    path.write_text(
        f'title = "Mine"\nplace = "Here"\nmeasures = "quality"\nprotocol = "As ever."\n'
        f'dataset = "realsr"\nbetter = {{ psnr = "higher" }}\n'
        f'[scales.pocket]\ndataset = "folder:{photo_folder}"\ncolumns = []\nreferences = []\n'
        f'[[rows]]\nlabel = "a"\nrecipe = {{ restorer = "bicubic" }}\n'
        f'[[rows]]\nlabel = "b"\nrecipe = {{ restorer = "lanczos" }}\n'
    )
    asked = ("--table", path, "--scale", "pocket", "--work", tmp_path / "work", "--format", "json")
    result = cli("bench", *asked)
    assert result.code == 1
    broken, other = result.document["rows"]
    assert (broken["status"], broken["needs"]) == ("needs", ["It broke."])
    assert other["status"] == "measured"


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ((), "Say which table."),
        (("--table", "6", "--all", "--out", "x"), "exclude each other"),
        (("--all",), "--all needs a folder."),
        (("--all", "--only", "nad", "--out", "x"), "leave out --only"),
        (("--table", "6", "--budget", "3 weeks"), "'3 weeks' is no duration"),
        (("--table", "6", "--budget", "3h", "--gpu-hours", "2"), "exclude each other"),
        (("--table", "6", "--on", "mars"), "there is no such place"),
    ],
)
def test_what_excludes_each_other(mistake, arguments, told, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert told in mistake("bench", *arguments)
    assert not list(tmp_path.iterdir())
