"""`toolkit export --push`, and `toolkit restore --with hub:…`, which gives the same bytes."""

import json
import os
import re
import shutil
import tomllib

import cv2
import pytest
import tomli_w
from huggingface_hub import constants, hf_api
from PIL import Image
from safetensors import safe_open

from toolkit.runs import Run
from toolkit_backbones.plugin import POCKET

NAME = "me/mine"
CHECKPOINT = "checkpoints/step-0000002.safetensors"
WEIGHTS = "condition/diffusion_pytorch_model.safetensors"
LORA = "unet/lora/pytorch_lora_weights.safetensors"
PUSHED = {
    CHECKPOINT, LORA, WEIGHTS, "README.md", "condition/condition.py", "condition/config.json",
    "model_index.json", "pipeline.py", "recipe.toml", "scheduler/scheduler_config.json",
}  # fmt: skip


@pytest.fixture
def run(trained, tmp_path):
    """A run with all that must stay at home."""
    folder = shutil.copytree(trained, tmp_path / "run")
    (folder / "crash").mkdir()
    (folder / "crash" / "batch.safetensors").write_bytes(b"private")
    return folder


@pytest.fixture
def pushed(cli, run, model_hub):
    result = cli("export", run, "--push", NAME, "--format", "json")
    assert result.code == 0, result.err
    return result.document


def restored(cli, photo, source, out):
    result = cli("restore", photo, "--with", source, "--out", out)
    assert result.code == 0, result.err
    return cv2.imread(str(out)).tobytes()  # but for its note, which names the run


def test_what_was_pushed_restores_as_the_run_does(cli, run, pushed, photo, tmp_path):
    ours = restored(cli, photo, run, tmp_path / "ours.png")
    for name in (f"hub:{NAME}", f"hub:{NAME}@main", f"hub:{NAME}@{pushed['commit']}"):
        theirs = tmp_path / f"{len(name)}.png"
        assert restored(cli, photo, name, theirs) == ours


@pytest.mark.parametrize("form", ["diffusers", "merged"])
def test_diffusers_restores_from_the_hub(
    cli, run, model_hub, photo, tmp_path, monkeypatch, modules_cache, form
):
    from diffusers import DiffusionPipeline

    monkeypatch.setattr(hf_api.api, "endpoint", model_hub.url)  # chosen when it was imported
    assert cli("export", run, "--to", form, "--push", NAME).code == 0
    base = {"base": str(POCKET)} if form == "diffusers" else {}
    pipe = DiffusionPipeline.from_pretrained(NAME, trust_remote_code=True, **base)
    with Image.open(photo) as image:
        pipe(image).images[0].save(tmp_path / "theirs.png")
    result = cli("restore", photo, "--with", run, "--out", tmp_path / "ours.png")
    assert result.code == 0, result.err
    theirs, ours = (cv2.imread(str(tmp_path / f"{each}.png")) for each in ("theirs", "ours"))
    assert abs(theirs.astype(int) - ours).max() <= 1
    assert not model_hub.downloads(CHECKPOINT)


def test_one_commit_has_weights_recipe_and_card(pushed, model_hub, run):
    assert set(model_hub.repositories[NAME].files) == PUSHED
    [commit] = model_hub.commits
    assert commit[0]["value"]["summary"] == "Push step 2 with the restoration toolkit"
    assert pushed["url"] == f"{model_hub.url}/{NAME}"
    assert pushed["commit"] == model_hub.repositories[NAME].branches["main"]
    assert {each["name"]: each["bytes"] for each in pushed["files"]} == {
        path: len(data) for path, data in model_hub.repositories[NAME].files.items()
    }
    assert (pushed["step"], pushed["private"], pushed["revision"]) == (2, False, "main")


def test_nothing_private_is_pushed(run, pushed, model_hub, tmp_path, trained, photo_folder):
    files = model_hub.repositories[NAME].files
    everything = b"".join(files.values())
    for folder in (tmp_path, trained, photo_folder):
        assert str(folder).encode() not in everything
    (tmp_path / "it.safetensors").write_bytes(files[CHECKPOINT])
    with safe_open(tmp_path / "it.safetensors", framework="pt") as stream:
        assert {name.partition("/")[0] for name in stream.keys()} == {"generator"}  # noqa: SIM118
        assert set(stream.metadata()) == {"step", "fingerprint", "parts", "sha256"}
    recipe = tomllib.loads(files["recipe.toml"].decode())
    assert (recipe["data"]["use"], "folder" in recipe["data"]) == ("folder", False)
    assert pushed["left_out"] == ["data.folder"]
    assert recipe["gen"] == tomllib.loads((run / "recipe.toml").read_text())["gen"]


def test_what_goes_up_is_told_before(cli, run, model_hub):
    model_hub.refuse["POST api/repos/create"] = (403, "")
    result = cli("export", run, "--push", NAME, "--private")
    assert result.code == 1
    for told in (f"Pushing to hub:{NAME}, private, in one commit:", "recipe.toml", CHECKPOINT,
                 "names places on this machine: data.folder"):  # fmt: skip
        assert told in result.err
    assert NAME not in model_hub.repositories


def test_the_card_shows_figures_and_the_command(cli, run, model_hub):
    checkpoint = Run(run).latest()
    Run(run).append_validation({"step": 1, "dists": 0.75})
    Run(run).append_validation({"step": 2, "dists": 0.25})
    (run / "mine.json").write_text(json.dumps({
        "metrics": {"psnr-y": {"mean": 23.456, "count": 7, "direction": "higher"}}, "images": [],
    }))  # fmt: skip
    (run / "old.json").write_text((run / "mine.json").read_text().replace("23", "99"))
    os.utime(run / "old.json", (0, checkpoint.stat().st_mtime - 9))
    assert cli("export", run, "--push", NAME).code == 0
    card = model_hub.repositories[NAME].files["README.md"].decode()
    assert "| dists ↓ | 0.25 |  | validation on `photos:heldout`, crops of 256 pixels |" in card
    assert "| psnr-y ↑ | 23.46 | 7 | `toolkit eval`, mine |" in card
    assert "0.75" not in card
    assert "`, old" not in card
    assert f"toolkit restore photo.jpg --with hub:{NAME}\n" in card


def test_a_second_push_replaces_the_checkpoint(cli, run, pushed, model_hub):
    repository = model_hub.repositories[NAME]
    kept = {**repository.files, "notes.md": b"mine", "checkpoints/other.safetensors": b"x"}
    kept["checkpoints/step-0000001.safetensors"] = kept.pop(CHECKPOINT)
    repository.commit(kept)
    assert cli("export", run, "--push", NAME).code == 0
    assert set(repository.files) == PUSHED | {"notes.md", "checkpoints/other.safetensors"}
    assert len(model_hub.commits) == 2


def test_a_branch_is_created(cli, run, pushed, model_hub, photo, tmp_path):
    before = model_hub.repositories[NAME].branches["main"]
    result = cli("export", run, "--to", "merged", "--push", NAME, "--revision", "two")
    assert result.code == 0, result.err
    assert f"{model_hub.url}/{NAME}/tree/two" in result.out
    [command] = re.findall(r"--with (\S+)", result.out)
    branches = model_hub.repositories[NAME].branches
    assert branches["main"] == before != branches["two"]
    ours = restored(cli, photo, run, tmp_path / "ours.png")
    assert restored(cli, photo, command, tmp_path / "theirs.png") == ours


def test_private_means_private(cli, mistake, run, model_hub, monkeypatch, photo, tmp_path):
    assert cli("export", run, "--push", NAME, "--private").code == 0
    assert model_hub.repositories[NAME].private
    restored(cli, photo, f"hub:{NAME}", tmp_path / "out.png")
    shutil.rmtree(constants.HF_HUB_CACHE)
    monkeypatch.delenv("HF_TOKEN")
    told = mistake("restore", photo, "--with", f"hub:{NAME}", code=1)
    assert "or it is private" in told
    assert "hf auth login" in told


def test_a_public_repository_does_not_become_private_silently(mistake, run, pushed, model_hub):
    told = mistake("export", run, "--push", NAME, "--private", code=1)
    assert "exists already, and is public" in told
    assert len(model_hub.commits) == 1


@pytest.mark.parametrize("name", ["mine", "a/b/c", "me/", "me/mi ne"])
def test_a_name_without_an_owner_is_told(mistake, run, model_hub, name):
    told = mistake("export", run, "--push", name)
    assert "does not name a repository" in told
    assert "OWNER/NAME" in told
    assert model_hub.requests == []


def test_without_a_token_the_login_is_told(mistake, run, model_hub, monkeypatch):
    monkeypatch.delenv("HF_TOKEN")
    told = mistake("export", run, "--push", NAME, code=1)
    assert "needs a token" in told
    assert "hf auth login" in told
    assert model_hub.requests == []


def test_a_wrong_token_is_told_before_any_work(mistake, run, model_hub, monkeypatch):
    monkeypatch.setenv("HF_TOKEN", "hf_wrong")
    told = mistake("export", run, "--push", NAME, code=1)
    assert "does not accept your token" in told
    assert "hf auth login" in told


def test_somebody_elses_name_is_told(mistake, run, model_hub):
    told = mistake("export", run, "--push", "you/mine", code=1)
    assert "may not write to you/mine" in told
    assert "--push YOU/NAME" in told


def test_a_failing_network_is_told(mistake, run, model_hub, monkeypatch, dead_url):
    monkeypatch.setattr(constants, "ENDPOINT", dead_url)
    assert "cannot be reached" in mistake("export", run, "--push", NAME, code=1)


def test_a_failing_upload_commits_nothing(mistake, run, model_hub):
    model_hub.refuse["PUT objects"] = (403, "")
    told = mistake("export", run, "--push", NAME, code=1)
    assert "may not write to me/mine" in told
    assert model_hub.commits == []


def test_offline_nothing_is_pushed(mistake, run, model_hub, monkeypatch):
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    assert "unset HF_HUB_OFFLINE" in mistake("export", run, "--push", NAME, code=1)


def test_own_weights_that_others_lack_are_told(mistake, run, model_hub, tmp_path):
    recipe = run / "recipe.toml"
    tables = tomllib.loads(recipe.read_text())
    tables["backbone"] = {"use": "sd21", "weights": "/my/sd21"}
    recipe.write_text(tomli_w.dumps(tables))
    told = mistake("export", run, "--push", NAME)
    assert "needs your own /my/sd21 (backbone.weights)" in told
    assert str(recipe) in told
    assert model_hub.requests == []


def test_options_of_a_push_need_one(mistake, run):
    for option in (["--private"], ["--revision", "two"]):
        assert "--push OWNER/NAME" in mistake("export", run, *option)
