"""The length of trainings, from a budget."""

import dataclasses

import pytest

from toolkit.discovery import installed
from toolkit.errors import UsageError
from toolkit.tables import budget
from toolkit.tables.budget import Length, duration, parse_duration, plan_length, time_steps
from toolkit.tables.planning import plan_rows


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("3h", 10800), ("90m", 5400), ("1h30m", 5400), ("45 min", 2700), ("1.5h", 5400), ("20s", 20),
     ("2d", 172800)],
)  # fmt: skip
def test_durations(text, seconds):
    assert parse_duration(text) == seconds


@pytest.mark.parametrize("text", ["", "3", "h", "3 weeks", "-1h", "0h", "3h!"])
def test_what_is_no_duration(text):
    with pytest.raises(UsageError, match="is no duration"):
        parse_duration(text)


def test_a_duration_for_readers():
    assert [duration(each) for each in (40, 90, 3600, 10_030)] == [
        "40 s", "2 min", "1 h 00 min", "2 h 47 min",
    ]  # fmt: skip


@pytest.fixture
def planned(request_of):
    request = request_of()
    return plan_rows(request, request.table.rows[:2], installed())


def test_steps_fill_the_budget_and_are_recorded(planned, tmp_path, monkeypatch):
    monkeypatch.setattr(budget, "time_steps", lambda recipes, _workers: dict.fromkeys(recipes, 0.5))
    length = plan_length(planned, [], 600, 2, tmp_path)
    assert length == Length(1170, 2, 2, {"mse": 0.5}, 15.0)  # (600 * 2 - 2 * 15) / (2 * 0.5)
    assert length.total == pytest.approx(600)
    assert str(length) == "1 rows × 2 seeds × 1170 steps of 0.5 s, 2 at once: about 10 min"
    # A slower machine goes on with the same number.
    monkeypatch.setattr(budget, "time_steps", lambda *_: pytest.fail("timed again"))
    assert plan_length(planned, [], 600, 2, tmp_path) == length
    longer = [dataclasses.replace(row) for row in planned]
    with pytest.raises(pytest.fail.Exception, match="timed again"):
        plan_length(longer, [], 601, 2, tmp_path)


def test_a_budget_that_is_too_small(planned, tmp_path, monkeypatch):
    monkeypatch.setattr(budget, "time_steps", lambda recipes, _workers: dict.fromkeys(recipes, 0.5))
    with pytest.raises(UsageError, match="A budget of 10 s is too small for 1 rows with 2 seeds"):
        plan_length(planned, [], 10, 1, tmp_path)
    assert not list(tmp_path.glob("*.json"))


def test_nothing_is_trained(planned, tmp_path):
    assert plan_length(planned[1:], [], 600, 2, tmp_path) is None


@pytest.mark.slow
def test_a_step_is_timed(planned):
    recipe = planned[0].measurements[0].system
    timed = time_steps({"mse": recipe}, 1)
    assert 0 < timed["mse"] < 60
