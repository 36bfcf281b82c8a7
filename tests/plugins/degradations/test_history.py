"""Histories survive JSON, and what is no history is refused by name."""

from __future__ import annotations

import json

import pytest

import toolkit
from toolkit.errors import DataError
from toolkit_degradations.history import Jpeg, Resize, read_history, to_data

NAMES = ["realesrgan", "bsrgan", "bicubic", "bicubic+noise", "jpeg"]


@pytest.mark.parametrize("name", NAMES)
def test_a_history_survives_json(name):
    degradation = toolkit.make("degradation", name)
    for index in range(50):
        told = degradation.describe(3, index)
        assert to_data(read_history(json.loads(json.dumps(told)))) == told


def test_it_is_told_in_order_with_all_that_decides():
    told = to_data((Resize(mode="bicubic", of="lr"), Jpeg(quality=60)))
    assert told == [
        {"step": "resize", "mode": "bicubic", "factor": 1.0, "of": "lr"},
        {"step": "jpeg", "quality": 60.0},
    ]


@pytest.mark.parametrize(
    ("data", "named"),
    [
        ([{"step": "jepg", "quality": 60}], "jepg"),
        ([{"quality": 60}], "step"),
        ([{"step": "jpeg"}], "quality"),
        ([{"step": "jpeg", "quality": 0}], "quality"),
        ([{"step": "jpeg", "quality": float("nan")}], "quality"),
        ([{"step": "blur", "shape": "iso", "size": 8, "sigma": [1, 1]}], "odd number"),
        ([{"step": "blur", "shape": "iso", "size": 9, "sigma": [0, 1]}], "sigma"),
        ([{"step": "resize", "mode": "bicubic", "factor": 100}], "factor"),
        ([{"step": "jpeg", "quality": 60, "speed": 1}], "speed"),
        ([17], "step 0"),
        (17, "list of steps"),
    ],
)
def test_what_is_no_history_is_refused(data, named):
    with pytest.raises(DataError, match=named) as caught:
        read_history(data)
    assert "describe" in caught.value.hint
