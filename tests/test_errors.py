"""Errors carry what to do next, and what the command returns."""

import inspect

import pytest

from toolkit import errors
from toolkit.errors import ToolkitError, UsageError

ALL = [kind for _, kind in inspect.getmembers(errors, inspect.isclass) if kind is not ToolkitError]
ALL = [kind for kind in ALL if kind.__module__ == errors.__name__]
ALL = [kind for kind in ALL if not issubclass(kind, errors.ToolkitWarning)]


@pytest.mark.parametrize("kind", ALL)
def test_every_error_is_caught_as_one_and_keeps_its_hint(kind):
    with pytest.raises(ToolkitError, match=r"^torn$") as told:
        raise kind("torn", "Delete it.")
    assert told.value.hint == "Delete it."
    assert kind("torn").hint == ""
    assert told.value.told == "torn\nDelete it."
    assert kind("torn").told == "torn"
    assert kind.__doc__


def test_wrong_use_is_told_apart_from_work_that_failed():
    wrong_use = {kind.__name__ for kind in ALL if kind.exit_code == 2}
    assert wrong_use == {"UsageError", "UnknownComponentError", "OptionsError", "DataError"}
    assert all(kind.exit_code == 1 for kind in ALL if not issubclass(kind, UsageError))
