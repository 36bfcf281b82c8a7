"""The check of trackers: what they are told must stay as it was."""

import pytest

from toolkit.component import Component
from toolkit.testing import check_component


def check_tracker(build):
    """Gives a tracker all checks; `build` takes nothing."""
    summary = "Made for a test"
    check_component(
        Component(kind="tracker", name="rough", summary=summary, build=lambda *_: build())
    )


class Silent:
    """A tracker that shows nothing."""

    def begin(self, folder, recipe, step):
        self.folder, self.recipe = folder, recipe

    def log(self, step, values):
        assert step > 0

    def image(self, step, name, path):
        assert path.is_file()

    def end(self, state):
        assert state == "stopped"


class ChangesRecipe(Silent):
    def end(self, state):
        self.recipe["train"]["steps"] = 0


class ChangesValues(Silent):
    def log(self, step, values):
        values.clear()


class MovesImages(Silent):
    def image(self, step, name, path):
        path.rename(self.folder / "mine.png")


class WholeNumbers(Silent):
    def log(self, step, values):
        [round(value) for value in values.values()]


def test_a_tracker_passes_that_leaves_all_as_it_was():
    check_tracker(Silent)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (ChangesRecipe, "the recipe must not be modified"),
        (ChangesValues, "values must not be modified"),
        (MovesImages, "must not be moved"),
    ],
)
def test_a_tracker_that_changes_what_it_is_told_fails(wrong, message):
    with pytest.raises(AssertionError, match=message):
        check_tracker(wrong)


def test_a_tracker_that_takes_finite_values_only_fails():
    with pytest.raises(AssertionError, match=r"failed with ValueError: .*NaN"):
        check_tracker(WholeNumbers)
