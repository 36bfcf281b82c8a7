"""Recipes for others: no paths in them, and nothing else left out."""

import pytest

from toolkit.discovery import installed
from toolkit.recipe import Recipe, resolve
from toolkit.recipe.public import paths_for_restoring, without_paths
from toolkit.specs import Selection


def test_a_recipe_without_paths_stays_as_it_is():
    recipe = resolve({"backbone": "sd21:me/base", "train": {"start": "pocket"}}, installed())
    assert without_paths(recipe) == (recipe, [])


@pytest.mark.parametrize(
    ("sections", "option"),
    [
        ({"data": {"use": "folder", "folder": "/my/photos"}}, "data.folder"),
        ({"data": {"use": "shards", "urls": ["s3://mine/a.tar", "b.tar"]}}, "data.urls"),
        ({"data": "folder:/my/photos"}, "data"),
        ({"train": {"start": "/my/run"}}, "train.start"),
        ({"train": {"validate_on": "folder:/my/photos"}}, "train.validate_on"),
        ({"train": {"track": {"use": "x", "folder": "~/logs"}}}, "train.track.folder"),
        ({"disc": {"use": "nad", "backbone": {"use": "sd21", "weights": "C:\\sd"}}},
         "disc.backbone.weights"),
        ({"degradation": {"use": "recorded", "folder": "../there"}}, "degradation.folder"),
        ({"loss": {"lpips": {"weights": "/my/lpips"}}}, "loss.lpips.weights"),
    ],
)  # fmt: skip
def test_paths_are_left_out_by_name(sections, option):
    track = sections.get("train", {}).get("track")
    if track:
        sections = {"train": {"track": [track]}}
    public, left_out = without_paths(Recipe.model_validate(sections))
    assert left_out == [option]
    for text in ("/my", "s3:", "~/", "C:", "../"):
        assert text not in public.toml()
    assert without_paths(public) == (public, [])


def test_what_is_there_is_a_path_though_it_looks_like_a_repository(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    recipe = Recipe(data=Selection(use="folder", options={"folder": "my/photos"}))
    assert without_paths(recipe)[1] == []
    (tmp_path / "my" / "photos").mkdir(parents=True)
    assert without_paths(recipe)[1] == ["data.folder"]


def test_only_what_restores_is_needed():
    recipe = Recipe.model_validate({
        "backbone": "sd21:/my/sd21", "data": "folder:/my/photos",
        "gen": {"use": "one-step", "backbone": {"use": "sd21", "weights": "/my/other"}},
    })  # fmt: skip
    assert paths_for_restoring(recipe) == {
        "backbone": "sd21:/my/sd21", "gen.backbone.weights": "/my/other",
    }  # fmt: skip
