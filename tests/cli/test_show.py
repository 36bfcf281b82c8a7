"""`toolkit show`."""

import shutil

import pytest

from toolkit.recipe import Recipe
from toolkit.runs import Run


@pytest.fixture
def run(trained, tmp_path):
    return shutil.copytree(trained, tmp_path / "my run")


def test_the_page_is_written_into_the_run(cli, run):
    result = cli("show", run)
    assert (result.code, result.out) == (0, f"{run}, step 2 of 2 → {run / 'run.html'}\n")
    page = (run / "run.html").read_text(encoding="utf-8")
    assert "<h1>my run</h1>" in page
    assert "Finished" in page


def test_the_page_is_written_where_it_is_asked_for_and_told_as_json(cli, run, tmp_path):
    page = tmp_path / "pages" / "mine.html"
    (run / "run.html").unlink(missing_ok=True)  # written when the training ended
    result = cli("show", run, "--out", page, "--format", "json")
    assert result.document == {
        "run": str(run), "page": str(page), "step": 2, "steps": 2, "bytes": page.stat().st_size,
    }  # fmt: skip
    assert not (run / "run.html").exists()


def test_the_page_is_opened_if_asked_for(cli, run, monkeypatch):
    opened = []
    monkeypatch.setattr("webbrowser.open", opened.append)
    cli("show", run)
    assert opened == []
    cli("show", run, "--open")
    assert opened == [(run / "run.html").as_uri()]


def test_a_run_that_has_logged_nothing_has_a_page(cli, tmp_path):
    Run(tmp_path / "new").create(Recipe())
    result = cli("show", tmp_path / "new")
    assert result.code == 0
    assert "step 0 of 2000" in result.out


def test_a_folder_without_a_run_is_told(mistake, tmp_path):
    assert "holds no run" in mistake("show", tmp_path)


def test_a_place_that_cannot_be_written_is_told(mistake, run, tmp_path):
    (tmp_path / "file").touch()
    assert "file" in mistake("show", run, "--out", tmp_path / "file" / "x.html", code=1)
