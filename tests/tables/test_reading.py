"""Where in a TOML file a value stands."""

import tomllib

import pytest

from toolkit.tables.reading import line_of

TEXT = """\
title = "t"
[better]
niqe = "lower"

[scales.pocket.recipe]
data = "photos"

[[rows]]
label = "one"
recipe = { disc = "nad", loss = "mse" }

[[rows]]
# A remark = with a sign
"label" = "two"
[rows.paper]
niqe = 3.5
"""


@pytest.mark.parametrize(
    ("place", "line"),
    [
        (("title",), 1),
        (("better", "niqe"), 3),
        (("better", "musiq"), 2),
        (("scales", "pocket", "recipe", "data"), 6),
        (("rows", 0, "label"), 9),
        (("rows", 0, "recipe", "loss"), 10),
        (("rows", 1, "label"), 14),
        (("rows", 1, "recipe"), 12),
        (("rows", 1, "paper", "niqe"), 16),
        (("rows", 2), None),
        ((), None),
    ],
)
def test_the_line_is_that_of_the_value_or_of_what_is_around_it(place, line):
    assert tomllib.loads(TEXT)
    assert line_of(TEXT, place) == line
