"""Named sets: each is complete, names its source, and has the published values."""

from __future__ import annotations

from pathlib import Path
from typing import get_args

import pytest

import toolkit
import toolkit_degradations
from toolkit.errors import OptionsError
from toolkit_degradations.options import BSRGANOptions, RealESRGANOptions
from toolkit_degradations.sets import SetName, read_set

NAMES = get_args(SetName)
OWN = {"scale", "parameters", "codec"}


def test_every_file_is_a_set_and_every_set_a_file():
    folder = Path(toolkit_degradations.__file__).parent / "sets"
    assert {path.stem for path in folder.iterdir()} == {*NAMES, "bsrgan"}


@pytest.mark.parametrize("name", [*NAMES, "bsrgan"])
def test_each_is_complete_and_names_its_source(name):
    found, model = read_set(name), BSRGANOptions if name == "bsrgan" else RealESRGANOptions
    assert found.options.keys() == model.model_fields.keys() - OWN
    assert found.title
    assert "https://" in found.source
    assert all(note.endswith(".") for note in found.notes)


@pytest.mark.parametrize("name", NAMES)
def test_a_set_gives_its_values_and_what_is_given_goes_before_it(name):
    plain = RealESRGANOptions(parameters=name)
    values = plain.model_dump(mode="json")
    assert {key: values[key] for key in read_set(name).options} == read_set(name).options
    changed = RealESRGANOptions(parameters=name, jpeg_range=[50, 51])
    assert changed.jpeg_range == (50, 51)
    assert changed.model_dump(exclude={"jpeg_range"}) == plain.model_dump(exclude={"jpeg_range"})
    assert plain.source == read_set(name).source


def test_values_that_papers_disagree_on():
    x4plus, stablesr, osediff, seesr, resshift = (
        RealESRGANOptions(parameters=name)
        for name in ("x4plus", "stablesr", "osediff", "seesr", "resshift")
    )
    assert RealESRGANOptions() == x4plus
    assert (x4plus.resize_range, stablesr.resize_range) == ((0.15, 1.5), (0.3, 1.5))
    assert (x4plus.noise_range, stablesr.noise_range) == ((1, 30), (1, 15))
    assert (x4plus.jpeg_range, stablesr.jpeg_range) == ((30, 95), (60, 95))
    assert (x4plus.poisson_scale_range2, stablesr.poisson_scale_range2) == ((0.05, 2.5), (0.05, 1))
    assert [each.sharpen for each in (x4plus, osediff, seesr, resshift)] == [1, 0, 1, 0]
    assert [each.second_order_prob for each in (x4plus, resshift)] == [1, 0.5]
    assert [each.kernel_range2 for each in (x4plus, osediff, seesr)] == [(7, 21), (7, 21), (3, 9)]


@pytest.mark.parametrize("name", NAMES)
def test_each_has_a_name_of_its_own_and_one_under_realesrgan(name):
    one, other = (toolkit.make("degradation", each) for each in (name, f"realesrgan:{name}"))
    assert [one.describe(0, index) for index in range(5)] == [
        other.describe(0, index) for index in range(5)
    ]


def test_bsrgan_is_found_under_realesrgan_too():
    one, other = (toolkit.make("degradation", each) for each in ("bsrgan", "realesrgan:bsrgan"))
    assert one.describe(0, 1) == other.describe(0, 1)


def test_an_unknown_set_is_named():
    with pytest.raises(OptionsError, match="x8plus"):
        toolkit.make("degradation", "realesrgan:x8plus")
