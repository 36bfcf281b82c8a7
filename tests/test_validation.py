"""Wrong options are told by name."""

import pytest

from toolkit.component import Options
from toolkit.errors import OptionsError
from toolkit.validation import validate


class Settings(Options):
    file: str
    steps: int = 1


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({}, "thing: the option 'file' is missing."),
        ({"file": "a", "step": 2}, "thing: unknown option 'step' (did you mean 'steps'?)."),
        (
            {"file": "a", "steps": "many"},
            "thing: option 'steps' is 'many': input should be a valid",
        ),
    ],
)
def test_each_mistake_is_named(given, told):
    with pytest.raises(OptionsError) as error:
        validate(Settings, given, "thing")
    assert str(error.value).startswith(told)
    assert error.value.hint == "Its options: file, steps."


def test_the_line_of_a_file_is_told():
    with pytest.raises(OptionsError, match="line 7: option 'steps'"):
        validate(Settings, {"file": "a", "steps": "x"}, "thing", lambda _place: 7)
