"""Trackers: what they are told, and that none of them stops a training."""

import pytest

from toolkit.component import Component, Options
from toolkit.errors import TrackerWarning, UnknownComponentError
from toolkit.recipe import Recipe, difference
from toolkit.registry import Registry
from toolkit.training.tracking import Trackers, make_trackers


class Told:
    """Notes what it is told, and raises in one of its methods."""

    def __init__(self, failing="", error=None):
        self.calls, self.failing = [], failing
        self.error = error or ConnectionError("no network")

    def _call(self, name, *arguments):
        self.calls.append((name, *arguments))
        if name == self.failing:
            raise self.error

    def begin(self, folder, recipe, step):
        self._call("begin", folder, recipe, step)

    def log(self, step, values):
        self._call("log", step, values)

    def image(self, step, name, path):
        self._call("image", step, name, path)

    def end(self, state):
        self._call("end", state)

    @property
    def names(self):
        return [call[0] for call in self.calls]


def follow(trackers, folder, steps=3):
    with trackers.following(folder, {"disc": "nad"}, 7):
        for step in range(steps):
            trackers.log(step, {"mse": 0.5})
        trackers.image(steps, "samples", folder / "x.png")


def test_a_tracker_is_told_all_of_a_run(tmp_path):
    told = Told()
    follow(Trackers({"told": told}), tmp_path, steps=1)
    assert told.calls == [
        ("begin", tmp_path, {"disc": "nad"}, 7),
        ("log", 0, {"mse": 0.5}),
        ("image", 1, "samples", tmp_path / "x.png"),
        ("end", "finished"),
    ]


@pytest.mark.parametrize(
    ("failing", "calls"),
    [
        ("begin", ["begin"]),
        ("log", ["begin", "log"]),
        ("image", ["begin", "log", "log", "log", "image"]),
        ("end", ["begin", "log", "log", "log", "image", "end"]),
    ],
)
def test_one_that_fails_is_turned_off_with_one_warning(tmp_path, failing, calls):
    rough, sound = Told(failing), Told()
    with pytest.warns(TrackerWarning, match="'rough'.*no network.*turned off.*goes on") as warned:
        follow(Trackers({"rough": rough, "sound": sound}), tmp_path)
    assert len(warned) == 1
    assert rough.names == calls
    assert sound.names == ["begin", "log", "log", "log", "image", "end"]


@pytest.mark.parametrize("error", [OSError(28, "No space left on device"), SystemExit(1),
                                   MemoryError(), ValueError()])  # fmt: skip
def test_nothing_that_it_raises_stops_the_training(tmp_path, error):
    with pytest.warns(TrackerWarning, match="'rough'"):
        follow(Trackers({"rough": Told("log", error)}), tmp_path)


def test_an_interruption_is_no_fault_of_a_tracker(tmp_path):
    with pytest.raises(KeyboardInterrupt):
        follow(Trackers({"told": Told("log", KeyboardInterrupt())}), tmp_path)


@pytest.mark.parametrize(
    ("error", "state"), [(KeyboardInterrupt(), "stopped"), (ValueError("x"), "failed")]
)
def test_the_end_of_a_run_that_raises_is_told(tmp_path, error, state):
    told = Told()
    with (
        pytest.raises(type(error)),
        Trackers({"told": told}).following(tmp_path, {}, 0),
    ):
        raise error
    assert told.calls[-1] == ("end", state)


def test_a_run_that_stops_early_is_told(tmp_path):
    told = Told()
    trackers = Trackers({"told": told})
    with trackers.following(tmp_path, {}, 0):
        trackers.stopped = True
    assert told.calls[-1] == ("end", "stopped")


class Named(Options):
    """Options of the tracker."""

    project: str = "mine"
    """A name."""


@pytest.fixture
def registry():
    made = Registry()
    made.add("my-plugin", [
        Component(kind="tracker", name="told", summary="", options=Named, variant="project",
                  build=lambda options, _context: Told(options.project)),
    ])  # fmt: skip
    return made


def tracked(*names):
    return Recipe.model_validate({"train": {"track": list(names)}})


def test_trackers_are_made_from_the_recipe_with_their_options(registry, tmp_path):
    for written in ("told:begin", {"use": "told", "project": "begin"}):
        trackers = make_trackers(tracked(written), registry)
        with pytest.warns(TrackerWarning, match="The tracker 'told' of my-plugin failed with Conn"):
            follow(trackers, tmp_path)


def test_an_unknown_tracker_is_told_at_once(registry):
    with pytest.raises(UnknownComponentError, match="Did you mean 'told'"):
        make_trackers(tracked("tolt"), registry)


def test_one_tracker_may_be_written_alone_and_none_twice():
    assert Recipe.model_validate({"train": {"track": "told"}}) == tracked("told")
    assert Recipe().train.track == ()
    with pytest.raises(ValueError, match="'told' is listed twice"):
        tracked("told", "told:other")


def test_trackers_may_change_when_a_run_is_resumed():
    assert difference(tracked(), tracked("told")) == []


def test_a_recipe_keeps_its_trackers(tmp_path):
    import tomllib

    for recipe in (tracked("a", {"use": "b", "project": "c"}), tracked("a"), tracked()):
        recipe.save(tmp_path / "recipe.toml")
        tables = tomllib.loads((tmp_path / "recipe.toml").read_text())
        assert Recipe.model_validate(tables) == recipe
