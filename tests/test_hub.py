"""Runs of the model hub: what is downloaded, what is checked, what is refused."""

import errno
import os
import shutil
from pathlib import Path

import pytest
from huggingface_hub import HfApi, constants

from toolkit import hub
from toolkit.checkpoints import save_checkpoint
from toolkit.errors import HubError, UnknownComponentError, UsageError, WeightsError
from toolkit.hub import run_from_hub
from toolkit.recipe import Recipe
from toolkit.registry import Registry
from toolkit.specs import Selection

NAME = "hub:me/mine"
CHECKPOINT = "checkpoints/step-0000007.safetensors"
MAY_NOT = ("code.py", "pickle.pkl", "checkpoints/best.safetensors", "checkpoints/step-0000007.pkl")


def recipe(**sections):
    return Recipe.model_validate(sections).toml().encode()


@pytest.fixture
def repository(model_hub, tmp_path):
    """A pushed run, among files that must not be downloaded."""
    save_checkpoint(tmp_path / "it", {"generator": {}}, {"step": "7", "fingerprint": "f"})
    files = dict.fromkeys((*MAY_NOT, "checkpoints/step-0000002.safetensors"), b"no")
    files |= {"recipe.toml": recipe(), CHECKPOINT: (tmp_path / "it").read_bytes()}
    return model_hub.put("me/mine", files)


def change(repository, **files):
    repository.commit({**repository.files, **{key.replace("_", "."): files[key] for key in files}})


def downloaded():
    snapshots = Path(constants.HF_HUB_CACHE).glob("*/snapshots/*/**/*")
    return {path.name for path in snapshots if path.is_file()}


def offline(monkeypatch, model_hub):
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    model_hub.requests.clear()


def test_recipe_and_newest_checkpoint_alone_are_downloaded(repository):
    run = run_from_hub(NAME)
    assert run.source == NAME
    assert run.latest().relative_to(run.folder).as_posix() == CHECKPOINT
    assert run.latest().read_bytes() == repository.files[CHECKPOINT]
    assert run.recipe() == Recipe()
    assert downloaded() == {"recipe.toml", "step-0000007.safetensors"}


def test_a_run_is_downloaded_once(repository, model_hub):
    assert run_from_hub(NAME).folder == run_from_hub(NAME).folder
    assert len(model_hub.downloads()) == 2


def test_a_revision_is_what_is_named(repository):
    old = repository.branches["main"]
    change(repository, recipe_toml=recipe(train={"seed": 3}))
    assert run_from_hub(NAME).recipe().train.seed == 3
    assert run_from_hub(f"{NAME}@{old}").recipe().train.seed == 0
    with pytest.raises(HubError, match="no branch, tag or commit 'absent'"):
        run_from_hub(f"{NAME}@absent")


@pytest.mark.parametrize(
    "name", ["hub:mine", "hub:", "hub:a/b/c", "hub:../..", "hub:a/b@", "hub:/a"]
)
def test_a_malformed_name_is_told(model_hub, name):
    with pytest.raises(UsageError, match="does not name a repository") as told:
        run_from_hub(name)
    assert "hub:me/my-restorer" in told.value.hint
    assert model_hub.requests == []


def test_an_absent_repository_is_told(model_hub):
    with pytest.raises(HubError, match="has no repository me/mine, or it is private") as told:
        run_from_hub(NAME)
    assert "hf auth login" in told.value.hint


def test_a_gated_repository_is_told(repository, model_hub):
    model_hub.refuse["api/models/me/mine"] = (403, "GatedRepo")
    with pytest.raises(HubError, match="accept the terms of me/mine") as told:
        run_from_hub(NAME)
    assert f"{model_hub.url}/me/mine" in told.value.hint


def test_a_hub_in_trouble_is_told(repository, model_hub):
    model_hub.refuse["api/models/me/mine"] = (418, "")
    with pytest.raises(HubError, match="The hub answers 418 refused") as told:
        run_from_hub(NAME)
    assert "later" in told.value.hint


@pytest.mark.parametrize("absent", ["recipe.toml", CHECKPOINT])
def test_a_repository_without_a_run_is_told_before_a_download(model_hub, absent):
    files = {"recipe.toml": recipe(), CHECKPOINT: b"x", **dict.fromkeys(MAY_NOT, b"no")}
    del files[absent]
    model_hub.put("me/mine", files)
    with pytest.raises(UsageError, match=r"holds no run: there is no (recipe|check)") as told:
        run_from_hub(NAME)
    assert "toolkit export RUN --push me/mine" in told.value.hint
    assert model_hub.downloads() == []


def test_a_recipe_that_is_none_is_told_before_a_download(repository, model_hub):
    change(repository, recipe_toml=b"#" * (2 << 20))
    with pytest.raises(UsageError, match="too large to be a recipe"):
        run_from_hub(NAME)
    assert model_hub.downloads() == []


def test_too_little_space_is_told_before_a_download(repository, model_hub, monkeypatch):
    usage = shutil.disk_usage("/")
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage._replace(free=100))
    with pytest.raises(WeightsError, match=r"hub's cache, .* cannot be used: No space") as told:
        run_from_hub(NAME)
    assert "HF_HOME=" in told.value.hint
    assert model_hub.downloads() == []


@pytest.mark.parametrize("path", ["recipe.toml", CHECKPOINT])
def test_other_content_than_the_hub_states_is_not_opened(repository, model_hub, path):
    model_hub.served[path] = repository.files[path][:-1] + b"!"
    with pytest.raises(HubError, match="does not have the hash that the hub states") as told:
        run_from_hub(NAME)
    blob = Path(told.value.hint.removeprefix("Delete ").partition(",")[0])
    model_hub.served.clear()
    blob.unlink()  # as advised
    assert run_from_hub(NAME).latest().read_bytes() == repository.files[CHECKPOINT]


def test_a_change_during_the_download_is_told(repository, monkeypatch):
    asked = HfApi.model_info

    def ask_and_change(*given, **options):
        info = asked(*given, **options)
        change(repository, recipe_toml=recipe(train={"seed": 3}))
        return info

    monkeypatch.setattr(HfApi, "model_info", ask_and_change)
    with pytest.raises(HubError, match="was changed during the download"):
        run_from_hub(NAME)


def test_a_cache_that_is_read_only_is_opened(repository, monkeypatch):
    folder = run_from_hub(NAME).folder

    def read_only(*_arguments):
        raise OSError(errno.EROFS, os.strerror(errno.EROFS))

    monkeypatch.setattr(hub, "try_writing", read_only)
    assert run_from_hub(NAME).folder == folder


def test_offline_the_cache_is_opened(repository, model_hub, monkeypatch):
    online = run_from_hub(NAME)
    offline(monkeypatch, model_hub)
    assert run_from_hub(NAME).folder == online.folder
    assert run_from_hub(f"{NAME}@{online.folder.name}").folder == online.folder
    assert model_hub.requests == []


def test_offline_a_spoilt_cache_is_told(repository, model_hub, monkeypatch):
    blob = run_from_hub(NAME).latest().resolve()
    offline(monkeypatch, model_hub)
    blob.write_bytes(b"other")
    with pytest.raises(HubError, match="does not have the hash") as told:
        run_from_hub(NAME)
    assert str(blob) in told.value.hint


@pytest.mark.parametrize("forbidden", [True, False])
def test_offline_without_a_cache_is_told(model_hub, monkeypatch, dead_url, forbidden):
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", forbidden)
    monkeypatch.setattr(constants, "ENDPOINT", dead_url)
    with pytest.raises(HubError, match=r"not in the hub's cache") as told:
        run_from_hub(f"{NAME}@two")
    assert ("HF_HUB_OFFLINE is set" if forbidden else "refused") in str(told.value)
    assert "hf download me/mine --revision two" in told.value.hint


@pytest.mark.parametrize(
    "sections",
    [
        {"backbone": {"use": "sd21", "weights": "/etc"}},
        {"backbone": "sd21:/etc/passwd"},
        {"backbone": "sd21:~/secret"},
        {"backbone": "sd21:../other"},
        {"backbone": "sd21:C:/other"},
        {"backbone": "sd21:there"},
        {"backbone": "sd21:there/below"},
        {"gen": {"use": "one-step", "backbone": {"use": "sd21", "weights": "/etc"}}},
        {"gen": {"use": "theirs", "files": ["/etc/passwd"]}},
    ],
)
def test_a_recipe_from_elsewhere_names_no_paths(repository, sections, tmp_path, monkeypatch):
    (tmp_path / "there" / "below").mkdir(parents=True)
    monkeypatch.chdir(tmp_path)
    change(repository, recipe_toml=recipe(**sections))
    with pytest.raises(UsageError, match="names a file of this machine"):
        run_from_hub(NAME)


def test_another_repository_may_be_named(repository):
    change(repository, recipe_toml=recipe(backbone="sd21:you/base", data="folder:/theirs"))
    assert run_from_hub(NAME).recipe().backbone == Selection(use="sd21:you/base")


def test_an_ill_formed_recipe_is_told(repository):
    change(repository, recipe_toml=b"gen = [")
    with pytest.raises(UsageError, match="not valid TOML"):
        run_from_hub(NAME)


def test_a_missing_plugin_is_named(repository):
    made = {"their-plugin": {"version": "1.2", "supplies": ["generator/theirs"]}}
    change(repository, recipe_toml=recipe(gen="theirs", provenance=made))
    with pytest.raises(
        UnknownComponentError, match="hub:me/mine needs the generator 'theirs'"
    ) as told:
        run_from_hub(NAME).restorer(Registry())
    assert told.value.hint == "If you trust that package: pip install their-plugin==1.2"
