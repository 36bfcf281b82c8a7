"""Code in the pages is valid, and what it names of the toolkit exists."""

import ast
import importlib
import tomllib

import pytest
from code_blocks import ROOT, all_blocks, blocks

import toolkit
from toolkit.discovery import installed
from toolkit.recipe import resolve
from toolkit.tables.spec import Table

PYTHON = list(all_blocks("python"))
TOML = list(all_blocks("toml"))


def lacking(code):
    """Names that code imports from the toolkit, or asks of it, and that it does not have."""
    for node in ast.walk(ast.parse(code)):
        if isinstance(node, ast.ImportFrom) and (node.module or "").partition(".")[0] == "toolkit":
            module = importlib.import_module(node.module)
            yield from (each.name for each in node.names if not hasattr(module, each.name))
        elif isinstance(node, ast.Attribute) and getattr(node.value, "id", "") == "toolkit":
            yield from () if hasattr(toolkit, node.attr) else (node.attr,)


@pytest.mark.parametrize(
    ("page", "code"), PYTHON, ids=[f"{page}-{n}" for n, (page, _) in enumerate(PYTHON)]
)
def test_python(page, code):
    assert list(lacking(code)) == []


@pytest.mark.parametrize(
    ("page", "code"), TOML, ids=[f"{page}-{n}" for n, (page, _) in enumerate(TOML)]
)
def test_toml(page, code):
    assert tomllib.loads(code)


def first_toml(page):
    text = (ROOT / "docs" / page).read_text(encoding="utf-8")
    return next(tomllib.loads(code) for language, code in blocks(text) if language == "toml")


def test_the_recipe_of_the_reference_resolves():
    recipe = resolve(first_toml("reference/recipe.md"), installed())
    assert recipe.loss["ea-dists"].crop == 128


def test_the_table_of_the_page_on_tables_is_one():
    assert Table.model_validate(first_toml("paper/index.md")).claims[0].better == "mine"


def test_what_is_not_there_is_found():
    assert list(lacking("from toolkit.plugin import Lozz\nimport toolkit\ntoolkit.lode(1)")) == [
        "Lozz", "lode",
    ]  # fmt: skip
