"""Wrong options are told by name."""

import re
from typing import Annotated

import pytest
from pydantic import Discriminator, Tag

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


class Short(Options):
    word: str


class Long(Options):
    words: list[str]


def _kind(value):
    return "a long one" if "words" in value else "a short one"


class Either(Options):
    parts: list[
        Annotated[
            Annotated[Short, Tag("a short one")] | Annotated[Long, Tag("a long one")],
            Discriminator(_kind),
        ]
    ]


@pytest.mark.parametrize(
    ("part", "told"),
    [
        ({}, "the option 'parts.0.word' is missing"),
        ({"words": "w"}, "option 'parts.0.words' is 'w': input should be a valid list"),
        ({"words": [], "word": "w"}, "unknown option 'parts.0.word'"),
        ("w", "option 'parts.0' is 'w': input should be a valid dictionary"),
    ],
)
def test_the_place_does_not_name_the_member_of_a_union(part, told):
    places = []
    with pytest.raises(OptionsError, match=re.escape(told)):
        validate(Either, {"parts": [part]}, "thing", places.append)
    assert {each[:2] for each in places} == {("parts", 0)}
