"""How components and options are written."""

import doctest
import tomllib

import pytest
import tomli_w
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from toolkit import specs
from toolkit.errors import UsageError
from toolkit.specs import Selection, parse_override

VALUES = st.one_of(
    st.integers(-(1 << 60), 1 << 60),
    st.booleans(),
    st.floats(allow_nan=False, allow_infinity=False),
    st.text(),
)


@pytest.mark.parametrize(
    ("written", "name", "variant", "options"),
    [
        ("nad", "nad", "", {}),
        ("nad:sdxl", "nad", "sdxl", {}),
        ("folder:C:/photos", "folder", "C:/photos", {}),
        ({"use": "nad:sdxl", "lora_rank": 8}, "nad", "sdxl", {"lora_rank": 8}),
        ({"use": "nad", "backbone": {"use": "pocket"}}, "nad", "", {"backbone": {"use": "pocket"}}),
        ({"use": "nad", "options": {"lora_rank": 8}}, "nad", "", {"lora_rank": 8}),
        (Selection(use="nad"), "nad", "", {}),
    ],
)
def test_selections_are_read(written, name, variant, options):
    selection = Selection.model_validate(written)
    assert (selection.name, selection.variant, selection.options) == (name, variant, options)


@pytest.mark.parametrize("written", ["", {}, {"lora_rank": 8}, {"use": 3}, 3, ["nad"]])
def test_what_names_no_component_is_refused(written):
    with pytest.raises(ValidationError):
        Selection.model_validate(written)


KEYS = st.text("abcdefghijklmnopqrstuvwxyz_", min_size=1).filter(lambda key: key != "use")


@given(st.text(min_size=1), st.dictionaries(KEYS, VALUES, max_size=3))
def test_selections_survive_toml(use, options):
    selection = Selection(use=use, options=options)
    text = tomli_w.dumps({"disc": selection.model_dump(mode="json")})
    assert Selection.model_validate(tomllib.loads(text)["disc"]) == selection


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("8", 8), ("1e-4", 1e-4), ("true", True), ('"8"', "8"), ("[1, 2]", [1, 2]),
        ("{ use = 'nad' }", {"use": "nad"}), ("nad:sdxl", "nad:sdxl"), ("~/photos", "~/photos"),
        ("", ""), ("a=b", "a=b"), (" 8 ", 8), ("1\nother = 2", "1\nother = 2"), ("1 # one", 1),
    ],
)  # fmt: skip
def test_values_are_toml_or_text(text, value):
    keys, parsed = parse_override(f"disc.lora_rank={text}")
    assert keys == ["disc", "lora_rank"]
    assert parsed == value
    assert type(parsed) is type(value)


@given(st.text().filter(lambda text: text == text.strip()))
def test_any_text_at_all_is_a_value(text):
    assert parse_override(f"data.folder={text}")[0] == ["data", "folder"]


@given(VALUES.filter(lambda value: not isinstance(value, str)))
def test_values_written_as_toml_come_back(value):
    written = tomli_w.dumps({"value": value}).partition("=")[2]
    assert parse_override(f"a.b={written}")[1] == value


@pytest.mark.parametrize("text", ["", "disc", "disc.lora_rank", "steps=3", "=3", ".a=3", "a.=3"])
def test_what_is_no_override_is_refused_with_an_example(text):
    with pytest.raises(UsageError, match=r"expected SLOT\.OPTION=VALUE") as told:
        parse_override(text)
    assert "--set train.lr=1e-4" in told.value.hint


def test_deeper_paths_are_split_too():
    assert parse_override("disc.backbone.use=sdxl") == (["disc", "backbone", "use"], "sdxl")


def test_examples():
    assert doctest.testmod(specs).failed == 0
