"""`toolkit ui`."""

import contextlib
import webbrowser

import pytest

from toolkit.cli import ui as command


@pytest.fixture
def served(monkeypatch):
    """Replaces the server by one that is stopped as soon as it waits; returns what it was given."""
    given, opened = {}, []

    @contextlib.contextmanager
    def serving(offers, load, **more):
        given.update(more, offers=[each.label for each in offers], opened=opened)
        yield "http://127.0.0.1:7860/"

    class Stopped:
        def wait(self):
            raise KeyboardInterrupt

    class Browser:
        open = opened.append

    monkeypatch.setattr("toolkit.ui.server.serving", serving)
    monkeypatch.setattr(command.threading, "Event", Stopped)
    monkeypatch.setattr(command.signal, "signal", lambda *_: None)
    monkeypatch.setattr(webbrowser, "get", Browser)
    return given


def test_the_page_is_served_on_this_machine_alone_and_opened(cli, served):
    result = cli("ui")
    assert (result.code, result.out) == (0, "")
    assert result.err.splitlines() == [
        "Restore photographs at http://127.0.0.1:7860/ - Ctrl-C ends.",
        "", "Stopped; uploads and results are deleted.",
    ]  # fmt: skip
    assert (served["host"], served["port"], served["max_upload"]) == ("127.0.0.1", 7860, 200)
    assert served["offers"][0] == "pocket"
    assert served["opened"] == ["http://127.0.0.1:7860/"]


def test_other_machines_are_warned_of(cli, served):
    result = cli("ui", "--host", "0.0.0.0", "--port", 8000, "--no-browser")
    assert "Notice: whoever reaches port 8000 of this machine can use the page" in result.err
    assert served["opened"] == []


def test_a_browser_of_the_terminal_is_not_opened(cli, served, monkeypatch):
    browser = webbrowser.GenericBrowser("true")
    monkeypatch.setattr(browser, "open", served.setdefault("opened", []).append)
    monkeypatch.setattr(webbrowser, "get", lambda: browser)
    assert cli("ui").code == 0
    assert served["opened"] == []


def test_runs_and_restorers_are_offered_first(cli, served, trained):
    assert cli("ui", "--with", trained, "--with", "bicubic").code == 0
    assert served["offers"][:3] == ["run", "bicubic", "pocket"]


def test_a_wrong_restorer_is_told_before_anything_is_served(mistake, served):
    assert "no such restorer" in mistake("ui", "--with", "pockte")
    assert served == {}
