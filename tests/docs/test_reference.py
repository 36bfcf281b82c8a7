"""The reference has every command, option, component and name, as the code has them now."""

import json
import re

import pytest
import typer
from typer.testing import CliRunner

import toolkit
from documentation.options import model_fields, type_of
from documentation.reference import reference
from toolkit import plugin, testing
from toolkit.cli.app import app
from toolkit.component import KINDS
from toolkit.discovery import installed
from toolkit.recipe.settings import Training
from toolkit.tables.spec import Table

PAGES = reference()


def sections(text):
    """The text below each heading of level 2, by the heading."""
    parts = re.split(r"^## (.*)$", text, flags=re.MULTILINE)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


def commands(group, names=("toolkit",)):
    for name, command in group.commands.items():
        if hasattr(command, "commands"):
            yield from commands(command, (*names, name))
        elif not command.hidden:
            yield " ".join((*names, name)), command


@pytest.mark.parametrize(
    ("name", "command"), [*commands(typer.main.get_command(app))], ids=lambda each: str(each)[:30]
)
def test_a_command_has_its_options(name, command):
    text = sections(PAGES["reference/commands.md"])[f"`{name}`"]
    for parameter in command.params:
        for option in parameter.opts if parameter.param_type_name == "option" else ():
            assert re.search(rf"^`(.*, )?{option}\b", text, re.MULTILINE), option
        assert " ".join((parameter.help or "").split()) in text
    assert "\nExamples:" not in text


@pytest.mark.parametrize("kind", KINDS)
def test_a_kind_has_its_components_with_their_options(kind):
    found = sections(PAGES[f"reference/components/{kind}.md"])
    components = installed().components(kind)
    assert [f"`{each.name}`" for each in components] == list(found)
    for component in components:
        text = found[f"`{component.name}`"]
        assert f"{component.summary}." in text
        for name, field in component.options.model_fields.items():
            assert f"`{name}`" in text
            assert " ".join(field.description.split()) in text


def test_the_plugin_api_has_every_name():
    text = PAGES["reference/plugin-api.md"]
    for name in plugin.__all__:
        assert re.search(rf"^(::: [\w.]+\.{name}|### `{name}`)$", text, re.MULTILINE), name
    for name in testing.__all__:
        assert re.search(rf"^::: toolkit\.testing\.[\w.]+\.{name}$", text, re.MULTILINE), name


def test_the_page_on_python_has_every_name():
    for name in toolkit.__all__:
        assert re.search(
            rf"^::: toolkit\.([\w.]+\.)?{name}$", PAGES["reference/python.md"], re.MULTILINE
        )


def test_the_settings_of_a_recipe_are_all_there():
    text = PAGES["reference/recipe.md"]
    for name, field in Training.model_fields.items():
        assert f"`{name}`" in text
        assert " ".join(field.description.split()) in text


def test_everything_is_described():
    lost = [place for place, text in PAGES.items() if re.search("^:   …$", text, re.MULTILINE)]
    assert lost == []


def test_no_marker_is_left():
    assert [place for place, text in PAGES.items() if "<!--" in text] == []


def test_every_document_is_described():
    text = PAGES["reference/files.md"]
    for name, command in commands(typer.main.get_command(app)):
        formats = [each for each in command.params if each.name == "output"]
        if formats and "json" in formats[0].type_descriptor.annotation.__members__:
            assert re.search(rf"`{name}\b[^`]*json`", text), name


def keys(document):
    """All keys of a document, except those below values of any form."""
    if isinstance(document, list):
        return set().union(*map(keys, document))
    if not isinstance(document, dict):
        return set()
    inner = (keys(value) for key, value in document.items() if key not in ("options", "sources"))
    return set(document).union(*inner)


@pytest.mark.parametrize(
    "said",
    ["plugins list --json", "plugins freeze --format json", "data list --format json",
     "weights list --format json"],
)  # fmt: skip
def test_a_document_has_the_keys_that_are_described(said):
    text = PAGES["reference/files.md"]
    described = re.search(rf"^`toolkit {said}`\n:   (.*?)\n\n", text, re.MULTILINE | re.DOTALL)[1]
    done = CliRunner().invoke(app, said.split())
    assert done.exit_code == 0, done.output
    assert keys(json.loads(done.stdout)) - set(re.findall(r"`(\w+)`", described)) == set()


def test_a_table_is_described_by_the_names_in_its_file():
    text = model_fields(Table, linked={"Row"})
    assert "`scales`" in text
    assert "`settings`" not in text
    assert "`rows` <small>list of [Row](#row); required</small>" in text
    assert "list of table of `claim`, `better`, `than`" in text


@pytest.mark.parametrize(
    ("field", "told"),
    [
        ({"type": "number", "minimum": 0, "exclusiveMaximum": 1}, "number ≥ 0 and < 1"),
        ({"enum": ["a", "b"]}, "`a`, `b`"),
        ({"anyOf": [{"type": "string"}, {"type": "null"}]}, "text or nothing"),
        ({"type": "array", "items": {"type": "string"}}, "list of texts"),
        ({"type": "array", "prefixItems": [{"type": "integer"}] * 2}, "list of 2: whole number"),
        (
            {"type": "object", "additionalProperties": {"type": "number"}},
            "table of numbers by name",
        ),
        ({"type": "string", "format": "path"}, "path"),
    ],
)
def test_types_in_words(field, told):
    assert type_of(field, {}) == told
